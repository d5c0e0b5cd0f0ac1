"""What the bootstrap draws: documents or, where there are too few of them, passages of theirs.

Jobs cut the same documents into chunks of different sizes, so that chunks can't be paired, and
passages can: each has a fixed place in its document, and twice the length of the longest chunk of
any job. A chunk belongs to the passage that holds its middle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

LEAST_UNITS = 5
"""From fewer documents passages are drawn; from fewer passages there are no intervals."""


@dataclass(frozen=True)
class Units:
    """The sums of some jobs over what is drawn."""

    kind: str
    """``document`` or ``passage``."""
    sums: Sequence[pd.DataFrame] = field(repr=False)
    """For each job one row a unit, by the unit's name."""
    n_documents: int
    """Documents of all jobs."""

    @property
    def n_shared(self) -> int:
        """Units that all jobs have."""
        return len(set.intersection(*(set(frame.index) for frame in self.sums))) if self.sums else 0

    def __str__(self) -> str:
        units = _count(self.n_shared, self.kind)
        if self.kind == "document":
            return units
        return f"{units} of {_count(self.n_documents, 'document')}"


def choose_units(figures: Sequence[pd.DataFrame]) -> Units:
    """Sum the figures of jobs over documents or, if they are few, over passages.

    Args:
        figures: for each job one row a chunk: ``chunk_id``, its place (``doc_id``, ``start`` and
            ``end``), and columns to sum.
    """
    present = [frame for frame in figures if len(frame)]
    documents = {str(name) for frame in present for name in frame["doc_id"]}
    if len(documents) >= LEAST_UNITS or not present:
        sums = [_sum(frame, frame["doc_id"]) if len(frame) else frame for frame in figures]
        return Units("document", sums, len(documents))
    length = max(1, 2 * max(int((frame["end"] - frame["start"]).max()) for frame in present))
    sums = [_sum(frame, _passages(frame, length)) if len(frame) else frame for frame in figures]
    return Units("passage", sums, len(documents))


def _passages(frame: pd.DataFrame, length: int) -> "pd.Series[str]":
    numbers = (frame["start"] + frame["end"]) // 2 // length
    return frame["doc_id"].astype(str) + "/" + numbers.astype(str)


def _sum(frame: pd.DataFrame, units: "pd.Series[str]") -> pd.DataFrame:
    sums = frame.drop(columns=["chunk_id", "doc_id", "start", "end"], errors="ignore")
    return sums.groupby(units.astype(str)).sum()


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
