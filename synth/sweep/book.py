"""``sweep.json``: the jobs of a sweep, for those who go on with it and for its worker processes.

How far each of them came is in its own ``run.json``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from synth.io import read_json, write_json
from synth.place import Place

NAME = "sweep.json"
DONE = ("FINISHED", "FAILED")
"""How a job ends that is not to be run again by those who are at work on the sweep."""


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
    server: str = ""
    """The same for jobs that can share a server."""


@dataclass
class Book:
    """A sweep's jobs by number, and its MLflow run."""

    folder: Path
    n_at_once: int = 16
    """Jobs that are run side by side."""
    jobs: dict[int, Entry] = field(default_factory=dict)
    key: str = field(default_factory=lambda: uuid4().hex)
    """As a run's: what its MLflow run is found by."""
    mlflow_run_id: str | None = None
    status: str = "RUNNING"
    seconds: float = 0.0
    """How long its attempts have taken."""
    cluster: Mapping[str, Any] | None = None
    """How to ask a cluster for nodes; None: the jobs are run on this machine."""
    allocation: str | None = None
    """The cluster's name for what it was asked for last."""

    @property
    def going_on(self) -> str:
        """What to do when jobs are missing."""
        return f"Go on with what is missing: python -m synth resume={self.folder}"

    @property
    def swept(self) -> list[str]:
        """The keys that vary."""
        return list(dict.fromkeys(key for entry in self.jobs.values() for key in entry.settings))

    def where(self, number: int) -> Path:
        """Return a job's folder."""
        return self.folder / self.jobs[number].folder

    def title(self, name: str) -> str:
        """Return what the sweep is called: the name of its experiment and what varies."""
        return f"{name}: {' × '.join(self.swept)}" if self.swept else name

    def place(self, number: int, parent: Callable[[], str | None]) -> Place:
        """Return a job's place; ``parent`` returns the sweep's MLflow run when it is wanted."""
        entry = self.jobs[number]
        return Place(number, entry.name, parent, entry.rank, dict(entry.settings))

    def write(self) -> None:
        """Write ``sweep.json``."""
        about = {
            "status": self.status,
            "n_at_once": self.n_at_once,
            "key": self.key,
            "mlflow_run_id": self.mlflow_run_id,
            "seconds": round(self.seconds, 1),
            "cluster": self.cluster,
            "allocation": self.allocation,
            "jobs": [asdict(self.jobs[number]) for number in sorted(self.jobs)],
        }
        write_json(self.folder / NAME, about)


def read_book(folder: Path) -> Book:
    """Return the sweep in ``folder``."""
    about = read_json(folder / NAME)
    jobs = [Entry(**row) for row in about.pop("jobs")]
    return Book(folder, jobs={entry.number: entry for entry in jobs}, **about)
