"""Readiness over HTTP, death before the clock."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import pytest

from synth.errors import ServerOutOfMemory, ServerStartError, ServerTimeout
from synth.io import read_json
from synth.server import lease, ready
from synth.server.command import Command
from tests.conftest import STUB


@pytest.fixture
def launch(tmp_path):
    with lease.open_session() as session:
        yield lambda *switches: session.acquire(
            Command([sys.executable, str(STUB), *switches], "127.0.0.1", 0, {}), tmp_path / "log"
        )


def wait(server, timeout_s=30):
    return asyncio.run(ready.wait_until_ready(server, timeout_s))


def test_endpoint_is_returned_when_it_answers(launch):
    server = launch("--startup-delay-s", "0.5")
    assert wait(server) == server.endpoint


def test_death_is_noticed_before_the_clock(launch):
    server = launch("--exit-at-start", "ValueError: CUDA out of memory")
    with pytest.raises(ServerOutOfMemory, match=r"code 1.*ran out of memory.*said: Value") as e:
        wait(server, 600)
    assert "CUDA out of memory" in e.value.log_tail
    assert e.value.log_path == str(server.log_path)


def test_slow_server_is_a_timeout(launch):
    with pytest.raises(ServerTimeout, match=r"server\.timeout_s=0\.3"):
        wait(launch("--startup-delay-s", "60"), 0.3)


def test_server_that_never_answers_is_a_timeout(launch):
    with pytest.raises(ServerTimeout, match="not ready within"):
        wait(launch("--hang"), 2)


def test_death_of_a_server_that_does_not_answer_is_noticed(launch):
    server = launch("--hang")
    with pytest.raises(ServerStartError, match=r"code -9 before.*killed from outside.*dmesg"):
        asyncio.run(_kill_while_waiting(server))


async def _kill_while_waiting(server):
    asyncio.get_running_loop().call_later(
        1, os.kill, read_json(server.folder / "state.json")["pid"], signal.SIGKILL
    )
    await ready.wait_until_ready(server, 600)


def test_import_that_fails_is_told(tmp_path):
    command = Command([sys.executable, "-c", "import vllm_that_is_not_there"], "127.0.0.1", 0, {})
    with lease.open_session() as session:
        server = session.acquire(command, tmp_path / "log")
        with pytest.raises(ServerStartError, match="No module named 'vllm_that_is_not_there'"):
            wait(server)


def test_server_of_someone_else_is_not_ours(launch):
    server = launch()
    other = replace(server, endpoint=replace(server.endpoint, model="synth-other"))
    with pytest.raises(ServerTimeout):
        wait(other, 1)
