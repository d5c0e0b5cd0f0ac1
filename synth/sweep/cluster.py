"""The side of a sweep that waits: a cluster is asked for nodes until no job is left to be run.

What the nodes do is in ``node``. They take jobs from the sweep's folder, so nothing here has to
tell which of them does what, and this process may end and begin again in the meantime.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence

from synth.errors import ClusterError
from synth.io import write_json
from synth.progress import show_progress
from synth.record import NAME, is_held, read_record, read_status
from synth.sweep import slurm
from synth.sweep.book import Book
from synth.sweep.node import Shift

log = logging.getLogger(__name__)

FOLDER = "slurm"
"""In the sweep's folder: what the nodes said."""

_SOON_S, _LATER_S = 1.0, 20.0
"""Between two looks at the jobs, at first and after a while."""
_PAUSE_PER_LOOK = 20
"""How many times as long as a look at very many jobs the pause behind it is."""


async def run_on_cluster(book: Book, numbers: Sequence[int]) -> None:
    """Run jobs of a sweep on the nodes of a cluster; return when nobody is at work on them.

    Nodes that were asked for earlier and are still there are waited for first. They stay at work
    when this is cancelled.

    Raises:
        ClusterError: if nodes end without having done anything.
    """
    if book.allocation is not None:
        await _Watch(book, numbers).wait(book.allocation)
    left = [number for number in numbers if read_status(book.where(number)) != "FINISHED"]
    while left:
        _queue(book, left)
        book.allocation = await asyncio.to_thread(_submit, book, left)
        book.write()
        watch = _Watch(book, left)
        states = await watch.wait(book.allocation)
        n_before, left = len(left), watch.left()
        if left and ("CANCELLED" in states or len(left) == n_before):
            raise ClusterError(_describe_end(book, states))


async def give_back(book: Book) -> None:
    """End what the nodes do that were asked for last, in order."""
    if book.allocation is not None:
        log.info("slurm     giving the nodes of job %s back", book.allocation)
        slurm.cancel(book.allocation)
        await _Watch(book, []).wait(book.allocation)


def _submit(book: Book, numbers: Sequence[int]) -> str:
    assert book.cluster is not None
    n_nodes = min(book.cluster["array_parallelism"], len(numbers))
    shifts = [Shift(book.folder, tuple(numbers), index, n_nodes) for index in range(n_nodes)]
    folder = book.folder / FOLDER
    job_id = slurm.submit(shifts, folder, book.cluster)
    log.info(
        "slurm     job %s: %d jobs on %d nodes, logs in %s", job_id, len(numbers), n_nodes, folder
    )
    return job_id


def _queue(book: Book, numbers: Sequence[int]) -> None:
    """Have jobs run again that have failed before."""
    for number in numbers:
        folder = book.where(number)
        if (record := read_record(folder)).get("status") == "FAILED":
            write_json(folder / NAME, record | {"status": "QUEUED", "error": None})


class _Watch:
    """What has become of some jobs of a sweep, by their records."""

    def __init__(self, book: Book, numbers: Sequence[int]) -> None:
        self._book = book
        self._numbers = numbers
        self._told: set[int] = set()

    def left(self) -> list[int]:
        """Return the jobs that had neither finished nor failed when they were last looked at."""
        return [number for number in self._numbers if number not in self._told]

    async def wait(self, job_id: str) -> Sequence[str]:
        """Wait until an allocation is over and nobody is at work; return its last known states.

        A node that the cluster has lost may be cut off and still at work; its jobs are its own as
        long as it holds them.
        """
        states, pause_s, was_told = list[str](), _SOON_S, ""
        with show_progress("jobs", len(self._numbers)) as bar:
            while True:
                now = await asyncio.to_thread(slurm.read_states, job_id)
                states = now or states
                begin_s = time.monotonic()
                bar(self._tell())
                look_s = time.monotonic() - begin_s
                said = _describe(states) if now is not None else "the controller does not answer"
                bar.say(said)
                if said != was_told:
                    log.info("slurm     job %s: %s", job_id, was_told := said)
                if now is not None and self._is_over(job_id, now):
                    bar(self._tell())
                    return states
                await asyncio.sleep(max(pause_s, _PAUSE_PER_LOOK * look_s))
                pause_s = min(_LATER_S, 1.2 * pause_s)

    def _is_over(self, job_id: str, states: Sequence[str]) -> bool:
        left = self.left()
        if not left and "PENDING" in states:
            slurm.cancel(job_id, only_pending=True)  # the others have done its work
        return slurm.are_over(states) and not any(is_held(self._book.where(one)) for one in left)

    def _tell(self) -> int:
        """Say which jobs have ended since the last time; return how many."""
        n_told = len(self._told)
        for number in [one for one in self._numbers if one not in self._told]:
            record = read_record(self._book.where(number))
            if record.get("status") == "FINISHED":
                log.info("#%d finished", number)
            elif record.get("status") == "FAILED":
                log.error("#%d %s", number, record["error"])
            else:
                continue
            self._told.add(number)
        return len(self._told) - n_told


def _describe(states: Sequence[str]) -> str:
    counts = Counter(states)
    return ", ".join(f"{n} {state.lower()}" for state, n in sorted(counts.items())) or "over"


def _describe_end(book: Book, states: Sequence[str]) -> str:
    if "CANCELLED" in states:
        return f"Slurm job {book.allocation} was cancelled"
    return (
        f"Slurm job {book.allocation} has ended ({_describe(states)}) and its jobs have not; what its "
        f"nodes said is in {book.folder / FOLDER}, which all of them have to see"
    )
