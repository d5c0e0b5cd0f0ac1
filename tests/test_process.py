"""One process group, ended whole, whatever its members and its owner do."""

import os
import signal
import subprocess
import sys

import pytest

from synth.process import ProcessGroup
from tests.conftest import STUB, is_running, wait_until


@pytest.fixture
def launch(tmp_path):
    def start(*switches: str) -> ProcessGroup:
        argv = [sys.executable, str(STUB), "--port", "0", "--served-model-name", "m", *switches]
        return ProcessGroup(argv, os.environ, tmp_path / "log")

    return start


@pytest.fixture
def stubborn(launch, tmp_path):
    """A server that ignores TERM with a child that does, too; and the child's pid."""
    child = tmp_path / "child"
    process = launch("--ignore-sigterm", "--spawn-child", str(child))
    wait_until(lambda: child.exists() and child.read_text())
    yield process, int(child.read_text())
    process.stop(0)


def test_stop_ends_the_whole_group(stubborn):
    process, child = stubborn
    process.stop(grace_s=0.1)
    assert process.poll() == -signal.SIGKILL
    assert not is_running(child)


def test_stop_is_orderly_where_it_can_be(launch, tmp_path):
    process = launch()
    wait_until(lambda: "environment" in (tmp_path / "log").read_text())
    process.stop(grace_s=10)
    assert process.poll() == -signal.SIGTERM


def test_children_of_a_dead_server_are_ended(stubborn):
    process, child = stubborn
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: process.poll() is not None)
    assert is_running(child)
    process.stop(grace_s=10)
    assert not is_running(child)


def test_exit_code_is_told(launch):
    process = launch("--exit-at-start", "out of ideas")
    assert process.wait(20) == 1
    process.stop(0)


def test_program_that_does_not_exist_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        ProcessGroup(["/nowhere/vllm"], {}, tmp_path / "log")


def test_group_dies_with_its_owner(tmp_path):
    owner_code = f"""
import os, sys, time
from pathlib import Path
from synth.process import ProcessGroup
p = ProcessGroup([{sys.executable!r}, {str(STUB)!r}, "--port", "0", "--served-model-name", "m",
    "--ignore-sigterm", "--spawn-child", "child"], os.environ, Path("log"))
print(p.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", owner_code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as owner:
        server = int(owner.stdout.readline())
        child = tmp_path / "child"
        wait_until(lambda: child.exists() and child.read_text())
        owner.kill()
    wait_until(lambda: not is_running(server))
    wait_until(lambda: not is_running(int(child.read_text())))
