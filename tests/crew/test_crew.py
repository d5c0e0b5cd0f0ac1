"""Workers die, hang and eat memory; what is lost is the task that they were at."""

import errno
import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from synth.crew import Crew, Limits
from synth.errors import TaskDied, TaskError, TaskFailed, TaskTimeout
from tests.conftest import wait_until
from tests.crew import tasks

PATIENT = Limits(timeout_s=20, max_memory_gib=1)
HASTY = Limits(timeout_s=0.7, max_memory_gib=1)


@pytest.fixture
def crew(tmp_path, request):
    """A crew of two, and afterwards nothing of it."""
    before = set(psutil.Process().children(recursive=True))
    limits = getattr(request, "param", PATIENT)
    with Crew(2, limits, tmp_path / "scratch") as made:
        yield made
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not (tmp_path / "scratch").exists()


def task(function, **arguments):
    return functools.partial(function, **arguments)


def results(stream):
    """Return what came, and the error at the end."""
    came = []
    try:
        for one in stream:
            came.append(one)  # noqa: PERF402  (kept when the stream breaks off)
    except TaskError as error:
        return came, error
    return came, None


def test_results_come_in_order(crew):
    streams = [crew.submit(task(tasks.count, n=n)) for n in range(5)]
    assert [list(stream) for stream in streams] == [list(range(n)) for n in range(5)]


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (tasks.end_by, TaskDied, "SIGSEGV"),
        (task(tasks.end_by, number=signal.SIGKILL), TaskDied, "SIGKILL"),
        (tasks.abort, TaskDied, "SIGABRT"),
        (tasks.leave, TaskDied, "exit code 0"),
        (tasks.eat, TaskDied, "more than 1 GiB of memory"),
        (tasks.fail, TaskFailed, "ValueError: no good"),
    ],
    ids=["segfault", "killed", "abort", "exit", "memory", "error"],
)
def test_only_the_task_at_hand_is_lost(crew, bad, kind, message):
    streams = [crew.submit(one) for one in (tasks.count, bad, tasks.count, tasks.count)]
    first, (came, error), *others = map(results, streams)
    assert came == ["before"]
    assert isinstance(error, kind)
    assert message in str(error)
    assert [first, *others] == [([0, 1, 2], None)] * 3


class SkippingMembers:
    """Goes on behind the member that was begun last."""

    def note(self, result):
        self.latest = result[1]

    def recover(self, error):
        return ("lost", self.latest), task(tasks.unpack, n_skipped=self.latest)


def test_task_goes_on_behind_what_it_died_of(crew):
    came, error = results(crew.submit(tasks.unpack, SkippingMembers()))
    assert [number for what, number in came if what == "read"] == [1, 2, 4]
    assert [number for what, number in came if what == "lost"] == [3, 5]
    assert error is None


def test_native_crash_is_told(crew):
    assert "SIGSEGV" in str(results(crew.submit(tasks.touch_nothing))[1])


def test_full_disk_is_no_fault_of_the_task(crew):
    taking = iter(crew.submit(tasks.fill_the_disk))
    assert next(taking) == "before"
    with pytest.raises(OSError, match="No space left on device: '/data/x'") as caught:
        next(taking)
    assert caught.value.errno == errno.ENOSPC
    assert list(crew.submit(tasks.count)) == [0, 1, 2]


def test_task_that_can_not_be_sent_is_told(crew):
    with pytest.raises((AttributeError, pickle.PicklingError)):
        list(crew.submit(lambda scratch: iter(())))
    assert list(crew.submit(tasks.count)) == [0, 1, 2]


def test_result_that_can_not_be_sent_is_told(crew):
    stream = crew.submit(tasks.yield_what_can_not_be_pickled)
    assert isinstance(results(stream)[1], TaskFailed)
    assert list(crew.submit(tasks.count)) == [0, 1, 2]


@pytest.mark.parametrize("crew", [HASTY], indirect=True)
@pytest.mark.parametrize(
    "bad",
    [tasks.hang, tasks.spin, task(tasks.end_by, number=signal.SIGSTOP)],
    ids=["sleeps", "spins", "stopped"],
)
def test_what_hangs_is_ended(crew, bad):
    came, error = results(crew.submit(bad))
    assert (came, type(error)) == (["before"], TaskTimeout)
    assert "ingest.timeout_s" in str(error)
    assert list(crew.submit(tasks.count)) == [0, 1, 2]


@pytest.mark.parametrize("crew", [HASTY], indirect=True)
def test_time_that_the_taker_takes_does_not_count(crew):
    stream = crew.submit(task(tasks.count, n=50, size=100_000))
    assert len([time.sleep(0.03) for _ in stream]) == 50


def test_many_results_of_many_tasks_block_nobody(crew):
    streams = [crew.submit(task(tasks.count, n=3000)) for _ in range(6)]
    assert [sum(stream) for stream in streams] == [sum(range(3000))] * 6


def test_a_worker_works_on_many_tasks(crew):
    pids = {next(iter(crew.submit(tasks.look)))[1] for _ in range(6)}
    assert len(pids) <= 2


def test_worker_sees_what_can_be_imported_and_no_secret(crew, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    environment, _, scratch, _, path = next(iter(crew.submit(tasks.look)))
    assert "hf_secret" not in environment.values()
    assert {entry for entry in sys.path if entry} <= set(path)
    assert scratch.parent.parent.name == "scratch"


def test_output_disturbs_nobody_and_logs_arrive(crew, capfd, caplog):
    assert list(crew.submit(tasks.shout)) == ["done"]
    assert list(crew.submit(tasks.log)) == ["done"]
    assert capfd.readouterr() == ("", "")
    assert caplog.record_tuples == [("synth.of.worker", 30, "told so")]


@pytest.mark.parametrize("crew", [HASTY], indirect=True)
def test_scratch_is_emptied_after_a_kill(crew, tmp_path):
    results(crew.submit(tasks.litter))
    list(crew.submit(tasks.count))
    assert not list(tmp_path.rglob("left.bin"))


@pytest.mark.parametrize("crew", [HASTY], indirect=True)
def test_what_a_task_has_started_ends_with_it(crew):
    (pid,), _ = results(crew.submit(tasks.start_another))
    wait_until(lambda: not psutil.pid_exists(pid) or _is_zombie(pid))


def test_stop_ends_what_is_waited_for(crew):
    stream = crew.submit(tasks.hang)
    taking = iter(stream)
    next(taking)
    threading.Timer(0.1, crew.stop).start()
    with pytest.raises(TaskError, match="stopped"):
        next(taking)


PARENT = """
import sys, time
from pathlib import Path
from synth.crew import Crew, Limits
from tests.crew import tasks
crew = Crew(1, Limits(60, 1), Path(sys.argv[1]))
taking = iter(crew.submit(tasks.spin))
next(taking)
print(crew._keepers[0]._process.pid, flush=True)
time.sleep(60)
"""


def test_worker_ends_with_its_parent(tmp_path):
    argv = [sys.executable, "-c", PARENT, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(pid) or _is_zombie(pid))


def _is_zombie(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
