"""The verdicts of a run's pairs: what is wrong with each, how much of it the text holds, and where.

Three passes over ``pairs.jsonl``. The first looks at each pair beside its chunk, and writes what it
finds to a file of its own; then all pairs are compared with each other, and those without a fault
are shown to the judge; the last one writes the verdicts. Between them less than a kilobyte a pair is kept.
Nothing is deleted: ``kept`` says what counts, and the first two passes can be done again.

A shard has not all pairs, so it has no verdicts either: models are asked there about every pair that
is good by itself, which does not depend on what else is in the shard, and what they say stands in
``opinions.jsonl``. The whole run takes those opinions as they are. Of a pair that is a duplicate among
all of them it takes none: it would not have asked. What it would have asked about the others is the
same request, since a duplicate is shown to the judge beside the other pairs of its chunk.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth.config import Config
from synth.examination import Group, Opinion, Rubric
from synth.filters import Evaluations, Ground, Inspector, Key, find_duplicates, read_questions
from synth.io import read_jsonl, write_jsonl
from synth.records import Pair
from synth.rows import OPINIONS, PAIRS, ByChunk, Row, read_chunks_around, read_rows
from synth.texts import Texts
from synth.verdicts import DROP, Verdicts, read_verdicts

_INSPECTED = ".inspected.jsonl"
_OPINION = ".opinion"
"""Column of the same; no kind of pair has one of that name."""


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

        def rows() -> Iterator[Row]:
            for pairs, ground, asked in self._grounds(inspector):
                for pair in pairs:
                    yield self._inspect(pair, inspector, ground) | asked.get(pair["id"], {})
                    self._is_asked.append(pair["id"] in asked)
                note(len(pairs))

        write_jsonl(self.folder / _INSPECTED, rows())

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
        pairs_of = ByChunk(self._numbered())
        for position, (chunk, around) in enumerate(read_chunks_around(self.folder)):
            good = [row for row in pairs_of.take(chunk.id) if self._is_good[row["number"]]]
            beside = frozenset(row["id"] for row in good if not self._is_due(row["number"]))
            if len(beside) < len(good):
                pairs = [Pair.from_row(row) for row in good]
                about = pairs[0].chunk_ids or (chunk.id,)
                yield Group([around[one] for one in about], pairs, position, beside)

    def set_down(self) -> None:
        """Write the opinions, and no verdict: the run that this is a shard of has it."""

        def rows() -> Iterator[Row]:
            for row in self._numbered():
                if (opinion := self.opinions.get(row["id"])) is not None:
                    yield {"id": row["id"], "chunk_id": row["chunk_id"], **asdict(opinion)}

        write_jsonl(self.folder / OPINIONS, rows())

    def settle(self) -> Counter[str]:
        """Write the verdicts; return how many pairs have each fault, and are ``kept``."""
        told = Counter[str]()

        def rows() -> Iterator[Row]:
            for row in self._numbered():
                decided = self._decide(row)
                told.update([*decided["reasons"], *(["kept"] if decided["kept"] else [])])
                told["by_hand"] += "by_hand" in decided
                yield decided

        write_jsonl(self.folder / PAIRS, rows())
        return told

    def close(self) -> None:
        """Remove what is needed no more."""
        (self.folder / _INSPECTED).unlink(missing_ok=True)

    def _is_due(self, number: int) -> bool:
        is_open = self._is_good[number] and not self._is_asked[number]
        return is_open and number not in self._duplicates

    def _grounds(self, inspector: Inspector) -> Iterator[tuple[list[Row], Ground, dict[str, Row]]]:
        """Yield the pairs of each chunk, it itself, and what was said of pairs in a shard."""
        pairs_of = ByChunk(read_rows(self.folder / PAIRS))
        opinions_of = ByChunk(read_rows(self.folder / OPINIONS))
        texts = Texts(self.folder)
        for chunk, around in read_chunks_around(self.folder):
            asked = {
                row["id"]: {_OPINION: {name: row[name] for name in ("scores", "closed_book")}}
                for row in opinions_of.take(chunk.id)
            }
            if pairs := pairs_of.take(chunk.id):
                about = [around[one] for one in pairs[0].get("chunk_ids", [chunk.id])]
                yield pairs, inspector.survey(about, [texts.read(one) for one in about]), asked
        if not pairs_of.is_empty:
            raise RuntimeError("pairs.jsonl is not in the order of chunks.jsonl")

    def _inspect(self, pair: Row, inspector: Inspector, ground: Ground) -> Row:
        finding = inspector.inspect(pair, ground)
        self._keys.append(finding.key)
        self._is_good.append(not finding.faults)
        self._ids.append(pair["id"])
        bare = {name: value for name, value in pair.items() if name not in Pair.VERDICT}
        evidence = finding.support.evidence
        found: Row = {"reasons": list(finding.faults), "support": finding.support.share}
        return bare | found | ({"evidence": list(evidence)} if evidence else {})

    def _numbered(self) -> Iterator[Row]:
        rows = read_jsonl(self.folder / _INSPECTED)
        return ({**row, "number": number} for number, row in enumerate(rows))

    def _decide(self, row: Row) -> Row:
        number, curate = row.pop("number"), self.config.curate
        reasons: list[str] = row.pop("reasons")
        added: Row = {}
        asked = row.pop(_OPINION, None)
        opinion = self.opinions.get(row["id"]) if asked is None else Opinion(**asked)
        if number in self._duplicates:
            first, is_exact = self._duplicates[number]
            reasons.append("duplicate" if is_exact else "near_duplicate")
            added["duplicate_of"] = self._ids[first]
        elif opinion is not None:
            added |= _columns_of(opinion)
            reasons += _reasons_of(opinion, curate.threshold)
        kept = not set(reasons) & set(curate.drop)
        if (verdict := self.aids.verdicts.find(row)) is not None:
            added["by_hand"] = verdict
            kept = verdict != DROP
        return {**row, **added, "kept": kept, "reasons": reasons}


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
