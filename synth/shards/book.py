"""``shards.json``: the shards of a run, and what of each of them the run has."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth.io import read_json, write_json
from synth.record import read_record
from synth.rows import CHUNKS, CURATE_REQUESTS, FAILURES, FINDINGS, PAIRS, REQUESTS, SHARDS

MERGED: Mapping[str, str] = {
    PAIRS: "chunk_id",
    FAILURES: "id",
    REQUESTS: "chunk_id",
    CURATE_REQUESTS: "chunk_id",
    FINDINGS: "chunk_id",
}
"""The files of a shard that a run gets the rows of, each with the column of its chunks' ids."""

_KEPT = ("status", "started", "timings", "metrics", "server")

State = dict[str, list[int]]
"""Size and time of change of each file of :data:`MERGED` that is there."""


@dataclass
class Shard:
    """A shard as ``shards.json`` has it."""

    folder: str
    """Relative to the run's."""
    n_documents: int
    n_chunks: int
    n_tokens: int
    merged: State | None = None
    """What its files were when they were merged; None if they never were."""
    record: dict[str, Any] = field(default_factory=dict)
    """What its ``run.json`` said then, and when that was written (``ended_s``, since 1970): the
    folder may be removed after that."""

    @property
    def is_finished(self) -> bool:
        """Whether all of it was there."""
        return self.record.get("status") == "FINISHED"


@dataclass
class Book:
    """The shards of the run in ``folder``, by number."""

    folder: Path
    chunks: str
    """Digest of the file of the chunks that were dealt out."""
    shards: list[Shard] = field(default_factory=list)

    @property
    def folders(self) -> list[Path]:
        """Where the shards are."""
        return [self.folder / shard.folder for shard in self.shards]

    def write(self) -> None:
        """Write ``shards.json``."""
        shards = [asdict(shard) for shard in self.shards]
        write_json(self.folder / SHARDS, {"chunks": self.chunks, "shards": shards})


def read_book(folder: Path) -> Book:
    """Return the shards of the run in ``folder``."""
    about = read_json(folder / SHARDS)
    return Book(folder, about["chunks"], [Shard(**row) for row in about["shards"]])


def look(folder: Path) -> tuple[State, dict[str, Any]] | None:
    """Return the state of a shard's files and what is kept of its ``run.json``; None if it is gone.

    The record comes first: of a shard that is finished by then the files are complete.
    """
    if not (folder / CHUNKS).exists():
        return None
    record = {name: value for name, value in read_record(folder).items() if name in _KEPT}
    if record:
        record["ended_s"] = round((folder / "run.json").stat().st_mtime, 3)
    state: State = {}
    for name in MERGED:
        try:
            with (folder / name).open("rb") as file:  # NFS looks again when a file is opened
                found = os.fstat(file.fileno())
        except FileNotFoundError:
            continue
        state[name] = [found.st_size, found.st_mtime_ns]
    return state, record
