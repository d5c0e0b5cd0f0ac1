"""A whole sweep: its book, its MLflow run, its jobs, its end."""

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence

from synth.config import Config, flatten
from synth.loop import run_async
from synth.record import hold, read_record, versions
from synth.server.lease import Session
from synth.store import RunInfo
from synth.sweep.book import Book, Entry
from synth.sweep.ending import Ending, tell_how_to_go_on
from synth.sweep.plan import Request, check_sweep, ranks, settings_of, varying
from synth.sweep.runner import Ready, Result, Runner, prepare
from synth.tracking import Tracker, new_tracker, new_worker


class Sweep:
    """Jobs that are run, and compared in the end; use it from one thread, in several batches."""

    def __init__(self, book: Book, session: Session) -> None:
        """Hold the sweep's folder.

        Raises:
            ConfigError: if another process is at work in it.
        """
        self._lock = hold(book.folder)
        self._book = book
        self._session = session
        self._worker = new_worker()
        self._tracker: Tracker | None = None
        self._config: Config | None = None
        self._begin = time.monotonic() - book.seconds

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
            )
        self._book.write()

    def prepare(self, requests: Sequence[Request]) -> list[Ready]:
        """Check the jobs, and open the sweep's MLflow run.

        Raises:
            ConfigError: if none of them can be run.
        """
        ready = prepare(requests, self._session)
        if self._tracker is None:
            self.open_tracker(requests)
        return ready

    def open_tracker(self, requests: Sequence[Request]) -> None:
        """Open the sweep's MLflow run, or go on with it; ``requests`` are its jobs."""
        self._config = config = requests[0].config
        settings = [flatten(request.config) for request in requests]
        same = {
            key: value
            for key, value in settings[0].items()
            if all(other[key] == value for other in settings)
        }
        swept = dict.fromkeys(key for entry in self._book.jobs.values() for key in entry.settings)
        tags = {str(key): str(value) for key, value in config.tags.items()}
        tags |= {"synth.kind": "sweep", "synth.version": versions()["synth"]}
        name = f"{config.name}: {' × '.join(swept)}"[:250]
        info = RunInfo(name, same, tags, run_id=self._book.mlflow_run_id)
        self._tracker = new_tracker(config.tracking, info, self._worker)

    def run(self, ready: Sequence[Ready], n_at_once: int) -> Mapping[int, Result]:
        """Run jobs in this process; return, by number, what they made or what ended them."""
        return run_async(lambda: self._run(ready, n_at_once))

    def wait_for_tracker(self) -> None:
        """Return when the sweep's MLflow run is in the book, for worker processes to find it."""
        run_async(self._note_run_id)

    def finish(self, status: str) -> bool:
        """Compare the jobs that are finished, tell of all, and end the sweep's MLflow run.

        Args:
            status: FINISHED, or KILLED: then nothing is compared.

        Returns:
            Whether all jobs are finished.
        """
        try:
            return run_async(lambda: self._finish(status))
        finally:
            self._worker.shutdown()
            self._lock.release()

    async def _run(self, ready: Sequence[Ready], n_at_once: int) -> Mapping[int, Result]:
        noting = asyncio.create_task(self._note_run_id())
        try:
            assert self._tracker is not None
            runner = Runner(self._book, self._session, self._tracker, self._worker, n_at_once)
            return await runner.run(ready)
        finally:
            await noting

    async def _note_run_id(self) -> None:
        if self._tracker is not None:
            self._book.mlflow_run_id = await self._tracker.run_id()
            self._book.write()

    async def _finish(self, status: str) -> bool:
        if self._tracker is None or self._config is None:  # no job could be run
            return False
        folder, book = self._book.folder, self._book
        records = {
            number: read_record(folder / entry.folder) for number, entry in book.jobs.items()
        }
        is_complete = all(record.get("status") == "FINISHED" for record in records.values())
        if status == "FINISHED" and not is_complete:
            status = "FAILED"
        book.status, book.seconds = status, time.monotonic() - self._begin
        with contextlib.suppress(OSError):  # a full disk: the jobs have said so
            book.write()
        try:
            if status == "KILLED":
                tell_how_to_go_on(folder)
            else:
                await Ending(book, records, self._config, self._tracker).write()
        finally:
            await self._tracker.finish(status)
        return is_complete


def missing(book: Book) -> list[Entry]:
    """Return the jobs that are not finished."""
    jobs = (book.jobs[number] for number in sorted(book.jobs))
    return [
        entry
        for entry in jobs
        if read_record(book.folder / entry.folder).get("status") != "FINISHED"
    ]
