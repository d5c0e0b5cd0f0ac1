"""How good the pairs of a run are, by chunk: figures that need no model.

Every figure is a ratio of two sums over chunks (:data:`RATIOS`), so that jobs can be compared by
resampling the documents that the chunks are of. docs/measures.md says what each of them means, and
what it does not see.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.io import read_jsonl, write_jsonl
from synth.records import Chunk
from synth.texts import Texts

NAME = "figures.jsonl"

Row = dict[str, Any]

RATIOS: Mapping[str, tuple[str, str]] = {
    "quality/usable_frac": ("n_usable", "n_asked"),
    "quality/returned_frac": ("n_pairs", "n_asked"),
    "quality/question_frac": ("n_questions", "n_pairs"),
    "quality/unique_frac": ("n_unique", "n_pairs"),
    "quality/support_frac": ("support", "n_pairs"),
    "quality/question_words": ("question_words", "n_pairs"),
    "quality/answer_words": ("answer_words", "n_pairs"),
    "generate/pairs_per_chunk": ("n_pairs", "n_chunks"),
    "generate/failed_frac": ("n_failed", "n_chunks"),
    "generate/cut_off_frac": ("n_cut_off", "n_requests"),
    "generate/output_tokens_per_s": ("output_tokens", "server_s"),
    "generate/output_tokens_per_pair": ("output_tokens", "n_pairs"),
}
"""Each metric's numerator and denominator: columns of :data:`NAME`."""

SUPPORTED = 0.5
"""Share of an answer's words that stand in its chunk, from which on it counts as supported."""

_PLACE = ("doc_id", "start", "end")
_COLUMNS = tuple(dict.fromkeys(column for pair in RATIOS.values() for column in pair))
# Scripts without spaces between words: each character of them counts as a word.
_CHARACTERS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(f"[{_CHARACTERS}]|[^\\W_{_CHARACTERS}]+(?:['\u2019][^\\W_{_CHARACTERS}]+)*")
_QUESTION_MARKS = "?\uff1f\u061f\u037e\u2047\u2048\u2049\u1367\ua60f"
_CLOSING = " \t\r\n\"'\u2019\u201d\u00bb)]}*_`\u300d\u300f"


def measure_run(folder: Path, num_pairs: int) -> dict[str, float]:
    """Write the figures of a run by chunk, and return its metrics.

    Args:
        folder: of the run.
        num_pairs: pairs that each chunk was asked for.
    """
    totals = dict.fromkeys(_COLUMNS, 0.0)

    def counted() -> Iterator[Row]:
        for row in measure(folder, num_pairs):
            for column in _COLUMNS:
                totals[column] += row[column]
            yield row

    write_jsonl(folder / NAME, counted())
    return {
        name: totals[above] / totals[below]
        for name, (above, below) in RATIOS.items()
        if totals[below]
    }


def read_figures(folder: Path) -> list[dict[str, Any]]:
    """Return the figures that a run has written; none if it has not."""
    return list(_rows(folder / NAME))


def measure(folder: Path, num_pairs: int) -> Iterator[Row]:
    """Yield one row for each chunk: its id, its place in its document, the sums of its figures.

    The files of the run are in the order of the chunks (:mod:`synth.order`), so they are read side
    by side, and none of them is held in memory.
    """
    is_new = _mark_new(folder / "pairs.jsonl")
    pairs_of = _ByChunk(_rows(folder / "pairs.jsonl"), "chunk_id")
    requests_of = _ByChunk(_rows(folder / "requests.jsonl"), "chunk_id")
    failures_of = _ByChunk(
        (row for row in _rows(folder / "failures.jsonl") if row["stage"] == "generate"), "id"
    )
    texts, n_seen = Texts(folder), 0
    for chunk, chunks in _chunks(folder):
        sums = {**dict.fromkeys(_COLUMNS, 0.0), "n_chunks": 1, "n_asked": num_pairs}
        sums["n_failed"] = len(failures_of.take(chunk.id))
        for request in requests_of.take(chunk.id):
            _add_request(sums, request)
        if pairs := pairs_of.take(chunk.id):
            about = pairs[0].get("chunk_ids", [chunk.id])
            words = {word for one in about for word in words_of(texts.read(chunks[one]))}
            for pair in pairs:
                _add_pair(sums, pair, words, is_new=bool(is_new[n_seen]))
                n_seen += 1
        yield {"chunk_id": chunk.id, **{name: getattr(chunk, name) for name in _PLACE}, **sums}


def words_of(text: str) -> list[str]:
    """Return the words of ``text`` in the form in which they are compared."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def is_question(text: str) -> bool:
    """Return whether ``text`` ends in a question mark of any script."""
    return text.rstrip(_CLOSING)[-1:] in tuple(_QUESTION_MARKS)


def support_of(answer: str, chunk_words: set[str]) -> float:
    """Return the share of the answer's different words that stand in its chunk."""
    words = set(words_of(answer))
    return len(words & chunk_words) / len(words) if words else 0.0


def _add_request(row: dict[str, float], request: Mapping[str, Any]) -> None:
    row["n_requests"] += 1
    row["n_cut_off"] += request["finish_reason"] == "length"
    row["output_tokens"] += request["output_tokens"]
    row["server_s"] += request["server_s"]


def _add_pair(
    row: dict[str, float], pair: Mapping[str, str], chunk_words: set[str], *, is_new: bool
) -> None:
    question, answer = words_of(pair["question"]), words_of(pair["answer"])
    is_asking = is_question(pair["question"])
    support = support_of(pair["answer"], chunk_words)
    is_usable = is_asking and is_new and support >= SUPPORTED and question != answer
    row["n_pairs"] += 1
    row["n_questions"] += is_asking
    row["n_unique"] += is_new
    row["n_usable"] += is_usable
    row["support"] += support
    row["question_words"] += len(question)
    row["answer_words"] += len(answer)


def _chunks(folder: Path) -> Iterator[tuple[Chunk, dict[str, Chunk]]]:
    """Yield each chunk with those that its pairs may be about, by id: its document's.

    Where every pair is about one chunk only, no other is looked up and none is kept.
    """
    first = next(_rows(folder / "pairs.jsonl"), {})
    chunks = map(Chunk.from_row, _rows(folder / "chunks.jsonl"))
    if "chunk_ids" not in first:
        yield from ((chunk, {chunk.id: chunk}) for chunk in chunks)
        return
    for _, document in itertools.groupby(chunks, key=lambda chunk: chunk.doc_id):
        by_id = {chunk.id: chunk for chunk in document}
        yield from ((chunk, by_id) for chunk in by_id.values())


class _ByChunk:
    """Rows in the order of the chunks, taken chunk by chunk."""

    def __init__(self, rows: Iterable[Row], column: str) -> None:
        self._groups = itertools.groupby(rows, key=lambda row: row[column])
        self._next: tuple[str, list[Row]] | None = None
        self._advance()

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


def _mark_new(path: Path) -> npt.NDArray[np.bool_]:
    """Return for each pair whether it is the first with its question; 17 bytes for each."""
    digests = np.fromiter((_digest(words_of(row["question"])) for row in _rows(path)), np.uint64)
    is_new = np.zeros(len(digests), dtype=bool)
    is_new[np.unique(digests, return_index=True)[1]] = True
    return is_new


def _digest(words: list[str]) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), "big")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from read_jsonl(path)
