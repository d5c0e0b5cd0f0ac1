"""Put the rows that generation has written as they came in the order of the run's chunks."""

import hashlib
import itertools
import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pydantic_core

from synth.io import replacing

_DIGEST = 16


class Positions:
    """Where each chunk stands among all chunks of a run; 24 bytes for each of them."""

    def __init__(self, chunk_ids: Iterable[str]) -> None:
        digests = np.fromiter(map(_digest, chunk_ids), dtype=f"S{_DIGEST}")
        self._order = np.argsort(digests, kind="stable")
        self._sorted = digests[self._order]

    def find(self, chunk_ids: Iterable[str]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Return the positions of chunks; -1 for what is none."""
        wanted = np.fromiter(map(_digest, chunk_ids), dtype=self._sorted.dtype)
        if not len(self._sorted):
            return np.full(len(wanted), -1)
        places = np.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return np.where(self._sorted[places] == wanted, self._order[places], -1)


def arrange(path: Path, column: str, positions: Positions) -> None:
    """Sort the rows of a JSON-lines file by the position of the chunk whose id is in ``column``.

    Rows of the same chunk keep their order, those of no chunk come first. The file is replaced as
    a whole.
    """
    if not path.exists():
        return
    sizes = array("q")  # of what stands together and is of one chunk
    with path.open("rb") as file:

        def chunk_ids() -> Iterator[str]:
            for chunk_id, lines in itertools.groupby(file, lambda line: _value_of(line, column)):
                sizes.append(sum(map(len, lines)))
                yield chunk_id

        found = positions.find(chunk_ids())
        if (np.diff(found) >= 0).all():
            return
        ends = np.cumsum(sizes)
        with replacing(path) as target:
            for number in np.argsort(found, kind="stable"):
                size = sizes[number]
                target.write(os.pread(file.fileno(), size, ends[number] - size))


def _value_of(line: bytes, column: str) -> str:
    value: str = pydantic_core.from_json(line)[column]
    return value


def _digest(chunk_id: str) -> bytes:
    return hashlib.blake2b(chunk_id.encode(), digest_size=_DIGEST).digest()
