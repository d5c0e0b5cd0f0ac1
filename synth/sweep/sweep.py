"""A whole sweep: its book, its MLflow run, its jobs, its end."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from synth.config import flatten
from synth.delivery import Desk
from synth.errors import ConfigError, InUse, TrackingError
from synth.jobs import Preparation
from synth.loop import run_async
from synth.outbox import is_waiting
from synth.progress import tell
from synth.record import hold, read_record, read_status, versions
from synth.server.lease import Session
from synth.settle import note_error, settle
from synth.store import RunInfo
from synth.sweep.book import Book, Entry
from synth.sweep.cluster import give_back, run_on_cluster
from synth.sweep.plan import Request, check_sweep, ranks, server_key, settings_of, varying
from synth.sweep.runner import Ready, Result, Runner, groups, prepare_all
from synth.tracking import Tracker, new_tracker
from synth.worker import Worker

if TYPE_CHECKING:
    from synth.sweep.ending import Ending

log = logging.getLogger(__name__)


class Sweep:
    """Jobs that are run, and compared in the end; use it from one thread, in several batches.

    When its context ends, the finished jobs are compared (not after Ctrl-C or SIGTERM), all of
    them are told of, and the sweep's MLflow run ends.
    """

    def __init__(self, book: Book, session: Session) -> None:
        """Hold the sweep's folder.

        Raises:
            ConfigError: if another process is at work in it.
        """
        self._lock = hold(book.folder)
        self._book = book
        self._session = session
        self._worker = Worker()
        self._loader = ThreadPoolExecutor(1)
        self._tracker: Tracker | None = None
        self._requests: dict[int, Request] = {}
        self._begin = time.monotonic() - book.seconds
        self.is_complete = False
        """Whether all jobs are finished; known when the context has ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_killed = kind is not None and not issubclass(kind, Exception)
        try:
            run_async(lambda: self._finish("KILLED" if is_killed else "FINISHED"))
        finally:
            self._worker.close(0.0 if is_killed else self._wait_s)
            self._note_unsent()
            self._loader.shutdown()
            self._lock.release()
        if kind is None and (errors := [*self._worker.errors, *self._errors_of_jobs()]):
            raise errors[0]

    def add(self, requests: Sequence[Request], typed: Sequence[str]) -> None:
        """Write new jobs into the book.

        Args:
            typed: the overrides of the command line, those that are swept with their lists.

        Raises:
            ConfigError: if they can't be compared.
        """
        check_sweep(requests)
        rank_of = ranks({request.number: request.config for request in requests})
        for request, overrides in zip(requests, varying(requests, typed), strict=True):
            self._book.jobs[request.number] = Entry(
                number=request.number,
                name=" ".join(overrides) or f"job {request.number}",
                folder=os.path.relpath(request.folder, self._book.folder),
                rank=rank_of[request.number],
                overrides=list(request.overrides),
                settings=settings_of(request.config, overrides),
                server=server_key(request.config),
            )
        self._book.write()
        self._requests |= {request.number: request for request in requests}

    def go_on(self, requests: Sequence[Request]) -> list[Request]:
        """Take up the jobs that stand in the book; return those that are not finished."""
        self._requests = {request.number: request for request in requests}
        self._open_tracker()
        finished = [request for request in requests if read_status(request.folder) == "FINISHED"]
        run_async(lambda: self._settle(finished))
        return [request for request in requests if request not in finished]

    def prepare(self, requests: Sequence[Request]) -> list[Ready]:
        """Check jobs, and open the sweep's MLflow run.

        Raises:
            ConfigError: if none of them can be run.
        """
        elsewhere = self._book.cluster is not None
        ready = prepare_all(requests, Preparation(self._session, elsewhere=elsewhere))
        if self._tracker is None:
            self._open_tracker()
        return ready

    def run(self, ready: Sequence[Ready]) -> Mapping[int, Result]:
        """Run jobs; return, by number, what those of this process made or what ended them.

        Raises:
            ClusterError: if the cluster that is to run them does not.
        """
        if self._book.cluster is None:
            return self.run_here(ready)
        # Those that can't be run are recorded here; the sweep's MLflow run is in the book then.
        results = self.run_here([one for one in ready if isinstance(one.job, ConfigError)])
        numbers = [one.request.number for one in ready if one.request.number not in results]
        try:
            run_async(lambda: run_on_cluster(self._book, numbers))
        except KeyboardInterrupt:
            run_async(lambda: give_back(self._book))
            raise
        return results

    def run_here(self, ready: Sequence[Ready]) -> Mapping[int, Result]:
        """Run jobs in this process; return, by number, what they made or what ended them."""
        return run_async(lambda: self._run(ready))

    def _open_tracker(self) -> None:
        configs = [request.config for request in self._requests.values()]
        first, *others = (flatten(config) for config in configs)
        same = {
            key: value for key, value in first.items() if all(one[key] == value for one in others)
        }
        tags = {str(key): str(value) for key, value in configs[0].tags.items()}
        tags |= {"synth.kind": "sweep", "synth.version": versions()["synth"]}
        name = self._book.title(configs[0].name)
        info = RunInfo(name[:250], same, tags, self._book.mlflow_run_id, self._book.key)
        desk = Desk(self._book.folder, self._worker, self._note_run)
        self._tracker = new_tracker(configs[0].tracking, info, desk)
        self._ending = self._loader.submit(_load_ending)

    async def _run(self, ready: Sequence[Ready]) -> Mapping[int, Result]:
        assert self._tracker is not None
        parent = self._tracker.known_run_id
        runner = Runner(self._book, self._session, parent, self._worker)
        try:
            return await runner.run(groups(ready))
        finally:
            await self._tracker.run_id()  # the book has it unless the store is away

    def _note_run(self, run_id: str) -> None:
        self._book.mlflow_run_id = run_id
        with contextlib.suppress(OSError):
            self._book.write()

    @property
    def _wait_s(self) -> float:
        return max((one.config.tracking.wait_s for one in self._requests.values()), default=0.0)

    def _note_unsent(self) -> None:
        """Say in the records of jobs that the store lacks something of them."""
        for request in self._requests.values():
            if self._worker.errors and is_waiting(request.folder):
                note_error(request.folder, str(self._worker.errors[0]))

    async def _settle(self, requests: Iterable[Request]) -> None:
        """Make good what killed processes could not say of these jobs, and a store could not take."""
        assert self._tracker is not None
        await self._tracker.run_id()
        for request in requests:
            if self._worker.is_away and read_status(request.folder) != "RUNNING":
                continue  # it would have to be waited for, for each of them
            place = self._book.place(request.number, self._tracker.known_run_id)
            try:
                await settle(request.config, request.folder, place, worker=self._worker)
            except InUse:  # a node of a cluster that was left at work
                continue
            except (ConfigError, TrackingError) as error:
                log.warning("#%d %s", request.number, error)

    async def _unsettled(self, is_killed: bool) -> list[Request]:
        """Return the jobs whose processes could not say how they ended, or not to the store."""
        requests = self._requests.values()
        if any(is_waiting(one.folder) for one in requests):
            # What is left then, jobs in processes of their own have left.
            is_sent = await self._worker.drain(0.0 if is_killed else self._wait_s)
        else:
            is_sent = True
        return [
            one
            for one in requests
            if read_status(one.folder) == "RUNNING" or (is_sent and is_waiting(one.folder))
        ]

    async def _finish(self, status: str) -> None:
        if self._tracker is None:  # no job could be run
            return
        await self._settle(await self._unsettled(status == "KILLED"))
        records = {number: read_record(one.folder) for number, one in self._requests.items()}
        self.is_complete = all(record.get("status") == "FINISHED" for record in records.values())
        if status == "FINISHED" and not self.is_complete:
            status = "FAILED"
        self._book.status, self._book.seconds = status, time.monotonic() - self._begin
        with contextlib.suppress(OSError):  # a full disk: the jobs have said so
            self._book.write()
        try:
            if status == "KILLED":
                tell(self._book.going_on)
            else:
                make_ending = await asyncio.wrap_future(self._ending)
                config = next(iter(self._requests.values())).config
                await make_ending(self._book, records, config, self._tracker).write()
        finally:
            await self._tracker.finish(status)

    def _errors_of_jobs(self) -> Iterator[TrackingError]:
        """Yield what went wrong in worker processes, which have trackers of their own."""
        for request in self._requests.values():
            if error := read_record(request.folder).get("tracking_error"):
                yield TrackingError(error)


def _load_ending() -> "type[Ending]":
    """Return what ends a sweep; loading it takes seconds, in which the server starts."""
    from synth.comparison.report import prepare
    from synth.sweep.ending import Ending

    prepare()
    return Ending
