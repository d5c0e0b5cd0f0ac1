"""Put the rows that generation has written as they came in the order of the run's chunks."""

import hashlib
import os
from collections.abc import Iterable
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
    with path.open("rb") as file:
        sizes = np.fromiter((len(line) for line in file), dtype=np.int64)
        file.seek(0)
        found = positions.find(pydantic_core.from_json(line)[column] for line in file)
        if (np.diff(found) >= 0).all():
            return
        begins = np.cumsum(sizes) - sizes
        with replacing(path) as target:
            for row in np.argsort(found, kind="stable"):
                target.write(os.pread(file.fileno(), sizes[row], begins[row]))


def _digest(chunk_id: str) -> bytes:
    return hashlib.blake2b(chunk_id.encode(), digest_size=_DIGEST).digest()
