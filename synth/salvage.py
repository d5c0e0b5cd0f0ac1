"""What an attempt that was interrupted has left in a run's folder, made fit to go on with."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.io import write_text
from synth.records import Chunk, Document, Request

DOCUMENTS, CHUNKS, PAIRS = "documents.jsonl", "chunks.jsonl", "pairs.jsonl"
FAILURES, REQUESTS = "failures.jsonl", "requests.jsonl"


@dataclass
class Salvage:
    """The results of earlier attempts; empty where a step was not completed."""

    steps: list[str] = field(default_factory=list)
    """Steps of which the results are kept."""
    documents: list[Document] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    answered: frozenset[str] = frozenset()
    """Chunks that have their pairs."""
    requests: list[Request] = field(default_factory=list)
    n_pairs: int = 0
    n_failures: int = 0


def salvage(folder: Path, steps: Collection[str]) -> Salvage:
    """Return what can be kept of a run, and remove the other rows.

    What failed in generation is asked again. A row that was torn when the disk was full or the
    power went is dropped, and with it the other pairs of its chunk.

    Args:
        steps: those that the earlier attempts have completed.
    """
    if "ingest" not in steps:
        return _clear(folder, DOCUMENTS, FAILURES, CHUNKS, PAIRS, REQUESTS)
    documents = [Document(**row) for row in _whole_rows(folder / DOCUMENTS)]
    failures = [row for row in _whole_rows(folder / FAILURES) if row["stage"] != "generate"]
    _rewrite(folder / FAILURES, failures)
    if "chunk" not in steps:
        _clear(folder, CHUNKS, PAIRS, REQUESTS)
        return Salvage(["ingest"], documents, n_failures=len(failures))
    pairs, torn = _read_pairs(folder / PAIRS)
    kept = [row for row in pairs if row["chunk_id"] != torn]
    _rewrite(folder / PAIRS, kept)
    requests = list(_whole_rows(folder / REQUESTS))
    _rewrite(folder / REQUESTS, requests)
    return Salvage(
        steps=["ingest", "chunk"],
        documents=documents,
        chunks=[Chunk(**row) for row in _whole_rows(folder / CHUNKS)],
        answered=frozenset(row["chunk_id"] for row in kept),
        requests=[Request(**row) for row in requests],
        n_pairs=len(kept),
        n_failures=len(failures),
    )


def _read_pairs(path: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Return the whole rows, and the chunk of the last one if a torn one follows it."""
    rows = list(_whole_rows(path))
    is_torn = path.exists() and not path.read_bytes()[-1:] in (b"", b"\n")
    return rows, rows[-1]["chunk_id"] if is_torn and rows else None


def _whole_rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _rewrite(path: Path, rows: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _clear(folder: Path, *names: str) -> Salvage:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return Salvage()
