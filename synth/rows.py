"""The rows of a run's files, read side by side, chunk by chunk, so that none are held.

Generation leaves them in the order of the chunks (:mod:`synth.order`).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.io import read_jsonl
from synth.records import Chunk

DOCUMENTS, CHUNKS, PAIRS = "documents.jsonl", "chunks.jsonl", "pairs.jsonl"
FAILURES, REQUESTS = "failures.jsonl", "requests.jsonl"
CURATE_REQUESTS = "curate_requests.jsonl"
FINDINGS = "findings.jsonl"
"""What was found out about pairs in a shard, by rules and by models: :mod:`synth.findings`."""
SHARDS_FOLDER = "shards"
SHARDS = "shards.json"
"""That a run was divided into shards, and how far they are merged: :mod:`synth.shards`."""

Row = dict[str, Any]


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file; none if it is not there."""
    if path.exists():
        yield from read_jsonl(path)


def read_chunks(folder: Path) -> Iterator[Chunk]:
    """Yield the chunks of a run in their order."""
    return map(Chunk.from_row, read_rows(folder / CHUNKS))


def is_kept(pair: Mapping[str, Any]) -> bool:
    """Return whether a pair is kept; one without a verdict is."""
    return bool(pair.get("kept", True))


def read_chunks_around(folder: Path) -> Iterator[tuple[Chunk, dict[str, Chunk]]]:
    """Yield each chunk with those that its pairs may be about, by id: its document's.

    Where every pair is about one chunk only, no other is looked up and none is kept.
    """
    first, chunks = next(read_rows(folder / PAIRS), {}), read_chunks(folder)
    if "chunk_ids" not in first:
        yield from ((chunk, {chunk.id: chunk}) for chunk in chunks)
        return
    for _, document in itertools.groupby(chunks, key=lambda chunk: chunk.doc_id):
        by_id = {chunk.id: chunk for chunk in document}
        yield from ((chunk, by_id) for chunk in by_id.values())


def is_split(folder: Path) -> bool:
    """Return whether a run was divided into shards: its pairs are made there, and merged here."""
    return (folder / SHARDS).exists()


class Extent:
    """Characters of documents that chunks hold, each counted once though chunks overlap."""

    def __init__(self) -> None:
        self._doc_id, self._end = "", 0

    def add(self, chunk: Chunk) -> int:
        """Return how many a chunk adds to those before it; the chunks of a document come in a row."""
        if chunk.doc_id != self._doc_id:
            self._doc_id, self._end = chunk.doc_id, 0
        added = max(0, chunk.end - max(chunk.start, self._end))
        self._end = max(self._end, chunk.end)
        return added


class ByChunk:
    """Rows in the order of the chunks, taken chunk by chunk."""

    def __init__(self, rows: Iterable[Row], column: str = "chunk_id") -> None:
        self._groups = itertools.groupby(rows, key=lambda row: row[column])
        self._next: tuple[str, list[Row]] | None = None
        self._advance()

    @property
    def is_empty(self) -> bool:
        """Whether all rows were taken; not so if they are in another order than the chunks."""
        return self._next is None

    def take(self, chunk_id: str) -> list[Row]:
        """Return the rows of the chunk, of which there may be none."""
        if self._next is None or self._next[0] != chunk_id:
            return []
        rows = self._next[1]
        self._advance()
        return rows

    def _advance(self) -> None:
        group = next(self._groups, None)
        self._next = None if group is None else (group[0], list(group[1]))
