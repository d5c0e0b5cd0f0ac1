"""Log runs to MLflow, behind a protocol with a silent twin.

Importing MLflow and opening its store take seconds, in which the server starts and documents are
read: all calls go through a thread. What a store can't take waits, and is kept beside the run; a
tracker never loses data and never ends a run. Its error is raised when all else is done.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from synth.address import resolve_uri
from synth.config import TrackingConfig
from synth.delivery import Desk, MlflowTracker, translate
from synth.errors import TrackingError
from synth.records import Call
from synth.store import RunInfo, is_open


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

    def log_missing(self, metrics: Mapping[str, float]) -> None:
        """Log those figures that the store lacks."""

    async def run_id(self) -> str | None:
        """Return the run's id when it is known; None if the store is away, or won't have it."""

    def known_run_id(self) -> str | None:
        """Return the same at once, None also if it is not known yet.

        Raises:
            TrackingError: if it will not be known.
        """

    async def experiment_id(self) -> str | None:
        """Return the id of the run's experiment, or None, as with the run's."""

    @property
    def has_end(self) -> bool:
        """Whether it is said how the run has ended, if only in what was kept."""

    async def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED.

        All of it is stored then or, if the tracker shares a worker, when that is closed. If the store
        is away, what it lacks is kept beside the run instead.
        """

    @property
    def error(self) -> TrackingError | None:
        """What went wrong, if something did."""


class SilentTracker:
    """Logs nothing."""

    error = None
    has_end = False

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

    def log_missing(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    async def run_id(self) -> str | None:
        """Return None."""

    def known_run_id(self) -> str | None:
        """Return None."""

    async def experiment_id(self) -> str | None:
        """Return None."""

    async def finish(self, status: str) -> None:
        """Do nothing."""


def is_logged(config: TrackingConfig, run_id: str | None) -> bool:
    """Return whether the store has a run, and has it as one that has ended.

    Raises:
        TrackingError: if the store can't be reached.
    """
    uri = resolve_uri(config.uri)
    try:
        return run_id is not None and not is_open(uri, run_id)
    except Exception as error:
        raise translate(error, uri) from error


def new_tracker(config: TrackingConfig, info: RunInfo, desk: Desk | None = None) -> Tracker:
    """Open a tracker that has to be finished."""
    return MlflowTracker(config, info, desk) if config.kind == "mlflow" else SilentTracker()


@asynccontextmanager
async def open_tracker(
    config: TrackingConfig, info: RunInfo, desk: Desk | None = None
) -> AsyncIterator[Tracker]:
    """Track a run: FAILED if it raises, KILLED if it is interrupted, FINISHED otherwise."""
    tracker = new_tracker(config, info, desk)
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
