"""The verdicts of a run's pairs: what is wrong with each, how much of it the text holds, and where.

Three passes over ``pairs.jsonl``. The first looks at each pair beside its chunk, and writes what it
finds to a file of its own; then all pairs are compared with each other, and those without a fault
are shown to the judge; the last one writes the verdicts. Of each pair 1.4 kB are in memory at most.
Nothing is deleted: ``kept`` says what counts, and the first two passes can be done again.

A shard has not all pairs, so it has no verdicts either: its pairs are looked at, models are asked about
every pair that is good by itself, neither of which depends on what else is in the shard, and what
comes of it stands in ``findings.jsonl``. The whole run takes that as it is, and compares. Of a pair that
is a duplicate among all of them it takes no opinion: it would not have asked. What it would have asked about
the others is the same request, since a duplicate is shown to the judge beside the other pairs of its
chunk.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.config import Config
from synth.examination import Group, Opinion, Rubric
from synth.filters import Evaluations, Inspector, Key, find_duplicates, read_questions
from synth.findings import Known
from synth.io import read_jsonl, write_jsonl
from synth.records import Chunk, Pair
from synth.rows import FINDINGS, PAIRS, ByChunk, Row, read_chunks_around, read_rows
from synth.texts import Texts
from synth.verdicts import DROP, Verdicts, read_verdicts

_FINDINGS = ".findings.jsonl"
"""A row for each pair, in their order, as long as the curation takes."""


@dataclass(frozen=True)
class Aids:
    """What was read beforehand for curation."""

    evaluations: Evaluations
    verdicts: Verdicts


def prepare_curation(config: Config) -> Aids:
    """Read the files that curation needs, and check what the judge is to be told.

    Raises:
        ConfigError: if one is not there, or is not what it should be.
    """
    curate = config.curate
    if "curate" not in config.steps:
        return Aids(Evaluations([], curate.contamination_words), read_verdicts([]))
    if curate.judge != "none":
        Rubric(curate)
    questions = read_questions(as_list(curate.contamination))
    evaluations = Evaluations(questions, curate.contamination_words)
    return Aids(evaluations, read_verdicts(as_list(curate.verdicts)))


def as_list(value: Any) -> list[str]:
    """Return one text or several as a list; none for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


@dataclass
class Curation:
    """The pairs of one run, and what has been found out about them so far."""

    folder: Path
    config: Config
    aids: Aids
    opinions: dict[str, Opinion] = field(default_factory=dict)
    """What a model has said, by the pair's id."""
    _keys: list[Key] = field(default_factory=list)
    _is_good: list[bool] = field(default_factory=list)
    _is_asked: list[bool] = field(default_factory=list)
    """Whether a shard has asked about it."""
    _duplicates: dict[int, tuple[int, bool]] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)

    def inspect(self, note: Callable[[int], None]) -> None:
        """Look at each pair beside its chunk.

        Args:
            note: is told how many it has been, chunk by chunk; what it raises ends the pass.
        """
        inspector = Inspector(self.config, self.aids.evaluations)
        texts = Texts(self.folder)

        def look(pairs: list[Row], known: Mapping[str, Row], about: list[Chunk]) -> Iterator[Row]:
            ground = None
            for pair in pairs:
                if (row := known.get(pair["id"])) is None:
                    ground = ground or inspector.survey(about, [texts.read(one) for one in about])
                    row = Known(inspector.inspect(pair, ground)).row(pair)
                self._remember(pair, Known.from_row(row, pair))
                yield row

        def rows() -> Iterator[Row]:
            for pairs, known, about in self._chunk_by_chunk():
                yield from look(pairs, known, about)
                note(len(pairs))

        write_jsonl(self.folder / _FINDINGS, rows())

    def compare(self) -> None:
        """Find the pairs that ask what another one does."""
        self._duplicates = find_duplicates(self._keys, self._is_good, self.config.curate.similarity)
        self._keys = []

    @property
    def n_due(self) -> int:
        """How many pairs :meth:`due` has."""
        return sum(map(self._is_due, range(len(self._is_good))))

    @property
    def n_asked(self) -> int:
        """How many pairs a shard has asked about."""
        return sum(self._is_asked)

    def due(self) -> Iterator[Group]:
        """Yield the pairs without a fault so far that were not asked about, chunk by chunk.

        Beside them are their chunk's other pairs that are good by themselves, in whatever run.
        """
        numbered = ({**pair, "number": number} for number, pair in enumerate(self._pairs()))
        pairs_of = ByChunk(numbered)
        for position, (chunk, around) in enumerate(read_chunks_around(self.folder)):
            good = [row for row in pairs_of.take(chunk.id) if self._is_good[row["number"]]]
            beside = frozenset(row["id"] for row in good if not self._is_due(row["number"]))
            if len(beside) < len(good):
                pairs = [Pair.from_row(row) for row in good]
                about = pairs[0].chunk_ids or (chunk.id,)
                yield Group([around[one] for one in about], pairs, position, beside)

    def set_down(self) -> None:
        """Write the findings, and no verdict: the run that this is a shard of has it."""
        rows = (
            Known(known.finding, self.opinions.get(pair["id"])).row(pair)
            for pair, known in self._known()
        )
        write_jsonl(self.folder / FINDINGS, rows)

    def settle(self) -> Counter[str]:
        """Write the verdicts; return how many pairs have each fault, and are ``kept``."""
        told = Counter[str]()

        def rows() -> Iterator[Row]:
            for number, (pair, known) in enumerate(self._known()):
                decided = self._decide(number, pair, known)
                told.update([*decided["reasons"], *(["kept"] if decided["kept"] else [])])
                told["by_hand"] += "by_hand" in decided
                yield decided

        write_jsonl(self.folder / PAIRS, rows())
        return told

    def close(self) -> None:
        """Remove what is needed no more."""
        (self.folder / _FINDINGS).unlink(missing_ok=True)

    def _is_due(self, number: int) -> bool:
        is_open = self._is_good[number] and not self._is_asked[number]
        return is_open and number not in self._duplicates

    def _chunk_by_chunk(self) -> Iterator[tuple[list[Row], dict[str, Row], list[Chunk]]]:
        """Yield pairs, what a shard has found out about them, by id, and the chunks they are about."""
        pairs_of = ByChunk(read_rows(self.folder / PAIRS))
        findings_of = ByChunk(read_rows(self.folder / FINDINGS))
        for chunk, around in read_chunks_around(self.folder):
            known = {row["id"]: row for row in findings_of.take(chunk.id)}
            if pairs := pairs_of.take(chunk.id):
                yield pairs, known, [around[one] for one in pairs[0].get("chunk_ids", [chunk.id])]
        if not pairs_of.is_empty:
            raise RuntimeError("pairs.jsonl is not in the order of chunks.jsonl")

    def _remember(self, pair: Row, known: Known) -> None:
        self._keys.append(known.finding.key)
        self._is_good.append(not known.finding.faults)
        self._is_asked.append(known.opinion is not None)
        self._ids.append(pair["id"])

    def _pairs(self) -> Iterator[Row]:
        """Yield the pairs without what an earlier curation has said of them."""
        for pair in read_rows(self.folder / PAIRS):
            yield {name: value for name, value in pair.items() if name not in Pair.VERDICT}

    def _known(self) -> Iterator[tuple[Row, Known]]:
        """Yield the same with what is known of each."""
        for pair, row in zip(self._pairs(), read_jsonl(self.folder / _FINDINGS), strict=True):
            yield pair, Known.from_row(row, pair)

    def _decide(self, number: int, pair: Row, known: Known) -> Row:
        """Return a pair with its verdict."""
        curate, support = self.config.curate, known.finding.support
        reasons = list(known.finding.faults)
        added: Row = {"support": support.share}
        if support.evidence:
            added["evidence"] = list(support.evidence)
        opinion = known.opinion or self.opinions.get(pair["id"])
        if number in self._duplicates:
            first, is_exact = self._duplicates[number]
            reasons.append("duplicate" if is_exact else "near_duplicate")
            added["duplicate_of"] = self._ids[first]
        elif opinion is not None:
            added |= _columns_of(opinion)
            reasons += _reasons_of(opinion, curate.threshold)
        kept = not set(reasons) & set(curate.drop)
        if (verdict := self.aids.verdicts.find(pair)) is not None:
            added["by_hand"] = verdict
            kept = verdict != DROP
        return {**pair, **added, "kept": kept, "reasons": reasons}


def _columns_of(opinion: Opinion) -> Row:
    columns: Row = {}
    if opinion.scores is not None:
        columns["scores"] = dict(opinion.scores)
        if (score := _score_of(opinion)) is not None:
            columns["score"] = round(score, 4)
    if opinion.closed_book is not None:
        columns["closed_book"] = dict(opinion.closed_book)
    return columns


def _reasons_of(opinion: Opinion, threshold: float) -> Iterator[str]:
    score = _score_of(opinion)
    if score is not None and score < threshold:
        yield "low_score"
    if opinion.closed_book is not None:
        if opinion.closed_book["known"]:
            yield "known"
        if not opinion.closed_book["answerable"]:
            yield "unanswerable"


def _score_of(opinion: Opinion) -> float | None:
    """Return the mean of the scores that the judge has given; None if there are none."""
    given = [score for score in (opinion.scores or {}).values() if score is not None]
    return sum(given) / len(given) if given else None
