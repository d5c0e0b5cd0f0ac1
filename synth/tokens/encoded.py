"""Tokens of a stretch of text as arrays: which they are, and the characters that they cover.

Boundaries follow one rule, whatever the tokenizer leaves out or takes twice. Ends never decrease.
White space that no token claims belongs to the token behind it. A token inside of a character
begins where the character does, so it goes ``back`` behind the end of the token before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """The tokens of the characters from ``start`` to ``stop`` of a text; one entry each."""

    start: int
    stop: int
    ids: npt.NDArray[np.uint32]
    ends: Ints
    """Characters of the text up to the end of the token."""
    backs: Ints
    """Characters that the token shares with those before it."""

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, start: int) -> "Encoded":
        """Return the same tokens for a stretch that begins at character ``start``."""
        stop = start + self.stop - self.start
        return Encoded(start, stop, self.ids, self.ends + (start - self.start), self.backs)


def from_offsets(n_chars: int, ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> Encoded:
    """Return the tokens of a string of ``n_chars`` from their offsets in characters."""
    spans: Ints = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    return from_spans(n_chars, np.array(ids, np.uint32), spans[:, 0], spans[:, 1])


def from_spans(n_chars: int, ids: npt.NDArray[np.uint32], starts: Ints, ends: Ints) -> Encoded:
    """Return the tokens of a string of ``n_chars`` from their first and last characters."""
    ends = np.maximum.accumulate(ends)
    backs = np.zeros_like(ends)
    np.maximum(ends[:-1] - starts[1:], 0, out=backs[1:])
    return Encoded(0, n_chars, ids, ends, backs)
