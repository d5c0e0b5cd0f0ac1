"""What a node of a cluster does for a sweep: it takes jobs that nobody has, until there are none.

Who has a job is told by the lock on its folder, and how far it is by its ``run.json``: nodes need to
share nothing but the sweep's folder. A node that is requeued does the same again.
"""

import itertools
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.config import configure_saved_log, open_saved, saved_cwd
from synth.jobs import Preparation
from synth.loop import run_async
from synth.process import end_on_sigterm
from synth.record import is_held, read_status
from synth.server import lease
from synth.server.lease import Session
from synth.sweep.book import DONE, Book, Entry, read_book
from synth.sweep.plan import Request
from synth.sweep.runner import Ready, Runner, prepare
from synth.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shift:
    """The work of one node; submitit calls it there, and keeps it as it is for after a requeue."""

    folder: Path
    """Of the sweep."""
    numbers: Sequence[int]
    """The jobs that are to be run."""
    index: int
    n_nodes: int

    def __call__(self) -> None:
        """Run the jobs that no other node has, on servers of this node's own."""
        configure_saved_log(self._any_folder(read_book(self.folder)), None)
        end_on_sigterm()
        with lease.open_session() as session:
            self.work(session)

    def work(self, session: Session) -> None:
        """Run the jobs that nobody else has, on the servers of ``session``."""
        book = read_book(self.folder)
        os.chdir(saved_cwd(self._any_folder(book)))
        book.n_at_once = share(len(self.numbers), self.n_nodes, book.n_at_once)
        numbers = turn(self.numbers, self.index * book.n_at_once)
        jobs = take(book, [book.jobs[number] for number in numbers], Preparation(session))
        worker = Worker()
        try:
            runner = Runner(book, session, lambda: _find_parent(book), worker)
            run_async(lambda: runner.run(jobs))
        finally:
            worker.close()

    def checkpoint(self) -> Any:
        """Return what is to be called when this was requeued.

        submitit asks for it when the time is nearly up, has Slurm requeue the job, and raises
        SystemExit. Slurm's own SIGTERM, which follows, would come into the midst of the tidying up.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _any_folder(self, book: Book) -> Path:
        return book.where(self.numbers[0])


def share(n_jobs: int, n_nodes: int, most: int) -> int:
    """Return how many jobs a node runs at a time: no more than leaves as many to each of the others."""
    return min(most, -(-n_jobs // n_nodes))


def turn(numbers: Sequence[int], first: int) -> list[int]:
    """Return jobs beginning with the one at ``first``, so that each node begins with others."""
    first %= len(numbers)
    return [*numbers[first:], *numbers[:first]]


def take(
    book: Book, entries: Sequence[Entry], preparation: Preparation
) -> Iterator[Iterator[Ready]]:
    """Yield jobs that nobody is at work on, by the server that they want.

    A job's files are looked at when it is wanted; the servers are in the order of ``entries``.
    """
    for server in dict.fromkeys(entry.server for entry in entries):
        some = (entry for entry in entries if entry.server == server)
        free = (entry for entry in some if _is_free(book.where(entry.number)))
        first = next(free, None)
        if first is not None:  # a server is started for somebody only
            yield (_open(book, entry, preparation) for entry in itertools.chain([first], free))


def _find_parent(book: Book) -> str | None:
    """Return the sweep's MLflow run; it comes later if the store was away."""
    if book.mlflow_run_id is None:
        book.mlflow_run_id = read_book(book.folder).mlflow_run_id
    return book.mlflow_run_id


def _is_free(folder: Path) -> bool:
    return read_status(folder) not in DONE and not is_held(folder)


def _open(book: Book, entry: Entry, preparation: Preparation) -> Ready:
    folder = book.where(entry.number)
    return prepare(Request(entry.number, entry.overrides, folder, open_saved(folder)), preparation)
