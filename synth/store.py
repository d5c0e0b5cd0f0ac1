"""MLflow's own side of a run: where its store is, the run in it, and what is written to it."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from synth.address import sqlite_path
from synth.artifacts import choose_files
from synth.outages import StoreAway
from synth.outbox import Row
from synth.records import Call, Usage
from synth.traces import write_call

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "GIT_PYTHON_REFRESH": "quiet",
}
_LEVELS = {
    "alembic": logging.WARNING,
    "mlflow": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,
    "urllib3.connectionpool": logging.ERROR,
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
    began_s: float = field(default_factory=time.time)
    """When it has begun, in seconds since 1970, however much later its MLflow run is made."""


class Store:
    """An open MLflow run; not for several threads at a time."""

    def __init__(self, client: Any, run: Any, folder: Path | None = None) -> None:
        """Take a run.

        Args:
            folder: where paths of files begin.
        """
        self.client = client
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self._began_s: float = run.info.start_time / 1000
        self._folder = folder or Path()

    def send(self, rows: Sequence[Row]) -> None:
        """Write rows of an :class:`~synth.outbox.Outbox`: one of any kind, or several of figures.

        What was written once may be written again: it is there once then.
        """
        if "metrics" in rows[0] or "points" in rows[0]:
            self._log(metric for row in rows for metric in self._metrics(row))
        else:
            self._send_one(rows[0])

    def _send_one(self, row: Row) -> None:
        match row:
            case {"missing": figures, "at": at}:
                self.log_missing(figures, at)
            case {"call": call, "id": number}:
                self.log_call(call, number)
            case {"tags": tags}:
                self.set_tags(tags)
            case {"experiment_tags": tags}:
                self.set_experiment_tags(tags)
            case {"artifacts": folder, "below": below}:
                self.log_artifacts(self._folder / folder, below)
            case {"artifact": path}:
                self.client.log_artifact(self.run_id, str(self._folder / path))
            case {"status": status, "at": at}:
                self.close(status, at)

    def log_figures(self, figures: Iterable[Figure]) -> None:
        """Log figures."""
        self._log(_metric(name, value, at, 0) for name, value, at in figures)

    def log_points(self, figures: Iterable[Figure]) -> None:
        """Log points of curves; their steps are the seconds since the run has begun.

        MLflow's charts have steps below them, and a figure without one is shown as a bar.
        """
        self._log(_metric(name, value, at, self._step(at)) for name, value, at in figures)

    def log_missing(self, figures: Mapping[str, float], at: float) -> None:
        """Log those figures that are not there, or are not what was measured last."""
        known = self.client.get_run(self.run_id).data.metrics
        self.log_figures((name, x, at) for name, x in figures.items() if known.get(name) != x)

    def log_call(self, call: Mapping[str, Any], number: str) -> None:
        """Keep a call to the model as a trace.

        Args:
            call: the fields of a :class:`Call`.
            number: 32 hexadecimal digits; a trace with the same ones is the same.
        """
        told = Call(**{**call, "usage": Usage(**call["usage"])})
        write_call(self.client.tracking_uri, self.experiment_id, self.run_id, told, number)

    def log_artifacts(self, folder: Path, below: str | None = None) -> None:
        """Copy files of a folder, into the folder ``below`` if one is named."""
        for path in choose_files(folder):
            place = Path(below or "", path.relative_to(folder)).parent.as_posix()
            self.client.log_artifact(self.run_id, str(path), None if place == "." else place)

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

    def close(self, status: str, at: float | None = None) -> None:
        """End the run.

        Args:
            status: FINISHED, FAILED or KILLED.
            at: when it has ended, in seconds since 1970; None: now.
        """
        self.client.set_terminated(self.run_id, status, None if at is None else int(at * 1000))

    def _log(self, metrics: Iterable[Any]) -> None:
        self.client.log_batch(self.run_id, metrics=list(metrics))  # which splits what is too much

    def _metrics(self, row: Row) -> Iterator[Any]:
        step = self._step(row["at"]) if "points" in row else 0
        figures = row.get("metrics") or row.get("points") or {}
        yield from (_metric(name, value, row["at"], step) for name, value in figures.items())

    def _step(self, at: float) -> int:
        return max(1, round(at - self._began_s))


def _metric(name: str, value: float, at: float, step: int) -> Any:
    from mlflow.entities import Metric

    return Metric(name, value, int(at * 1000), step)


def connect(uri: str) -> Any:
    """Return an MLflow client; a new store is made only by :func:`open_store`."""
    return load_mlflow().MlflowClient(uri)


def is_open(uri: str, run_id: str) -> bool:
    """Return whether a run counts as running."""
    return bool(connect(uri).get_run(run_id).info.status == "RUNNING")


def load_mlflow() -> Any:
    """Import MLflow, which is to be quiet and to ask nobody."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.store.db.utils

    # A database that is away is tried again by the worker, where the end of a run ends that; here
    # ten tries would take minutes. What is wrong is in the error, with no need for a traceback.
    mlflow.store.db.utils.MAX_RETRY_COUNT = 1
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    return mlflow


def open_store(
    uri: str,
    experiment: str,
    info: RunInfo,
    artifacts: str | None = None,
    folder: Path | None = None,
) -> Store:
    """Open the run that ``info`` describes.

    Args:
        uri: of the store.
        experiment: its name; made if it is not there.
        info: of the run.
        artifacts: where files of a new experiment go; None: beside an sqlite store, and where an
            MLflow server has them.
        folder: where paths of files begin.

    Raises:
        StoreAway: if the sweep that it is a job of is not logged yet.
    """
    parent_id = info.parent() if info.parent else None
    if info.parent is not None and parent_id is None:
        raise StoreAway("the run of its sweep is not there yet")
    client, experiment_id = _connect(uri, experiment, artifacts)
    run_id = info.run_id or _find_run(client, experiment_id, info.key)
    run = _go_on(client, run_id) if run_id else _create(client, experiment_id, info, parent_id)
    store = Store(client, run, folder)
    known = run.data.params  # can't be changed
    store.log_parameters({key: info.parameters[key] for key in info.parameters if key not in known})
    if info.objective is not None and not run.data.metrics:
        # That page begins with the figure that was logged first (tried in 3.17).
        store.log_figures([(info.objective, math.nan, info.began_s)])
    return store


def _create(client: Any, experiment_id: str, info: RunInfo, parent_id: str | None) -> Any:
    from mlflow.tracking.context.registry import resolve_tags

    parent = {"mlflow.parentRunId": parent_id} if parent_id else {}
    key = {_KEY: info.key} if info.key else {}
    tags = resolve_tags() | dict(info.tags) | parent | key  # user, source, commit; ours
    began_ms = int(info.began_s * 1000)
    return client.create_run(experiment_id, began_ms, tags=tags, run_name=info.name)


def _find_run(client: Any, experiment_id: str, key: str) -> str | None:
    runs = client.search_runs([experiment_id], f"tags.`{_KEY}` = '{key}'") if key else []
    return runs[0].info.run_id if runs else None


def _go_on(client: Any, run_id: str) -> Any:
    run = client.get_run(run_id)
    client.update_run(run_id, status="RUNNING")
    if "error" in run.data.tags:
        client.delete_tag(run_id, "error")
    return run


def _connect(uri: str, experiment: str, artifacts: str | None) -> tuple[Any, str]:
    """Return a client, and the experiment's id; a new sqlite store is made by one process at a time."""
    path = sqlite_path(uri)
    if path is None:
        client = connect(uri)
        return client, _find_experiment(client, experiment, artifacts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        client, artifacts = connect(uri), artifacts or (path.parent / "mlartifacts").as_uri()
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
