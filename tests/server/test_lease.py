"""Who holds a server, and when it is used again; with real processes."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from synth.errors import ServerStartError
from synth.io import read_json
from synth.server import lease
from synth.server.command import Command
from tests.conftest import STUB, is_running, wait_until


def stub_command(*switches: str, port: int = 0, env: dict[str, str] | None = None) -> Command:
    return Command([sys.executable, str(STUB), *switches], "127.0.0.1", port, env or {})


@pytest.fixture
def session():
    with lease.open_session() as session:
        yield session


def pids(server):
    state = read_json(server.folder / "state.json")
    return state["pid"], state["supervisor"]


def test_session_ends_its_servers(tmp_path):
    with lease.open_session() as session:
        server = session.acquire(stub_command("--ignore-sigterm"), tmp_path / "log")
        processes = pids(server)
        assert all(map(is_running, processes))
        folder = server.folder.parent
    assert not any(map(is_running, processes))
    assert not folder.exists()


def test_equal_command_is_one_server(session, tmp_path):
    first = session.acquire(stub_command(), tmp_path / "a" / "log")
    second = session.acquire(stub_command(), tmp_path / "b" / "log")
    assert (first.was_reused, second.was_reused) == (False, True)
    assert first.endpoint == second.endpoint
    assert (tmp_path / "b" / "log").samefile(tmp_path / "a" / "log")


@pytest.mark.parametrize(
    "other", [stub_command("--delay-s", "1"), stub_command(env={"A": "1"})], ids=["argv", "env"]
)
def test_other_command_replaces_the_server(session, tmp_path, other):
    first = session.acquire(stub_command(), tmp_path / "a")
    processes = pids(first)
    second = session.acquire(other, tmp_path / "b")
    assert not any(map(is_running, processes))
    assert first.poll() is not None
    assert second.poll() is None


def test_dead_server_is_not_reused(session, tmp_path):
    first = session.acquire(stub_command(), tmp_path / "a")
    os.kill(pids(first)[0], signal.SIGKILL)
    wait_until(lambda: first.poll() == -signal.SIGKILL)
    assert session.acquire(stub_command(), tmp_path / "b").was_reused is False


def test_server_whose_supervisor_was_killed_is_dead(session, tmp_path):
    server = session.acquire(stub_command("--ignore-sigterm"), tmp_path / "a")
    process, supervisor = pids(server)
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not is_running(process))
    assert server.poll() == -signal.SIGKILL


def test_taken_port_is_told(session, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerStartError, match=f"server.port={port}: can't listen"):
            session.acquire(stub_command(port=port), tmp_path / "log")


def test_program_that_does_not_exist_is_told(session, tmp_path):
    command = Command(["/nowhere/vllm"], "127.0.0.1", 0, {})
    with pytest.raises(ServerStartError, match=r"No such file.*server\.command"):
        session.acquire(command, tmp_path / "log")


def test_no_secret_is_written(session, tmp_path):
    command = Command([sys.executable, str(STUB)], "127.0.0.1", 0, {}, {"HF_TOKEN": "hf_marked"})
    server = session.acquire(command, tmp_path / "log")
    secrets = ("hf_marked", server.endpoint.api_key)
    files = [path for path in server.folder.parent.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not any(secret in path.read_text() for path in files for secret in secrets)
    assert stat.S_IMODE(server.folder.parent.stat().st_mode) == 0o700
    assert server.endpoint.api_key not in repr(server)


def test_killed_session_leaves_nothing(tmp_path):
    code = f"""
import os, signal, sys
from pathlib import Path
from synth.server import lease
from synth.server.command import Command
with lease.open_session() as session:
    command = Command([sys.executable, {str(STUB)!r}, "--ignore-sigterm"], "127.0.0.1", 0, {{}})
    server = session.acquire(command, Path("log"))
    print(server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    session = Path(done.stdout.strip()).parent
    wait_until(lambda: not session.exists())


def test_log_that_others_have_is_not_written_to_again(session, tmp_path):
    first = session.acquire(stub_command(), tmp_path / "a")
    lease.link_log(first, tmp_path / "b")
    lease.stop(first)
    kept = (tmp_path / "a").read_bytes()
    second = session.acquire(stub_command("--chatter", "9"), tmp_path / "b")
    wait_until(lambda: b"x" * 9 in second.log_path.read_bytes())
    assert (tmp_path / "a").read_bytes() == kept
