"""The pairs of a run as one small value that a page can hold."""

import base64
import gzip
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.records import Chunk, Pair
from synth.review.counts import as_number, name_and_length
from synth.rows import DOCUMENTS, PAIRS, is_kept, read_chunks, read_rows
from synth.texts import Texts

COLUMNS = ("id", "doc", "chunk", "question", "answer", "kept", "support", "score", "more")
"""What stands in a row of a pair; ``doc`` and ``chunk`` count in the lists beside, -1 is none."""


@dataclass(frozen=True)
class Pack:
    """The pairs of a page with their chunks and documents, each of which is in it once."""

    n_pairs: int
    n_kept: int
    """Of the whole run, as is ``n_pairs``."""
    is_curated: bool
    documents: Sequence[tuple[str, int]]
    """Name and characters."""
    chunks: Sequence[tuple[int, int, str | None, Sequence[str], Sequence[int]]]
    """Document, first character, text (None: it is gone), headings, pages."""
    pairs: Sequence[Sequence[Any]]
    """In :data:`COLUMNS`."""

    def embedded(self) -> str:
        """Return it as JSON, compressed, as Base64: nothing in it can end a script element."""
        value = {
            "columns": COLUMNS,
            "documents": self.documents,
            "chunks": self.chunks,
            "pairs": self.pairs,
        }
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # Half a character, which UTF-8 can't hold, stands as an escape, as JSON has it.
        data = text.encode("utf-8", "backslashreplace")
        return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode("ascii")


def pack(folder: Path, most_pairs: int, seed: int) -> Pack:
    """Read the pairs of the run in ``folder``: all, or those of some chunks where they are more.

    Args:
        folder: of the run.
        most_pairs: how many at most, except that there is always one whole chunk.
        seed: of the choice of chunks.
    """
    sizes: Counter[str] = Counter()
    n_kept, is_curated = 0, False
    for row in read_rows(folder / PAIRS):
        sizes[row["chunk_id"]] += 1
        n_kept += is_kept(row)
        is_curated = is_curated or "kept" in row
    chosen = choose(sizes, most_pairs, seed)
    rows = [row for row in read_rows(folder / PAIRS) if row["chunk_id"] in chosen]
    chunks = _read_chunks(folder, rows)
    shown = [_shown_chunk(row, chunks) for row in rows]
    content = _Content(folder, chunks)
    content.add_texts({chunk.id for chunk in shown if chunk})
    content.add_documents({row["doc_id"] for row in rows})
    packed = [content.row(row, chunk) for row, chunk in zip(rows, shown, strict=True)]
    return Pack(sizes.total(), n_kept, is_curated, content.documents, content.packed_chunks, packed)


def choose(sizes: Mapping[str, int], most: int, seed: int) -> set[str]:
    """Choose chunks, spread over the run, that have ``most`` pairs together or a few less.

    Args:
        sizes: pairs of each chunk, in the order of the run.
        most: pairs.
        seed: of the choice.
    """
    total = sum(sizes.values())
    if total <= most:
        return set(sizes)
    names, chooser = list(sizes), random.Random(seed)  # noqa: S311  (a choice to look at)
    n = max(1, len(names) * most // total)
    bounds = [len(names) * part // n for part in range(n + 1)]
    drawn = [names[chooser.randrange(low, high)] for low, high in itertools.pairwise(bounds)]
    chooser.shuffle(drawn)
    left = sum(sizes[name] for name in drawn)
    while left > most and len(drawn) > 1:
        left -= sizes[drawn.pop()]
    return set(drawn)


def _read_chunks(folder: Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, Chunk]:
    """Return the chunks of pairs, in the order of the run."""
    wanted = {name for row in rows for name in (row["chunk_id"], *row.get("chunk_ids", ()))}
    return {chunk.id: chunk for chunk in read_chunks(folder) if chunk.id in wanted}


def _shown_chunk(row: Mapping[str, Any], chunks: Mapping[str, Chunk]) -> Chunk | None:
    """Return the chunk that holds the evidence of a pair, else its first one."""
    names = row.get("chunk_ids") or (row["chunk_id"],)
    found = [chunks[name] for name in names if name in chunks]
    if evidence := row.get("evidence"):
        start, end = evidence
        holding = [one for one in found if one.start <= start and end <= one.end]
        found = holding or [one for one in found if one.start < end and start < one.end] or found
    return found[0] if found else None


@dataclass
class _Content:
    """Documents and chunks by their numbers in the page."""

    folder: Path
    chunks: Mapping[str, Chunk]
    documents: list[tuple[str, int]] = field(default_factory=list)
    packed_chunks: list[Any] = field(default_factory=list)
    _document_of: dict[str, int] = field(default_factory=dict)
    _chunk_of: dict[str, int] = field(default_factory=dict)

    def add_documents(self, names: set[str]) -> None:
        for row in read_rows(self.folder / DOCUMENTS):
            if row["id"] in names:
                self.documents[self._document(row["id"])] = name_and_length(row)

    def add_texts(self, names: set[str]) -> None:
        """Take up chunks, document by document, so that no text is opened twice."""
        texts = Texts(self.folder)
        for chunk in self.chunks.values():
            if chunk.id not in names:
                continue
            try:
                text = texts.read(chunk)
            except FileNotFoundError:
                text = None
            self._chunk_of[chunk.id] = len(self.packed_chunks)
            document = self._document(chunk.doc_id)
            self.packed_chunks.append((document, chunk.start, text, chunk.headings, chunk.pages))

    def row(self, row: Mapping[str, Any], chunk: Chunk | None) -> list[Any]:
        """Return the row of a pair."""
        return [
            row["id"],
            self._document(row["doc_id"]),
            self._chunk_of[chunk.id] if chunk else -1,
            row["question"],
            row["answer"],
            int(is_kept(row)),
            as_number(row.get("support")),
            as_number(row.get("score")),
            _more(row),
        ]

    def _document(self, name: str) -> int:
        """Return the number of a document; it is known by its id until its row is read."""
        if name not in self._document_of:
            self._document_of[name] = len(self.documents)
            self.documents.append((name, 0))
        return self._document_of[name]


def _more(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what few pairs have, without what is empty."""
    names = ("reasons", "evidence", "duplicate_of", "closed_book", "pages", "by_hand")
    scores = {name: as_number(value) for name, value in (row.get("scores") or {}).items()}
    # As text: what a model has written may be NaN, which JSON does not have.
    fields = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        for name, value in row.items()
        if name not in Pair.COLUMNS
    }
    more = {**{name: row.get(name) for name in names}, "scores": scores, "fields": fields}
    return {name: value for name, value in more.items() if value}
