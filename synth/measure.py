"""How good the pairs of a run are, by chunk: figures that can be compared.

Every figure is a ratio of two sums over chunks (:data:`RATIOS`), or a mean of such ratios
(:data:`MEANS`), so that jobs can be compared by resampling the documents that the chunks are of.
docs/measures.md says what each of them means, and what it does not see.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.config.curation import FAULTS_OF_FORM
from synth.filters import count_words, is_question
from synth.io import write_jsonl
from synth.records import Chunk
from synth.rows import (
    DOCUMENTS,
    FAILURES,
    PAIRS,
    REQUESTS,
    ByChunk,
    Extent,
    Row,
    read_chunks,
    read_rows,
)
from synth.verdicts import KEEP

NAME = "figures.jsonl"

RATIOS: Mapping[str, tuple[str, str]] = {
    "quality/accepted_frac": ("n_good", "n_asked"),
    "quality/kept_frac": ("n_kept", "n_pairs"),
    "quality/returned_frac": ("n_pairs", "n_asked"),
    "quality/formed_frac": ("n_formed", "n_pairs"),
    "quality/supported_frac": ("n_supported", "n_pairs"),
    "quality/unique_frac": ("n_unique", "n_pairs"),
    "quality/support_mean": ("support", "n_pairs"),
    "quality/good_support_mean": ("good_support", "n_good"),
    "quality/covered_chunks_frac": ("n_covered", "n_chunks"),
    "quality/covered_chars_frac": ("covered_chars", "chars"),
    "quality/good_chars_frac": ("good_chars", "chars"),
    "quality/place_mean": ("place", "n_kept"),
    "quality/question_frac": ("n_questions", "n_pairs"),
    "quality/question_words": ("question_words", "n_pairs"),
    "quality/answer_words": ("answer_words", "n_pairs"),
    "quality/score_mean": ("score", "n_scored"),
    "quality/known_frac": ("n_known", "n_examined"),
    "quality/answerable_frac": ("n_answerable", "n_examined"),
    "generate/pairs_per_chunk": ("n_pairs", "n_chunks"),
    "generate/failed_frac": ("n_failed", "n_chunks"),
    "generate/cut_off_frac": ("n_cut_off", "n_requests"),
    "generate/output_tokens_per_s": ("output_tokens", "server_s"),
    "generate/output_tokens_per_pair": ("output_tokens", "n_pairs"),
}
"""Each metric's numerator and denominator: columns of :data:`NAME`."""

OVERALL = "quality/overall"

MEANS: Mapping[str, Sequence[str]] = {
    OVERALL: (*("quality/accepted_frac", "quality/good_chars_frac", "quality/good_support_mean"),),
}
"""Metrics that are geometric means of ratios."""

WATERFALL = (
    *(("asked", "n_asked"), ("returned", "n_returned"), ("parsed", "n_pairs")),
    *(("well-formed", "n_formed"), ("supported", "n_supported"), ("unique", "n_unique")),
    ("accepted", "n_good"),
)
"""Where pairs are lost, step by step: the names of the steps, and the columns that count them."""

MARKS = frozenset({"known", "unanswerable"})
"""What is noted of a pair and is no fault."""

_OF_CURATION = frozenset(
    name
    for name in (*RATIOS, *MEANS)
    if name.startswith("quality/")
    and name.partition("/")[2]
    not in ("returned_frac", "question_frac", "question_words", "answer_words")
)
_PLACE = ("doc_id", "start", "end")
_COLUMNS = tuple(
    dict.fromkeys(
        column
        for columns in (*RATIOS.values(), (column for _, column in WATERFALL))
        for column in columns
    )
)


def measure_run(folder: Path, num_pairs: int, *, is_curated: bool) -> dict[str, float]:
    """Write the figures of a run by chunk, and return its metrics.

    Args:
        folder: of the run.
        num_pairs: pairs that each chunk was asked for.
        is_curated: whether its pairs have their verdicts; without, nothing is said of them.
    """
    totals = dict.fromkeys(_COLUMNS, 0.0)

    def counted() -> Iterator[Row]:
        for row in measure(folder, num_pairs):
            for column in _COLUMNS:
                totals[column] += row[column]
            yield row

    write_jsonl(folder / NAME, counted())
    return {
        name: value
        for name, value in metrics_of(totals).items()
        if is_curated or name not in _OF_CURATION
    }


def metrics_of(sums: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that sums of columns make; without those that there is nothing for."""
    metrics = {
        name: sums[above] / sums[below] for name, (above, below) in RATIOS.items() if sums[below]
    }
    for name, parts in MEANS.items():
        if parts[0] in metrics:  # nothing accepted has no support, and is worth nothing
            product = math.prod(metrics.get(part, 0.0) for part in parts)
            metrics[name] = product ** (1 / len(parts))
    return metrics


def read_figures(folder: Path) -> list[Row]:
    """Return the figures that a run has written; none if it has not."""
    return list(read_rows(folder / NAME))


def measure(folder: Path, num_pairs: int) -> Iterator[Row]:
    """Yield one row for each chunk: its id, its place in its document, the sums of its figures.

    The files of the run are in the order of the chunks (:mod:`synth.order`), so they are read side
    by side, and none of them is held in memory.
    """
    lengths = {row["id"]: row["n_chars"] for row in read_rows(folder / DOCUMENTS)}
    pairs_of = ByChunk(read_rows(folder / PAIRS))
    requests_of = ByChunk(read_rows(folder / REQUESTS))
    failures = read_rows(folder / FAILURES)
    failures_of = ByChunk((row for row in failures if row["stage"] == "generate"), "id")
    extent, covered, good = Extent(), _Covered(), _Covered()
    for chunk in read_chunks(folder):
        sums = {**dict.fromkeys(_COLUMNS, 0.0), "n_chunks": 1, "n_asked": num_pairs}
        sums["n_failed"] = len(failures_of.take(chunk.id))
        for request in requests_of.take(chunk.id):
            _add_request(sums, request)
        place = (chunk.start + chunk.end) / 2 / (lengths.get(chunk.doc_id) or 1)
        for pair in pairs_of.take(chunk.id):
            _add_pair(sums, pair, place)
            covered.note(pair, is_counted=pair.get("kept", False))
            good.note(pair, is_counted="kept" in pair and _passed(pair)[-1])
        # What was lost is asked for again; and requests of other tools are not seen.
        sums["n_returned"] = max(min(sums["n_returned"], num_pairs), sums["n_pairs"])
        sums["chars"] = extent.add(chunk)
        sums["n_covered"], sums["covered_chars"] = covered.add(chunk)
        _, sums["good_chars"] = good.add(chunk)
        yield {"chunk_id": chunk.id, **{name: getattr(chunk, name) for name in _PLACE}, **sums}


class _Covered:
    """Chunks that pairs of some kind are about, alone or with others."""

    def __init__(self) -> None:
        self._ids = set[str]()
        self._extent = Extent()

    def note(self, pair: Mapping[str, Any], *, is_counted: bool) -> None:
        """Take a pair."""
        if is_counted:
            self._ids.update(pair.get("chunk_ids") or (pair["chunk_id"],))

    def add(self, chunk: Chunk) -> tuple[float, int]:
        """Return whether the next chunk is covered, by the pairs so far, and how much that adds."""
        if chunk.id not in self._ids:
            return 0.0, 0
        self._ids.remove(chunk.id)
        return 1.0, self._extent.add(chunk)


def _add_request(row: dict[str, float], request: Mapping[str, Any]) -> None:
    row["n_requests"] += 1
    row["n_cut_off"] += request["finish_reason"] == "length"
    row["n_returned"] += request.get("n_begun") or request.get("n_items") or 0
    row["output_tokens"] += request["output_tokens"]
    row["server_s"] += request["server_s"]


def _add_pair(row: dict[str, float], pair: Mapping[str, Any], place: float) -> None:
    row["n_pairs"] += 1
    row["n_questions"] += is_question(pair["question"])
    row["question_words"] += count_words(pair["question"])
    row["answer_words"] += count_words(pair["answer"])
    if "kept" in pair:
        _add_verdict(row, pair, place)


def _add_verdict(row: dict[str, float], pair: Mapping[str, Any], place: float) -> None:
    support, passed = pair.get("support", 0.0), _passed(pair)
    row["support"] += support
    for column, is_passed in zip(
        ("n_formed", "n_supported", "n_unique", "n_good"), passed, strict=True
    ):
        row[column] += is_passed
    row["good_support"] += support if passed[-1] else 0.0
    row["n_kept"] += pair["kept"]
    row["place"] += place if pair["kept"] else 0.0
    if "score" in pair:
        row["n_scored"] += 1
        row["score"] += pair["score"]
    if marks := pair.get("closed_book"):
        row["n_examined"] += 1
        row["n_known"] += marks["known"]
        row["n_answerable"] += marks["answerable"]


def _passed(pair: Mapping[str, Any]) -> tuple[bool, bool, bool, bool]:
    """Return which steps of :data:`WATERFALL` a pair has passed; a verdict by hand decides all."""
    if (verdict := pair.get("by_hand")) is not None:
        return (verdict == KEEP,) * 4
    faults = set(pair["reasons"]) - MARKS
    formed = faults.isdisjoint(FAULTS_OF_FORM)
    supported = formed and "unsupported" not in faults
    unique = supported and faults.isdisjoint(("duplicate", "near_duplicate", "contaminated"))
    return formed, supported, unique, unique and not faults
