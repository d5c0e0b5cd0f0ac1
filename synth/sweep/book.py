"""``sweep.json``: the jobs of a sweep, for those who go on with it and for its worker processes.

How far each of them came is in its own ``run.json``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth.io import read_json, write_json
from synth.job import Place

NAME = "sweep.json"


@dataclass(frozen=True)
class Entry:
    """A job as ``sweep.json`` has it."""

    number: int
    name: str
    folder: str
    """Relative to the sweep's folder."""
    rank: int
    overrides: Sequence[str]
    settings: Mapping[str, Any]
    """What varies, by key."""


@dataclass
class Book:
    """A sweep's jobs by number, and its MLflow run."""

    folder: Path
    jobs: dict[int, Entry] = field(default_factory=dict)
    mlflow_run_id: str | None = None
    status: str = "RUNNING"
    seconds: float = 0.0
    """How long its attempts have taken."""

    def place(self, number: int, parent: Callable[[], str | None]) -> Place:
        """Return a job's place; ``parent`` returns the sweep's MLflow run when it is wanted."""
        entry = self.jobs[number]
        return Place(number, entry.name, parent, entry.rank, dict(entry.settings))

    def write(self) -> None:
        """Write ``sweep.json``."""
        about = {
            "status": self.status,
            "mlflow_run_id": self.mlflow_run_id,
            "seconds": round(self.seconds, 1),
            "jobs": [asdict(self.jobs[number]) for number in sorted(self.jobs)],
        }
        write_json(self.folder / NAME, about)


def read_book(folder: Path) -> Book:
    """Return the sweep in ``folder``."""
    about = read_json(folder / NAME)
    jobs = [Entry(**row) for row in about["jobs"]]
    return Book(
        folder=folder,
        jobs={entry.number: entry for entry in jobs},
        mlflow_run_id=about["mlflow_run_id"],
        status=about["status"],
        seconds=about["seconds"],
    )
