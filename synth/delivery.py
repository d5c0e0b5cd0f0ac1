"""One MLflow run as the jobs see it: what they log is put into its outbox, and sent by a worker.

Only :class:`mlflow.MlflowClient` is used, and its like for traces: MLflow's own functions keep a
current run and a current experiment for the process, and the jobs of a sweep run side by side.
"""

import asyncio
import contextvars
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.address import artifacts_uri, resolve_uri
from synth.config import TrackingConfig
from synth.config.passwords import hide_password
from synth.errors import TrackingError
from synth.monitor import Monitor
from synth.outages import is_refused
from synth.outbox import END, NAME, Outbox
from synth.records import Call
from synth.store import RunInfo, Store, load_mlflow, open_store
from synth.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """Where a tracker works."""

    folder: Path | None = None
    """The run's; what its store can't take is kept there. None: nothing is kept."""
    worker: Worker | None = None
    """Writes the other runs of a sweep, too; None: one of its own."""
    opened: Callable[[str], None] = lambda run_id: None
    """Told the run's id, in the worker's thread, before anything else is stored."""
    is_at_work: bool = True
    """Whether the run begins or goes on, so that it does not matter how an earlier attempt ended."""


class MlflowTracker:
    """One MLflow run, written by one thread in the order of the calls."""

    def __init__(self, config: TrackingConfig, info: RunInfo, desk: Desk | None = None) -> None:
        """Open the run as soon as the store can be reached."""
        self.error: TrackingError | None = None
        self.metrics: dict[str, float] = {}
        self._info = info
        self._desk = desk or Desk()
        self._folder = self._desk.folder.absolute() if self._desk.folder else None
        self._uri = resolve_uri(config.uri)
        self._target = (self._uri, config.experiment, info, artifacts_uri(config), self._folder)
        # A job in a process of its own does not wait: its sweep sends in the end what is left.
        self._wait_s = 0.0 if info.parent else config.wait_s
        self._store: Store | None = None
        self._monitor: Monitor | None = None
        self._is_looked_for: Future[None] = Future()
        self._is_picky = self._is_finished = self._is_given_up = False
        self._context = contextvars.copy_context()  # the log knows whose warning it is
        path = self._folder / NAME if self._folder else None
        self._outbox = Outbox(path, END if self._desk.is_at_work else ())
        self._worker = self._desk.worker or Worker()
        self._worker.submit(self)

    @property
    def has_end(self) -> bool:
        """Whether it is said how the run has ended, if only in what was kept."""
        return self._outbox.has_end

    async def run_id(self) -> str | None:
        """Return the run's id when it is known; None if the store is away, or won't have it."""
        await _result_of(self._is_looked_for)
        return self._store.run_id if self._store else None

    def known_run_id(self) -> str | None:
        """Return the same at once, None also if it is not known yet."""
        if self._store is None and self.error is not None:
            raise self.error
        return self._store.run_id if self._store else None

    async def experiment_id(self) -> str | None:
        """Return the id of the run's experiment, or None, as with the run's."""
        await _result_of(self._is_looked_for)
        return self._store.experiment_id if self._store else None

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log figures, named ``stage/measure_unit``."""
        self.metrics |= metrics
        self._put(metrics=dict(metrics), at=time.time())

    def log_points(self, metrics: Mapping[str, float]) -> None:
        """Log figures of this moment, which are points of curves and not among the metrics."""
        self._put(points=dict(metrics), at=time.time())

    def log_missing(self, metrics: Mapping[str, float]) -> None:
        """Log those figures that the store lacks."""
        self._put(missing=dict(metrics), at=time.time())

    def log_call(self, call: Call) -> None:
        """Keep a call to the model, to be looked at."""
        self._put(call=asdict(call), id=secrets.token_hex(16))

    def log_artifacts(self, folder: Path, below: str | None = None) -> None:
        """Copy the files of a folder, into the folder ``below`` if one is named."""
        self._put(artifacts=self._place(folder), below=below)

    def log_artifact(self, path: Path) -> None:
        """Copy one file."""
        self._put(artifact=self._place(path))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        self._put(tags=dict(tags))

    def set_experiment_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run's experiment."""
        self._put(experiment_tags=dict(tags))

    async def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED; not again if it is said already."""
        if not self.has_end:
            self._put(status=status, at=time.time())
        self._is_finished = True
        if self._desk.worker is None:
            # Who presses Ctrl-C, or is told to end, has no time.
            self._worker.close_soon(0.0 if status == "KILLED" else self._wait_s)
            await self._worker.closed()

    def send(self) -> None:
        """Write what waits longest; open the run before."""
        if self._is_given_up:
            return
        self._watch_machine()
        if self._store is None:
            self._store = open_store(*self._target)
            self._desk.opened(self._store.run_id)
            self._look_no_longer()
        if rows := self._outbox.head(self._is_picky):
            if "status" in rows[0]:
                self._stop_monitor()
            self._store.send(rows)
            self._outbox.drop(len(rows))

    def has_more(self) -> bool:
        """Return whether there is more to be sent."""
        return len(self._outbox) > 0 and not self._is_given_up

    def keep(self) -> None:
        """Keep what waits beside the run: the store is away."""
        self._outbox.keep()
        self._look_no_longer()

    def give_up(self, error: Exception) -> TrackingError | None:
        """Pass over what will never be taken; keep all of it where nothing is taken now."""
        is_about_rows = self._store is not None and is_refused(error)
        if is_about_rows and not self._is_picky:
            self._is_picky = True  # which of several figures is it?
            return None
        if is_about_rows:
            self._outbox.drop(1)
            self.error = translate(error, self._uri)
            self._context.run(log.warning, "MLflow lacks a part of the run: %s", self.error)
            return self.error
        told = self.leave(error)
        self._context.run(log.warning, "The run goes on without MLflow: %s", told)
        return told

    def leave(self, error: Exception) -> TrackingError:
        """Take note that the store takes nothing more of this run."""
        self._is_given_up = True
        self.keep()
        self._stop_monitor()
        self.error = translate(error, self._uri)
        return self.error

    def describe(self, error: Exception) -> str:
        """Return an error of the store in words."""
        return describe(error, self._uri)

    def _put(self, **row: Any) -> None:
        if self._is_finished:
            return
        self._outbox.put(row)
        if self._is_given_up:
            self._outbox.keep()
        else:
            self._worker.submit(self)

    def _place(self, path: Path) -> str:
        """Return where a file is: below the run's folder, which may be moved until it is sent."""
        path = path.absolute()
        if self._folder is not None and path.is_relative_to(self._folder):
            path = path.relative_to(self._folder)
        return str(path)

    def _watch_machine(self) -> None:
        is_its_own = self._info.parent is None and self._desk.is_at_work
        if is_its_own and self._monitor is None and not self.has_end:
            load_mlflow()
            self._monitor = Monitor(self.log_points)

    def _stop_monitor(self) -> None:
        if self._monitor is not None:
            self._monitor.stop()

    def _look_no_longer(self) -> None:
        with suppress(InvalidStateError):  # said before, maybe in the other thread
            self._is_looked_for.set_result(None)


def describe(error: Exception, uri: str) -> str:
    """Return an error of a store in words, without its password."""
    shown = hide_password(uri)
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].replace(uri, shown)
    return f"tracking.uri={shown}: {hide_password(first)[:300]}"


def translate(error: Exception, uri: str) -> TrackingError:
    """Return an error of a store as one of ours, which says what to do."""
    return TrackingError(
        f"{describe(error, uri)}. The run's own files are complete; check the store, then send what it "
        "lacks by resume=, or use tracking=none"
    )


async def _result_of(future: "Future[None]") -> None:
    """Await what the worker does; it does so, too, when nobody waits any longer."""
    await asyncio.shield(asyncio.wrap_future(future))
