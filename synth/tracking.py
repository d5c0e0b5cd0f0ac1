"""Log runs to MLflow, behind a protocol with a silent twin.

All calls go through a worker thread: importing MLflow and opening its store take seconds, in
which the server starts and documents are read. A tracker that fails is given up with a warning;
it never loses data and never ends a run. Its error is raised when all else is done.

Only :class:`mlflow.MlflowClient` is used, and its like for traces: MLflow's own functions keep a
current run and a current experiment for the process, and the jobs of a sweep run side by side.
"""

import asyncio
import contextvars
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from synth.config import TrackingConfig
from synth.errors import TrackingError
from synth.records import Call
from synth.store import Figure, RunInfo, Store, is_open, open_store, resolve_uri

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Worker:
    """A thread that writes to stores, for as many trackers as there are, in the order of calls."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self.errors: list[TrackingError] = []
        """What has gone wrong, for whichever tracker."""

    def submit(self, call: Callable[[], Result]) -> "Future[Result]":
        """Have the thread make a call."""
        return self._thread.submit(call)

    def close(self) -> None:
        """Wait until all of it is stored."""
        self._thread.shutdown()


class Tracker(Protocol):
    """Where the figures of one run go. No call waits for the store, and none raises."""

    metrics: dict[str, float]
    """All figures that were logged."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log figures, named ``stage/measure_unit``."""

    def log_points(self, metrics: Mapping[str, float]) -> None:
        """Log figures of this moment, which are points of curves and not among the metrics."""

    def log_call(self, call: Call) -> None:
        """Keep a call to the model, to be looked at."""

    def log_artifacts(self, folder: Path, below: str | None = None) -> None:
        """Copy the files of a folder, into the folder ``below`` if one is named."""

    def log_artifact(self, path: Path) -> None:
        """Copy one file."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""

    def set_experiment_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run's experiment."""

    async def run_id(self) -> str | None:
        """Return the run's id when it is known; None if it was not logged."""

    def known_run_id(self) -> str | None:
        """Return the same in another thread, which waits for it."""

    async def experiment_id(self) -> str | None:
        """Return the id of the run's experiment when it is known; None if it was not logged."""

    async def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED.

        All of it is stored then or, if the tracker shares a worker, when that is closed.
        """

    @property
    def error(self) -> TrackingError | None:
        """What went wrong, if something did."""


class SilentTracker:
    """Logs nothing."""

    error = None

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Remember the figures."""
        self.metrics |= metrics

    def log_points(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def log_call(self, call: Call) -> None:
        """Do nothing."""

    def log_artifacts(self, folder: Path, below: str | None = None) -> None:
        """Do nothing."""

    def log_artifact(self, path: Path) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def set_experiment_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    async def run_id(self) -> str | None:
        """Return None."""

    def known_run_id(self) -> str | None:
        """Return None."""

    async def experiment_id(self) -> str | None:
        """Return None."""

    async def finish(self, status: str) -> None:
        """Do nothing."""


class MlflowTracker:
    """One MLflow run, written by one thread in the order of the calls."""

    def __init__(self, config: TrackingConfig, info: RunInfo, worker: Worker | None = None) -> None:
        """Open the run.

        Args:
            worker: writes the other runs of a sweep, too; None: one of its own.
        """
        self.error: TrackingError | None = None
        self.metrics: dict[str, float] = {}
        self._waiting: deque[Figure] = deque()
        self._uri = resolve_uri(config.uri)
        self._owns_worker = worker is None
        self._worker = worker or Worker()
        self._store = self._submit(lambda: open_store(self._uri, config.experiment, info))

    async def run_id(self) -> str | None:
        """Return the run's id when it is known; None if it was not logged."""
        store = await _result_of(self._store)
        return store.run_id if store else None

    def known_run_id(self) -> str | None:
        """Return the same in another thread, which waits for it."""
        store = self._store.result()
        return store.run_id if store else None

    async def experiment_id(self) -> str | None:
        """Return the id of the run's experiment when it is known; None if it was not logged."""
        store = await _result_of(self._store)
        return store.experiment_id if store else None

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log figures, named ``stage/measure_unit``."""
        self.metrics |= metrics
        now = time.time()
        self._waiting.extend((name, value, now) for name, value in metrics.items())
        self._write(self._log_waiting)

    def log_points(self, metrics: Mapping[str, float]) -> None:
        """Log figures of this moment, which are points of curves and not among the metrics."""
        now = time.time()
        points = [(name, value, now) for name, value in metrics.items()]
        self._write(lambda store: store.log_points(points))

    def log_call(self, call: Call) -> None:
        """Keep a call to the model, to be looked at."""
        self._write(lambda store: store.log_call(call))

    def log_artifacts(self, folder: Path, below: str | None = None) -> None:
        """Copy the files of a folder, into the folder ``below`` if one is named."""
        self._write(lambda store: store.client.log_artifacts(store.run_id, str(folder), below))

    def log_artifact(self, path: Path) -> None:
        """Copy one file."""
        self._write(lambda store: store.client.log_artifact(store.run_id, str(path)))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        self._write(lambda store: store.set_tags(tags))

    def set_experiment_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run's experiment."""
        self._write(lambda store: store.set_experiment_tags(tags))

    async def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        closed = self._write(lambda store: store.close(status))
        if self._owns_worker:
            await _result_of(closed)
            self._worker.close()

    def _log_waiting(self, store: Store) -> None:
        """Log all figures that have come since the last time, at once."""
        figures = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if figures:
            store.log_figures(figures)

    def _write(self, call: Callable[[Store], None]) -> "Future[None]":
        def write() -> None:
            if (store := self._store.result()) is not None:
                call(store)

        return self._submit(write)

    def _submit(self, call: Callable[[], Result]) -> "Future[Result | None]":
        context = contextvars.copy_context()  # the log knows whose warning it is
        return self._worker.submit(lambda: context.run(self._attempt, call))

    def _attempt(self, call: Callable[[], Result]) -> Result | None:
        if self.error is not None:
            return None
        try:
            return call()
        except Exception as error:  # noqa: BLE001  (whatever MLflow's store raises; given up below)
            self.error = _translate(error, self._uri)
            self._worker.errors.append(self.error)
            log.warning("The run goes on without MLflow: %s", self.error)
            return None


def is_logged(config: TrackingConfig, run_id: str | None) -> bool:
    """Return whether the store has a run, and has it as one that has ended.

    Raises:
        TrackingError: if the store can't be reached.
    """
    uri = resolve_uri(config.uri)
    try:
        return run_id is not None and not is_open(uri, run_id)
    except Exception as error:
        raise _translate(error, uri) from error


def new_tracker(config: TrackingConfig, info: RunInfo, worker: Worker | None = None) -> Tracker:
    """Open a tracker that has to be finished."""
    return MlflowTracker(config, info, worker) if config.kind == "mlflow" else SilentTracker()


@asynccontextmanager
async def open_tracker(
    config: TrackingConfig, info: RunInfo, worker: Worker | None = None
) -> AsyncIterator[Tracker]:
    """Track a run: FAILED if it raises, KILLED if it is interrupted, FINISHED otherwise."""
    tracker = new_tracker(config, info, worker)
    status = "KILLED"
    try:
        yield tracker
        status = "FINISHED"
    except Exception as error:
        status = "FAILED"
        tracker.set_tags({"error": f"{type(error).__name__}: {error}"[:5000]})
        raise
    finally:
        await tracker.finish(status)


async def _result_of(future: "Future[Result]") -> Result:
    """Await what the worker does; it does so, too, when nobody waits any longer."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _translate(error: Exception, uri: str) -> TrackingError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return TrackingError(
        f"tracking.uri={uri}: {first}. The run's own files are complete; check the store, then "
        "log what it lacks by resume=, or use tracking=none"
    )
