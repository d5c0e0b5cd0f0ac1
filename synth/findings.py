"""What is known of a pair before it is compared with the others; in shards, rows of ``findings.jsonl``.

It depends on the pair, on the chunks that it was made from and on the configuration alone. So a shard
can find it out, on whatever machine, and the run that the shard is of takes it from there.
"""

from dataclasses import asdict, dataclass
from typing import Self

from synth.examination import Opinion
from synth.filters import Finding, Key, Support
from synth.rows import Row


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about a pair."""

    finding: Finding
    opinion: Opinion | None = None
    """None: no model was asked."""

    def row(self, pair: Row) -> Row:
        """Return the row of ``pair``, of which it is known."""
        support, key = self.finding.support, self.finding.key
        row: Row = {
            "id": pair["id"],
            "chunk_id": pair["chunk_id"],
            "reasons": list(self.finding.faults),
            "support": support.share,
            "evidence": support.evidence,
            "key": [key.question.hex(), key.stems, key.core, key.answer],
        }
        return row if self.opinion is None else row | {"opinion": asdict(self.opinion)}

    @classmethod
    def from_row(cls, row: Row, pair: Row) -> Self:
        """Return what a row says of ``pair``."""
        evidence = tuple(row["evidence"]) if row["evidence"] else None
        question, stems, core, answer = row["key"]
        place = (pair["doc_id"], *evidence) if evidence else None
        key = Key(bytes.fromhex(question), stems, core, answer, place)
        finding = Finding(tuple(row["reasons"]), Support(row["support"], evidence), key)
        opinion = row.get("opinion")
        return cls(finding, None if opinion is None else Opinion(**opinion))
