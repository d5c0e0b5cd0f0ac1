"""Questions that several jobs of a sweep have asked: what one adds to the others."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.filters import words_of
from synth.rows import PAIRS, is_kept, read_rows

SHARED = "quality/shared_frac"
"""A job's share of kept questions that another job has kept, too."""


def find_shared(folders: Mapping[int, Path]) -> tuple[dict[int, float], float | None]:
    """Return each job's share of questions that others have, and that of repeated ones among all.

    Questions are compared by their words; eight bytes of each are held.

    Args:
        folders: of the jobs, by their numbers.

    Returns:
        The shares by number, without jobs that have kept nothing; and of all questions of all jobs
        the share that would go if each were kept once, None if there are none.
    """
    digests = {number: _digests(folder) for number, folder in folders.items()}
    every = np.concatenate([np.zeros(0, np.uint64), *digests.values()])
    if not every.size:
        return {}, None
    values, counts = np.unique(every, return_counts=True)
    repeated = values[counts > 1]
    shares = {
        number: float(np.isin(own, repeated).mean()) for number, own in digests.items() if own.size
    }
    return shares, 1 - values.size / every.size


def _digests(folder: Path) -> npt.NDArray[np.uint64]:
    """Return a number for each different question that a job has kept."""

    def numbers() -> Iterator[int]:
        for row in read_rows(folder / PAIRS):
            if is_kept(row):
                words = " ".join(words_of(row["question"])).encode()
                yield int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big")

    return np.unique(np.fromiter(numbers(), np.uint64))
