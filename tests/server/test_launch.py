"""A server that runs out of memory gives way to smaller ones; with real processes."""

import asyncio
import sys
from dataclasses import replace

import pytest

from synth.errors import ServerOutOfMemory, ServerStartError, ServerTimeout
from synth.server.command import Command
from synth.server.launch import Launch
from synth.server.lease import open_session
from tests.conftest import STUB, is_running


def ladder(limit, *sequences, switches=()):
    return [
        Command(
            [
                *(sys.executable, str(STUB), "--out-of-memory-above", str(limit), *switches),
                *("--max-num-seqs", str(n)),
            ],
            "127.0.0.1",
            0,
            {},
            takes=f"max-num-seqs={n}",
        )
        for n in sequences
    ]


@pytest.fixture
def settings(make_config):
    return lambda **changes: replace(make_config().server, **{"timeout_s": 30, **changes})


@pytest.fixture
def session():
    with open_session() as session:
        yield session


def wait(launch):
    return asyncio.run(launch.wait_until_ready())


def test_out_of_memory_steps_down_and_is_recorded(session, settings, tmp_path, caplog):
    launch = Launch(session, ladder(10, 32, 16, 8, 4), settings(), tmp_path / "server.log")
    endpoint = wait(launch)
    assert endpoint == launch.server.endpoint
    assert launch.steps_down == ["max-num-seqs=32", "max-num-seqs=16"]
    assert launch.command.takes == "max-num-seqs=8"
    assert "out of memory with max-num-seqs=32; trying max-num-seqs=16" in caplog.text
    assert "OutOfMemoryError" in (tmp_path / "server.1.log").read_text()
    assert "OutOfMemoryError" not in (tmp_path / "server.log").read_text()


def test_end_of_the_ladder_is_the_error(session, settings, tmp_path):
    launch = Launch(session, ladder(1, 4, 2), settings(), tmp_path / "server.log")
    with pytest.raises(ServerOutOfMemory, match="ran out of memory"):
        wait(launch)
    assert launch.steps_down == ["max-num-seqs=4"]


def test_other_failures_do_not_step_down(session, settings, tmp_path):
    broken = ladder(99, 4, 2, switches=("--exit-at-start", "ImportError: no"))
    launch = Launch(session, broken, settings(), tmp_path / "server.log")
    with pytest.raises(ServerStartError, match="ImportError: no"):
        wait(launch)
    assert launch.steps_down == []


def test_server_that_hangs_is_gone_when_the_error_comes(session, settings, tmp_path):
    child = tmp_path / "child"
    stubborn = ("--hang", "--ignore-sigterm", "--spawn-child", str(child))
    launch = Launch(
        session, ladder(99, 4, switches=stubborn), settings(timeout_s=2), tmp_path / "server.log"
    )
    with pytest.raises(ServerTimeout):
        wait(launch)
    assert not is_running(int(child.read_text()))


def test_smaller_server_that_runs_is_used_again(session, settings, tmp_path):
    rungs = ladder(10, 16, 8)
    first = Launch(session, rungs, settings(), tmp_path / "a" / "server.log")
    wait(first)
    second = Launch(session, rungs, settings(), tmp_path / "b" / "server.log")
    assert second.server.was_reused
    assert second.server.endpoint == first.server.endpoint
    assert second.command.takes == "max-num-seqs=8"
