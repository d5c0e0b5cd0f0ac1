"""Several servers behind one run, as users meet them: all of them work, and one may die."""

import os
import re
import shlex
import signal
import sys

import psutil
import pytest

from synth import SyntheticDataKit
from synth.io import read_json, read_jsonl
from tests.conftest import STUB, is_running, wait_until


@pytest.fixture
def pool(stub, documents, tmp_path):
    """Overrides that run two stubs, which note requests and starts, and hold all until told.

    ``starts`` are shell commands that are run before a stub is.
    """

    def make(starts=""):
        (documents / "hold.txt").write_text("HOLD this. " * 300)
        script = tmp_path / "vllm"
        script.write_text(
            f'echo "$SYNTH_REPLICA" >> {tmp_path}/starts\n{starts}\n'
            f'exec {shlex.join([sys.executable, str(STUB)])} "$@"'
        )
        flags = f"max-num-seqs: 2, note-requests: {tmp_path}/asked, hold-until: {tmp_path}/go"
        return [
            *stub,
            f"docs={documents}/hold.txt",
            f"server.command=[/bin/sh,{script}]",
            f"server.engine_args={{{flags}}}",
            "server.replicas=2",
        ]

    return make


@pytest.fixture
def asked(tmp_path):
    """Return the names of the servers that had requests."""
    path = tmp_path / "asked"
    return lambda: {row["model"] for row in read_jsonl(path)} if path.exists() else set()


@pytest.fixture
def find_server(tmp_path):
    """Return the stub of this test that has a part of the machine."""
    mine = {str(STUB), str(tmp_path / "asked")}
    return lambda part: next(
        one
        for one in psutil.process_iter(["cmdline"])
        if mine <= set(one.info["cmdline"] or ())
        and is_running(one.pid)
        and one.environ().get("SYNTH_REPLICA") == part
    )


def is_whole(run):
    """Whether every chunk has its three pairs, once, and nothing has failed."""
    chunks = [row["id"] for row in read_jsonl(run / "chunks.jsonl")]
    pairs = [row["chunk_id"] for row in read_jsonl(run / "pairs.jsonl")]
    is_complete = sorted(pairs) == sorted(chunk for chunk in chunks for _ in range(3))
    return is_complete and not (run / "failures.jsonl").read_text()


def test_both_servers_work(start_cli, pool, tmp_path, asked, offspring):
    process = start_cli(*pool())
    wait_until(lambda: len(asked()) == 2)
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert is_whole(tmp_path / "run")
    server = read_json(tmp_path / "run/run.json")["server"]
    assert (server["n_replicas"], len(server["base_urls"]), server["n_restarts"]) == (2, 2, 0)
    assert server["memory"]["kv_cache_tokens"] == 2 * 8192
    assert re.search(r"memory +servers +x 2, each with \d+ core", out)
    logs = {path.name for path in (tmp_path / "run").glob("server*")}
    assert logs == {"server.log", "server-2.log"}
    assert not offspring()


def test_one_that_is_killed_is_started_again(
    start_cli, pool, tmp_path, asked, find_server, offspring
):
    process = start_cli(*pool())
    wait_until(lambda: len(asked()) == 2)
    find_server("2 of 2").send_signal(signal.SIGKILL)
    wait_until(lambda: len(asked()) == 3)  # the next one in its place
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert is_whole(tmp_path / "run")
    server = read_json(tmp_path / "run/run.json")["server"]
    assert [row["server"] for row in server["restarts"]] == ["server 2 of 2"]
    assert "server 2 of 2: the server ended with code -9" in out
    assert (tmp_path / "run" / "server-2.1.log").is_file()
    assert (tmp_path / "starts").read_text().split("\n")[:2] == ["1 of 2", "2 of 2"]
    assert not offspring()


def test_the_other_goes_on_meanwhile(start_cli, pool, tmp_path, asked, find_server):
    never = f'[ "$(grep -c "2 of 2" {tmp_path}/starts)" -gt 1 ] && exec sleep 600'
    process = start_cli(*pool(never))
    wait_until(lambda: len(asked()) == 2)
    os.kill(find_server("2 of 2").pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert is_whole(tmp_path / "run")
    requests = list(read_jsonl(tmp_path / "run" / "requests.jsonl"))
    assert sum(row["n_retries"] for row in requests) >= 2  # and gen.max_retries is 0


@pytest.mark.parametrize("part", ["1 of 2", "2 of 2"])
def test_one_that_never_gets_ready_is_done_without(start_cli, pool, tmp_path, part):
    (tmp_path / "go").touch()
    process = start_cli(*pool(f'[ "$SYNTH_REPLICA" = "{part}" ] && exit 7'))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert is_whole(tmp_path / "run")
    assert f"server {part} is given up, 1 left: the server ended with code 7" in out
    (reason,) = read_json(tmp_path / "run/run.json")["server"]["given_up"]
    assert "code 7 before it was ready" in reason


def test_none_that_gets_ready_is_one_message(run_cli, pool, tmp_path):
    done = run_cli(*pool("exit 7"))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "the server ended with code 7 before it was ready" in done.stdout
    assert read_json(tmp_path / "run/run.json")["status"] == "FAILED"


def test_run_ends_when_the_last_is_given_up(run_cli, pool, tmp_path, offspring):
    (tmp_path / "go").touch()
    deadly = "server.engine_args.exit-after-requests=1"
    done = run_cli(*pool(), deadly, "server.max_restarts=1")
    assert done.returncode == 1
    assert "while it was in use" in done.stdout
    assert "1 left" in done.stdout
    assert read_json(tmp_path / "run/run.json")["server"]["n_restarts"] == 2
    assert not offspring()


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_jobs_of_a_sweep_share_the_servers(start_cli, pool, tmp_path, asked, launcher):
    sweep = ["-m", *pool(), "gen.temperature=0.2,0.5,0.8", *launcher]
    process = start_cli(*sweep)
    wait_until(lambda: len(asked()) == 2, 60)
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert sorted((tmp_path / "starts").read_text().split("\n")) == ["", "1 of 2", "2 of 2"]
    jobs = [tmp_path / "sweep" / str(n) for n in range(3)]
    assert all(map(is_whole, jobs))
    for name in ("server.log", "server-2.log"):
        assert all((job / name).samefile(jobs[0] / name) for job in jobs)
    starts = [read_json(job / "run.json")["server"]["was_reused"] for job in jobs]
    assert starts.count(False) == 1


def test_kit_has_all_servers(model_dir, documents, tmp_path, monkeypatch, offspring):
    monkeypatch.chdir(tmp_path)
    command = f"server.command=[{sys.executable},{STUB}]"
    with SyntheticDataKit(model_dir, overrides=[command, "server.replicas=2"]) as kit:
        kit.prepare_qa_generation(max_generation_tokens=256)
        assert len(kit._fleet.ready) == 2
        assert kit.endpoint in kit._fleet.ready
        assert kit.generate(documents)
    assert not offspring()
