"""What stands in a run's files, added up: small tables, however many pairs there are."""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.filters import count_words
from synth.review.questions import TYPES, find_type
from synth.rows import DOCUMENTS, PAIRS, Extent, is_kept, read_chunks, read_rows

N_PLACES = 10
"""Parts of a document, from its front to its end."""
N_DOCUMENTS = 30


@dataclass(frozen=True)
class Bin:
    """The pairs with a number from ``low`` up to ``high`` (exclusive)."""

    low: float
    high: float
    n_kept: int
    n_dropped: int


@dataclass(frozen=True)
class Place:
    """One part of all documents, by where the middle of a chunk is."""

    n_chunks: int
    n_covered: int
    """Chunks with a kept pair."""
    n_kept: int


@dataclass(frozen=True)
class Coverage:
    """How much of a document has led to pairs that are kept."""

    name: str
    n_chars: int
    share: float
    """Of its characters: those in chunks with a kept pair."""


@dataclass(frozen=True)
class Counts:
    """A run in numbers. A pair without a verdict counts as kept."""

    n_pairs: int = 0
    n_kept: int = 0
    is_curated: bool = False
    reasons: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Pairs kept and pairs dropped, by what is the matter with them; a pair may have several."""
    places: tuple[Place, ...] = ()
    question_words: tuple[Bin, ...] = ()
    answer_words: tuple[Bin, ...] = ()
    types: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Pairs kept and dropped for each of :data:`synth.review.questions.TYPES`."""
    scores: tuple[Bin, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    """Of the largest documents."""


def count(folder: Path) -> Counts:
    """Add up the run in ``folder``, reading each of its files once.

    A chunk is covered by a kept pair that was made from it, alone or with others.
    """
    pairs = _Pairs()
    for row in read_rows(folder / PAIRS):
        pairs.add(row)
    places, covered, documents = _count_chunks(folder, pairs)
    largest = heapq.nlargest(N_DOCUMENTS, documents, key=lambda one: documents[one][1])
    return Counts(
        n_pairs=pairs.n_pairs,
        n_kept=pairs.n_kept,
        is_curated=pairs.is_curated,
        reasons=pairs.reasons.table(),
        places=places,
        question_words=pairs.question_words.bins(),
        answer_words=pairs.answer_words.bins(),
        types=pairs.types.table(TYPES),
        scores=pairs.scores.bins(0.5),
        coverage=tuple(
            Coverage(name, n_chars, covered[one] / n_chars if n_chars else 0.0)
            for one in largest
            for name, n_chars in [documents[one]]
        ),
    )


def name_and_length(row: Mapping[str, Any]) -> tuple[str, int]:
    """Return the name and the characters of a document."""
    return Path(row["path"]).name or row["path"], row["n_chars"]


def as_number(value: Any) -> float | None:
    """Return a finite number, or None for all else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return None


class _Tally:
    """Numbers of kept and of dropped pairs by some value of theirs."""

    def __init__(self) -> None:
        self._by_verdict: dict[bool, Counter[Any]] = {True: Counter(), False: Counter()}

    def add(self, value: Any, kept: bool) -> None:
        self._by_verdict[kept][value] += 1

    def table(self, names: Iterable[str] | None = None) -> dict[str, tuple[int, int]]:
        """Return kept and dropped by value: as ordered in ``names``, else the most frequent first."""
        kept, dropped = self._by_verdict[True], self._by_verdict[False]
        order = names or [name for name, _ in (kept + dropped).most_common()]
        return {name: (kept[name], dropped[name]) for name in order}

    def bins(self, width: float | None = None) -> tuple[Bin, ...]:
        """Return the bins of a histogram, at most 20 or so; the last one holds all that is above."""
        kept, dropped = self._by_verdict[True], self._by_verdict[False]
        values = kept + dropped
        if not values:
            return ()
        top = max(values)
        if width is None:
            top = _percentile(values, 0.99)
            width = next(one for one in _widths() if top / one < 20)
        last = int(top / width)
        tallies = {True: Counter[int](), False: Counter[int]()}
        for verdict, tally in tallies.items():
            for value, n in self._by_verdict[verdict].items():
                tally[min(last, int(value / width))] += n
        first = min(min(tally, default=last) for tally in tallies.values())
        return tuple(
            Bin(n * width, (n + 1) * width, tallies[True][n], tallies[False][n])
            for n in range(first, last + 1)
        )


class _Pairs:
    """The pairs, added up."""

    def __init__(self) -> None:
        self.n_pairs = self.n_kept = 0
        self.is_curated = False
        self.reasons, self.types, self.scores = _Tally(), _Tally(), _Tally()
        self.question_words, self.answer_words = _Tally(), _Tally()
        self.n_kept_of: Counter[str] = Counter()
        """Kept pairs of each chunk, counted at the first chunk of each pair."""
        self.covered: set[str] = set()
        """Other chunks of kept pairs."""

    def add(self, row: Mapping[str, Any]) -> None:
        kept = is_kept(row)
        self.n_pairs += 1
        self.n_kept += kept
        self.is_curated = self.is_curated or "kept" in row
        for reason in row.get("reasons") or ():
            self.reasons.add(reason, kept)
        self.types.add(find_type(row["question"]), kept)
        self.question_words.add(count_words(row["question"]), kept)
        self.answer_words.add(count_words(row["answer"]), kept)
        if (score := as_number(row.get("score"))) is not None:
            self.scores.add(score, kept)
        if kept:
            self.n_kept_of[row["chunk_id"]] += 1
            self.covered.update(row.get("chunk_ids", ())[1:])


def _count_chunks(
    folder: Path, pairs: _Pairs
) -> tuple[tuple[Place, ...], Counter[str], dict[str, tuple[str, int]]]:
    """Return the places, the covered characters and the name and length of each document."""
    documents = {row["id"]: name_and_length(row) for row in read_rows(folder / DOCUMENTS)}
    table = [[0, 0, 0] for _ in range(N_PLACES)]
    covered, extent = Counter[str](), Extent()
    for chunk in read_chunks(folder):
        n_kept = pairs.n_kept_of[chunk.id]
        is_covered = n_kept > 0 or chunk.id in pairs.covered
        if is_covered:
            covered[chunk.doc_id] += extent.add(chunk)
        _, n_chars = documents.get(chunk.doc_id, ("", 0))
        if n_chars:
            middle = chunk.start + chunk.end
            place = table[min(N_PLACES - 1, middle * N_PLACES // (2 * n_chars))]
            for index, n in enumerate((1, is_covered, n_kept)):
                place[index] += n
    return tuple(Place(*place) for place in table), covered, documents


def _percentile(values: Mapping[float, int], share: float) -> float:
    left = share * sum(values.values())
    for value in sorted(values):
        left -= values[value]
        if left <= 0:
            return value
    return max(values)


def _widths() -> Iterator[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10
