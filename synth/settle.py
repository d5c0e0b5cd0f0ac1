"""Bring the record and MLflow up to date for a run that nobody is at work on any more.

A process can be killed at any time: in the middle of its run, or between the run's last file and
the end of its MLflow run. And a store can be out of reach when a run ends.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.config import Config
from synth.delivery import Desk
from synth.io import write_json
from synth.outbox import is_waiting
from synth.place import Place, describe
from synth.record import NAME, Summary, hold, read_record
from synth.tracking import Tracker, is_logged, new_tracker
from synth.worker import Worker


async def settle(
    config: Config,
    folder: Path,
    place: Place | None = None,
    *,
    overrides: Sequence[str] = (),
    worker: Worker | None = None,
) -> bool:
    """Record a run as killed if it counts as running, and log what the store lacks of it.

    Args:
        config: of the run.
        folder: of the run.
        place: its place in a sweep, if it is a job of one.
        overrides: how it was asked for, as typed.
        worker: writes to the store when it can; None: all is written when this returns.

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
        if config.tracking.kind == "none":
            return was_killed
        if not is_waiting(folder) and is_logged(config.tracking, run_id):
            return was_killed
        info = describe(config, Summary.begin(folder), place, overrides)
        desk = Desk(folder, worker, lambda run_id: _note(folder, run_id), is_at_work=False)
        tracker = new_tracker(config.tracking, info, desk)
        if not tracker.has_end:
            _complete(tracker, folder, record)
        await tracker.finish(record["status"])
        await tracker.run_id()
        if tracker.error is not None:
            note_error(folder, str(tracker.error))
            raise tracker.error
        return True


def note_error(folder: Path, error: str) -> None:
    """Write down why the store lacks something of a run."""
    record = read_record(folder)
    if not record.get("tracking_error"):
        write_json(folder / NAME, record | {"tracking_error": error})


def _note(folder: Path, run_id: str) -> None:
    record = read_record(folder)
    noted = record | {"mlflow_run_id": run_id, "tracking_error": None}
    if noted != record:
        write_json(folder / NAME, noted)


def _complete(tracker: Tracker, folder: Path, record: dict[str, Any]) -> None:
    """Log how a run has ended that could not say so itself."""
    counts = {f"run/{name}": float(n) for name, n in record["counts"].items()}
    tracker.log_missing(record["metrics"] | counts)
    if record["error"]:
        tracker.set_tags({"error": record["error"]})
    tracker.log_artifacts(folder)
