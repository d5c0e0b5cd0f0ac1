"""What an attempt that was interrupted has left in a run's folder, made fit to go on with."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from synth.io import write_jsonl
from synth.records import Document
from synth.rows import CHUNKS, DOCUMENTS, FAILURES, PAIRS, REQUESTS, Row, is_split


@dataclass
class Salvage:
    """The results of earlier attempts; empty where a step was not completed."""

    steps: list[str] = field(default_factory=list)
    """Steps of which the results are kept."""
    documents: list[Document] = field(default_factory=list)
    answered: frozenset[str] = frozenset()
    """Chunks that have their pairs."""
    asked: frozenset[int] = frozenset()
    """Seeds of requests for other chunks that were answered, too, and are noted."""
    n_pairs: int = 0
    n_failures: int = 0


def salvage(folder: Path, steps: Collection[str]) -> Salvage:
    """Return what can be kept of a run, and remove the other rows.

    What failed in generation is asked again; so is what was answered and is not among the pairs,
    but its reply stands in the store. A row that was torn when the disk was full or the power
    went is dropped, and with it the other pairs of its chunk.

    Args:
        steps: those that the earlier attempts have completed.
    """
    if "ingest" not in steps:
        return _clear(folder, DOCUMENTS, FAILURES, CHUNKS, PAIRS, REQUESTS)
    documents = [Document.from_row(row) for row in _whole_rows(folder / DOCUMENTS)]
    if is_split(folder):  # the rows are those of its shards, and salvaged there
        n_pairs, n_failures = (_keep(folder / name, lambda row: True) for name in (PAIRS, FAILURES))
        return Salvage(["ingest", "chunk"], documents, n_pairs=n_pairs, n_failures=n_failures)
    n_failures = _keep(folder / FAILURES, lambda row: row["stage"] != "generate")
    if "chunk" not in steps:
        _clear(folder, CHUNKS, PAIRS, REQUESTS)
        return Salvage(["ingest"], documents, n_failures=n_failures)
    torn = find_torn_chunk(folder / PAIRS)
    answered: set[str] = set()
    n_pairs = _keep(folder / PAIRS, lambda row: row["chunk_id"] != torn, answered)
    _keep(folder / REQUESTS, lambda row: True)
    requests = _whole_rows(folder / REQUESTS)
    return Salvage(
        steps=["ingest", "chunk"],
        documents=documents,
        answered=frozenset(answered),
        asked=frozenset(row["seed"] for row in requests if row["chunk_id"] not in answered),
        n_pairs=n_pairs,
        n_failures=n_failures,
    )


def _keep(path: Path, is_kept: Callable[[Row], bool], chunk_ids: set[str] | None = None) -> int:
    """Leave only the whole rows that are to be kept; add their chunks' ids; return how many."""

    def kept() -> Iterator[Row]:
        for row in _whole_rows(path):
            if is_kept(row):
                yield row
                if chunk_ids is not None:
                    chunk_ids.add(row["chunk_id"])

    return write_jsonl(path, kept()) if path.exists() else 0


def find_torn_chunk(path: Path) -> str | None:
    """Return the chunk of the last whole row, if a torn one follows it."""
    if not path.exists() or not _is_torn(path):
        return None
    chunk_id = None
    for row in _whole_rows(path):
        chunk_id = row["chunk_id"]
    return chunk_id


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")


def _whole_rows(path: Path) -> Iterator[Row]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _clear(folder: Path, *names: str) -> Salvage:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return Salvage()
