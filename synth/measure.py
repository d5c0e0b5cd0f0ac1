"""How good the pairs of a run are, by chunk: figures that need no model.

Every figure is a ratio of two sums over chunks (:data:`RATIOS`), so that jobs can be compared by
resampling the documents that the chunks are of. docs/measures.md says what each of them means, and
what it does not see.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.io import read_jsonl, read_text, write_jsonl

NAME = "figures.jsonl"

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
    rows = measure(folder, num_pairs)
    (folder / NAME).unlink(missing_ok=True)
    write_jsonl(folder / NAME, rows)
    return metrics_of(rows)


def read_figures(folder: Path) -> list[dict[str, Any]]:
    """Return the figures that a run has written; none if it has not."""
    return list(_rows(folder / NAME))


def metrics_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the ratios over all chunks; one without a denominator is left out."""
    totals = {column: sum(row[column] for row in rows) for column in _COLUMNS}
    return {
        name: totals[above] / totals[below]
        for name, (above, below) in RATIOS.items()
        if totals[below]
    }


def measure(folder: Path, num_pairs: int) -> list[dict[str, Any]]:
    """Return one row for each chunk: its id, its place in its document, the sums of its figures."""
    chunks = {row["id"]: row for row in _rows(folder / "chunks.jsonl")}
    sums: dict[str, dict[str, float]] = {
        chunk_id: {**dict.fromkeys(_COLUMNS, 0), "n_chunks": 1, "n_asked": num_pairs}
        for chunk_id in chunks
    }
    for failure in _rows(folder / "failures.jsonl"):
        if failure["stage"] == "generate" and failure["id"] in sums:
            sums[failure["id"]]["n_failed"] += 1
    for request in _rows(folder / "requests.jsonl"):
        _add_request(sums[request["chunk_id"]], request)
    asked: set[str] = set()
    last, words = "", set[str]()
    for pair in _rows(folder / "pairs.jsonl"):
        chunk = chunks[pair["chunk_id"]]
        if chunk["id"] != last:  # the pairs of a chunk stand together
            last, words = chunk["id"], set(words_of(read_text(folder / chunk["path"])))
        _add_pair(sums[chunk["id"]], pair, words, asked)
    return [
        {"chunk_id": chunk_id, **{name: chunks[chunk_id][name] for name in _PLACE}, **row}
        for chunk_id, row in sums.items()
    ]


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
    row: dict[str, float], pair: Mapping[str, str], chunk_words: set[str], asked: set[str]
) -> None:
    question, answer = words_of(pair["question"]), words_of(pair["answer"])
    key = " ".join(question)
    is_new, is_asking = key not in asked, is_question(pair["question"])
    asked.add(key)
    support = support_of(pair["answer"], chunk_words)
    is_usable = is_asking and is_new and support >= SUPPORTED and question != answer
    row["n_pairs"] += 1
    row["n_questions"] += is_asking
    row["n_unique"] += is_new
    row["n_usable"] += is_usable
    row["support"] += support
    row["question_words"] += len(question)
    row["answer_words"] += len(answer)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from read_jsonl(path)
