"""Bring the record and MLflow up to date for a run that nobody is at work on any more.

A process can be killed at any time: in the middle of its run, or between the run's last file and
the end of its MLflow run. And a store can be out of reach when a run ends.
"""

from collections.abc import Sequence
from pathlib import Path

from synth.config import Config
from synth.io import write_json
from synth.place import Place, describe
from synth.record import NAME, Summary, hold, read_record
from synth.tracking import Worker, is_logged, new_tracker


async def settle(
    config: Config,
    folder: Path,
    place: Place | None = None,
    *,
    overrides: Sequence[str] = (),
    worker: Worker | None = None,
) -> bool:
    """Record a run as killed if it counts as running, and log it if the store lacks its end.

    Returns:
        Whether there was something to do.

    Raises:
        ConfigError: if another process is at work on the run.
        TrackingError: if it can't be logged.
    """
    with hold(folder):
        record = read_record(folder)
        was_killed: bool = record["status"] == "RUNNING"
        if was_killed:
            record |= {"status": "KILLED", "error": "its process was killed"}
            write_json(folder / NAME, record)
        run_id = record["mlflow_run_id"]
        if config.tracking.kind == "none" or is_logged(config.tracking, run_id):
            return was_killed
        info = describe(config, Summary.begin(folder), place, overrides)
        tracker = new_tracker(config.tracking, info, worker)
        noted = {"mlflow_run_id": await tracker.run_id() or run_id, "tracking_error": None}
        if tracker.error is None and record != record | noted:
            write_json(folder / NAME, record | noted)
        tracker.log_metrics(record["metrics"])
        tracker.log_metrics({f"run/{name}": n for name, n in record["counts"].items()})
        if record["error"]:
            tracker.set_tags({"error": record["error"]})
        tracker.log_artifacts(folder)
        await tracker.finish(record["status"])
        if tracker.error is not None:
            raise tracker.error
        return True
