"""The shards of a run as jobs: side by side in this process, in others, or on a cluster."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from synth.config import Config, open_saved
from synth.errors import ConfigError
from synth.job import Surroundings
from synth.jobs import Preparation
from synth.loop import run_async
from synth.process import end_with
from synth.record import Summary, read_status
from synth.rows import SHARDS_FOLDER
from synth.server.fleet import Launches
from synth.server.lease import Session
from synth.shards import split
from synth.sweep.book import NAME, Book, Entry, read_book
from synth.sweep.cluster import give_back, run_on_cluster
from synth.sweep.node import Shift
from synth.sweep.plan import Request, server_key
from synth.sweep.runner import Runner, groups, prepare_all
from synth.sweep.slurm import check_slurm
from synth.worker import Worker


@dataclass(frozen=True)
class Dispersal:
    """Has the shards of a run asked where the launcher of the run has jobs run."""

    session: Session
    n_at_once: int
    """Shards side by side, on a node or in all."""
    in_processes: bool = False
    """Whether each has a process of its own."""
    cluster: Mapping[str, Any] | None = None
    """How to ask a cluster for nodes; None: all is done on this machine."""

    @classmethod
    def by(cls, launcher: Mapping[str, Any], session: Session) -> Self:
        """Return that of a launcher of Hydra, as in ``conf/hydra/launcher``."""
        settings = dict(launcher)
        kind = settings.pop("_target_").rpartition(".")[2]
        n_jobs = settings.pop("n_jobs", 1)
        cluster = settings if kind == "OnSlurm" else None
        return cls(session, n_jobs, kind == "InWorkers", cluster)

    async def __call__(self, folder: Path, n_shards: int) -> None:
        """Divide the run in ``folder``, unless that is done, and run those shards that are not finished.

        What becomes of each is in its own folder.

        Raises:
            ConfigError: if none of them can be run.
            ClusterError: if the cluster does not run them.
        """
        shards = split(folder, n_shards)
        # One that is not there any more was merged.
        left = [
            n
            for n, shard in enumerate(shards)
            if shard.exists() and read_status(shard) != "FINISHED"
        ]
        if not left:
            return
        book = self._open(folder, shards)
        if book.cluster is not None:
            await run_on_cluster(book, left)
        elif self.in_processes:
            await self._run_in_processes(book, left)
        else:
            await self._run_here(book, left)

    def give_back(self, folder: Path) -> None:
        """End what a cluster does for the run in ``folder``."""
        if (folder / SHARDS_FOLDER / NAME).exists():
            run_async(lambda: give_back(read_book(folder / SHARDS_FOLDER)))

    def check(self) -> None:
        """Raise ConfigError if the cluster can't be asked."""
        if self.cluster is not None:
            check_slurm(self.cluster)

    def _open(self, folder: Path, shards: Sequence[Path]) -> Book:
        """Return the shards' book, as an earlier attempt has left it or a new one."""
        where = folder / SHARDS_FOLDER
        if (where / NAME).exists():
            return read_book(where)
        server = server_key(open_saved(next(shard for shard in shards if shard.exists())))
        entries = [
            Entry(number, f"shard {number}", str(shard.relative_to(where)), 0, [], {}, server)
            for number, shard in enumerate(shards)
        ]
        jobs = {entry.number: entry for entry in entries}
        book = Book(where, self.n_at_once, jobs, cluster=self.cluster)
        book.write()
        return book

    async def _run_here(self, book: Book, numbers: Sequence[int]) -> None:
        requests = [_request(book, number) for number in numbers]
        ready = prepare_all(requests, Preparation(self.session))
        await Runner(book, self.session, lambda: None, Worker()).run(groups(ready))

    async def _run_in_processes(self, book: Book, numbers: Sequence[int]) -> None:
        try:
            from joblib import Parallel, delayed
            from joblib.externals.loky import get_reusable_executor
        except ImportError as error:
            raise ConfigError(["hydra/launcher=joblib: install hydra-joblib-launcher"]) from error

        n = min(book.n_at_once, len(numbers))
        shifts = [Shift(book.folder, numbers, index, n) for index in range(n)]
        os.environ.update(self.session.environment)
        calls = [delayed(_work)(shift, os.getpid()) for shift in shifts]
        try:
            await asyncio.to_thread(Parallel(n_jobs=n, backend="loky"), calls)
        except asyncio.CancelledError:
            get_reusable_executor().shutdown(kill_workers=True)
            raise


def run_in_shards(
    config: Config, folder: Path, overrides: Sequence[str], dispersal: Dispersal
) -> Summary:
    """Run an experiment in ``folder``, or go on with it, asking in shards; return what it made.

    Raises:
        SynthError: as :meth:`synth.job.Job.run`.
    """
    dispersal.check()
    session = dispersal.session
    job = Preparation(session).prepare(config)
    around = Surroundings(session, Launches(session), disperse=dispersal)
    try:
        return run_async(lambda: job.run(folder, around, overrides))
    except KeyboardInterrupt:
        dispersal.give_back(folder)
        raise


def _work(shift: Shift, owner: int) -> None:
    end_with(owner)
    shift.work(Session.from_environment())


def _request(book: Book, number: int) -> Request:
    folder = book.where(number)
    return Request(number, [], folder, open_saved(folder))
