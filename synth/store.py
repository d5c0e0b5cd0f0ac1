"""MLflow's own side of a run: where its store is, the run in it, and what is written to it."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from synth.config.files import conf_dir
from synth.errors import TrackingError
from synth.records import Call
from synth.traces import write_call

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
    "GIT_PYTHON_REFRESH": "quiet",
}
_KEY = "synth.key"

Figure = tuple[str, float, float]
"""Name, value and time (seconds since 1970) of what was measured."""


@dataclass(frozen=True)
class RunInfo:
    """What a run is called and made with; ``parameters`` hold no secret."""

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    """The run to go on with; None: the one with its key, or a new one."""
    key: str = ""
    """A tag by which a run is found that was made and not noted; "" = it is new."""
    parent: Callable[[], str | None] | None = None
    """Returns the run of the sweep that it is a job of; called when the run is opened."""
    objective: str | None = None
    """The figure that MLflow's page for comparison is to show first."""


class Store:
    """An open MLflow run; not for several threads at a time."""

    def __init__(self, client: Any, run: Any, monitor: Any) -> None:
        self.client = client
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self._began_s: float = run.info.start_time / 1000
        self._monitor = monitor

    def log_figures(self, figures: Iterable[Figure]) -> None:
        """Log figures."""
        self._log(figures, lambda at: 0)

    def log_points(self, figures: Iterable[Figure]) -> None:
        """Log points of curves; their steps are the seconds since the run has begun.

        MLflow's charts have steps below them, and a figure without one is shown as a bar.
        """
        self._log(figures, lambda at: max(1, round(at - self._began_s)))

    def _log(self, figures: Iterable[Figure], step_of: Callable[[float], int]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(name, value, int(at * 1000), step_of(at)) for name, value, at in figures]
        self.client.log_batch(self.run_id, metrics=metrics)

    def log_call(self, call: Call) -> None:
        """Keep a call to the model as a trace."""
        write_call(self.client.tracking_uri, self.experiment_id, self.run_id, call)

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log settings that were not logged before."""
        from mlflow.entities import Param

        entries = [Param(key, _short(value)) for key, value in parameters.items()]
        self.client.log_batch(self.run_id, params=entries)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)

    def set_experiment_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment."""
        for key, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, key, value)

    def close(self, status: str) -> None:
        """End the run."""
        if self._monitor is not None:
            self._monitor.finish()
        self.client.set_terminated(self.run_id, status)


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


def ui_address(uri: str) -> str:
    """Return where the UI of a store is: the server's own, or where ``scripts/ui`` opens it."""
    return "http://127.0.0.1:5000" if _sqlite_path(uri) else uri.rstrip("/")


def _sqlite_path(uri: str) -> Path | None:
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def connect(uri: str) -> Any:
    """Return an MLflow client; a new store is made only by :func:`open_store`."""
    return _mlflow().MlflowClient(uri)


def is_open(uri: str, run_id: str) -> bool:
    """Return whether a run counts as running."""
    return bool(connect(uri).get_run(run_id).info.status == "RUNNING")


def _mlflow() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def open_store(uri: str, experiment: str, info: RunInfo) -> Store:
    """Open the run that ``info`` describes.

    Raises:
        TrackingError: if the sweep that it is a job of is not logged.
    """
    parent_id = info.parent() if info.parent else None
    if info.parent is not None and parent_id is None:
        raise TrackingError("the run of its sweep is not there")
    client, experiment_id = _connect(uri, experiment)
    run_id = info.run_id or _find_run(client, experiment_id, info.key)
    run = _go_on(client, run_id) if run_id else _create(client, experiment_id, info, parent_id)
    monitor = None
    if info.parent is None:  # what the machine does is the sweep's, not a job's
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(
            run.info.run_id, resume_logging=run_id is not None, tracking_uri=uri
        )
        monitor.start()
    store = Store(client, run, monitor)
    known = run.data.params  # can't be changed
    store.log_parameters({key: info.parameters[key] for key in info.parameters if key not in known})
    if info.objective is not None and run_id is None:
        # That page begins with the figure that was logged first (tried in 3.17).
        store.log_figures([(info.objective, math.nan, time.time())])
    return store


def _create(client: Any, experiment_id: str, info: RunInfo, parent_id: str | None) -> Any:
    from mlflow.tracking.context.registry import resolve_tags

    parent = {"mlflow.parentRunId": parent_id} if parent_id else {}
    key = {_KEY: info.key} if info.key else {}
    tags = resolve_tags() | dict(info.tags) | parent | key  # user, source, commit; ours
    return client.create_run(experiment_id, tags=tags, run_name=info.name)


def _find_run(client: Any, experiment_id: str, key: str) -> str | None:
    runs = client.search_runs([experiment_id], f"tags.`{_KEY}` = '{key}'") if key else []
    return runs[0].info.run_id if runs else None


def _go_on(client: Any, run_id: str) -> Any:
    run = client.get_run(run_id)
    client.update_run(run_id, status="RUNNING")
    if "error" in run.data.tags:
        client.delete_tag(run_id, "error")
    return run


def _connect(uri: str, experiment: str) -> tuple[Any, str]:
    """Return a client, and the experiment's id; a new sqlite store is made by one process at a time.

    Its artifacts stand beside the database: MLflow's own default depends on the current folder.
    """
    path = _sqlite_path(uri)
    if path is None:
        client = connect(uri)
        return client, _find_experiment(client, experiment, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        client = connect(uri)
        artifacts = (path.parent / "mlartifacts").as_uri()
        return client, _find_experiment(client, experiment, artifacts)


def _find_experiment(client: Any, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            created: str = client.create_experiment(name, artifacts)
        except MlflowException:  # another process was faster, on a server
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
        else:
            return created
    experiment_id: str = found.experiment_id
    return experiment_id


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 6000 else text[:5999] + "…"
