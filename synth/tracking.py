"""Log a run to MLflow, behind a protocol with a silent twin.

All calls go through one worker thread: importing MLflow and opening its store take seconds, in
which the server starts and documents are read. A tracker that fails is given up with a warning;
it never loses data and never ends a run. Its error is raised when all else is done.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock

from synth.config import TrackingConfig
from synth.config.files import conf_dir
from synth.errors import TrackingError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True)
class RunInfo:
    """What a run is called and made with; ``parameters`` hold no secret."""

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


class Tracker(Protocol):
    """Where the figures of one run go. No call waits for the store, and none raises."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log figures, named ``stage/measure_unit``."""

    def log_artifacts(self, folder: Path) -> None:
        """Copy the files of the run's folder."""

    def set_tag(self, key: str, value: str) -> None:
        """Set a tag of the run."""

    def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED and wait until all of it is stored."""

    @property
    def run_id(self) -> str | None:
        """The run's id; None if it was not logged. Waits until it is known."""

    @property
    def error(self) -> TrackingError | None:
        """What went wrong, if something did."""


class SilentTracker:
    """Logs nothing."""

    run_id = None
    error = None

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def log_artifacts(self, folder: Path) -> None:
        """Do nothing."""

    def set_tag(self, key: str, value: str) -> None:
        """Do nothing."""

    def finish(self, status: str) -> None:
        """Do nothing."""


class MlflowTracker:
    """One MLflow run, written by one thread in the order of the calls."""

    def __init__(self, uri: str, experiment: str, info: RunInfo) -> None:
        self.error: TrackingError | None = None
        self._uri = resolve_uri(uri)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self._run_id: Future[str | None] = self._submit(lambda: _start(self._uri, experiment, info))

    @property
    def run_id(self) -> str | None:
        """The run's id; None if it was not logged. Waits until it is known."""
        return self._run_id.result()

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log figures, named ``stage/measure_unit``."""
        copy = dict(metrics)
        self._submit(lambda: _mlflow().log_metrics(copy))

    def log_artifacts(self, folder: Path) -> None:
        """Copy the files of the run's folder."""
        self._submit(lambda: _mlflow().log_artifacts(str(folder)))

    def set_tag(self, key: str, value: str) -> None:
        """Set a tag of the run."""
        self._submit(lambda: _mlflow().set_tag(key, value))

    def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED and wait until all of it is stored."""
        self._submit(lambda: _mlflow().end_run(status))
        self._worker.shutdown()

    def _submit(self, call: Callable[[], Result]) -> "Future[Result | None]":
        return self._worker.submit(self._attempt, call)

    def _attempt(self, call: Callable[[], Result]) -> Result | None:
        if self.error is not None:
            return None
        try:
            return call()
        except Exception as error:  # noqa: BLE001  (whatever MLflow's store raises; given up below)
            self.error = TrackingError(
                f"tracking.uri={self._uri}: {_first_line(error)}. The run's own files are complete; "
                "check the store, or use tracking=none"
            )
            log.warning("The run goes on without MLflow: %s", self.error)
            return None


@contextmanager
def open_tracker(config: TrackingConfig, info: RunInfo) -> Iterator[Tracker]:
    """Track a run: FAILED if it raises, KILLED if it is interrupted, FINISHED otherwise."""
    tracker: Tracker = (
        MlflowTracker(config.uri, config.experiment, info)
        if config.kind == "mlflow"
        else SilentTracker()
    )
    status = "KILLED"
    try:
        yield tracker
        status = "FINISHED"
    except Exception as error:
        status = "FAILED"
        tracker.set_tag("error", f"{type(error).__name__}: {error}"[:5000])
        raise
    finally:
        tracker.finish(status)


def resolve_uri(uri: str) -> str:
    """Return ``uri`` with a relative sqlite path made absolute."""
    if not (path := _sqlite_path(uri)):
        return uri
    return f"sqlite:///{path.absolute()}"


def ui_command(uri: str) -> str:
    """Return what to type to look at the runs in a store."""
    if (path := _sqlite_path(resolve_uri(uri))) is None:
        return uri
    script = conf_dir().parent / "scripts" / "ui"
    return (
        f"{script} {path}" if script.exists() else f"mlflow ui --backend-store-uri sqlite:///{path}"
    )


def _sqlite_path(uri: str) -> Path | None:
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def _mlflow() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    return mlflow


def _start(uri: str, experiment: str, info: RunInfo) -> str:
    mlflow = _mlflow()
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(uri)
    _open_experiment(mlflow, uri, experiment)
    run = mlflow.start_run(run_name=info.name, tags=dict(info.tags), log_system_metrics=True)
    mlflow.log_params({key: _short(value) for key, value in info.parameters.items()})
    run_id: str = run.info.run_id
    return run_id


def _open_experiment(mlflow: Any, uri: str, name: str) -> None:
    """Make the experiment current; a new sqlite store is made by one process at a time.

    Its artifacts stand beside the database: MLflow's own default depends on the current folder.
    """
    path = _sqlite_path(uri)
    if path is None:
        mlflow.set_experiment(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if mlflow.get_experiment_by_name(name) is None:
            mlflow.create_experiment(name, (path.parent / "mlartifacts").as_uri())
        mlflow.set_experiment(name)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 6000 else text[:5999] + "…"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
