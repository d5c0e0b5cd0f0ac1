"""The tokens of a whole text, in about as many bits as it has characters and tokens.

Each number is written in unary, a one behind so many zeros: first how many characters a token adds,
then, for blocks that need it, how many it shares with those before it. So a gigabyte of prose takes
some 160 MB, and a text of emoji, where tokens outnumber characters, no more.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from synth.tokens.encoded import Encoded, Ints

_BLOCK = 32 * 1024
"""Tokens that are unpacked at once."""
# A zip file holds a checksum of each of its parts.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error)


class Tokens:
    """The tokens of one text: how many, and the characters between any two of them."""

    def __init__(self, n_chars: int, pieces: Iterable[Encoded]) -> None:
        """Pack the tokens of a text of ``n_chars``; ``pieces`` join without a gap."""
        self.n_chars = n_chars
        self._blocks: list[tuple[int, int, int]] = [(0, 0, 0)]
        """Of each block and behind the last one: tokens, characters and bytes before it."""
        self._unpacked: dict[int, tuple[Ints, Ints]] = {}
        data = bytearray()
        for piece in pieces:
            for first in range(0, len(piece), _BLOCK):
                part = slice(first, first + _BLOCK)
                self._append(data, piece.ends[part], piece.backs[part])
        self._data: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)

    def __len__(self) -> int:
        return self._blocks[-1][0]

    def start(self, index: int) -> int:
        """Return the character at which token ``index`` begins (0 for the first).

        White space that no token claims belongs to the token behind it, and a token inside of a
        character begins where the character does; so no character is lost between two tokens.
        """
        if index == 0:
            return 0
        block, place = self._find(index)
        return self.end(index) - int(self._unpack(block)[1][place])

    def end(self, count: int) -> int:
        """Return the character behind the first ``count`` tokens (all: the text's length)."""
        if count == len(self):
            return self.n_chars
        if count == 0:
            return 0
        block, place = self._find(count - 1)
        return int(self._unpack(block)[0][place])

    @property
    def ends(self) -> Ints:
        """The character behind each token; 8 bytes a token, so of no use for a huge text."""
        ends: Ints = np.empty(len(self), np.int64)
        for number, (first, _, _) in enumerate(self._blocks[:-1]):
            part, _ = self._unpack(number)
            ends[first : first + len(part)] = part
        ends[-1:] = self.n_chars
        return ends

    @property
    def n_bytes(self) -> int:
        """How much memory they take, nearly."""
        return len(self._data)

    def save(self, file: BinaryIO) -> None:
        """Write them; :meth:`load` reads them again."""
        np.savez(file, n_chars=self.n_chars, blocks=self._blocks, data=self._data)

    @classmethod
    def load(cls, path: Path) -> "Tokens | None":
        """Return what was saved at ``path``; None if nothing is there, or it is damaged."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                tokens = cls(int(arrays["n_chars"]), ())
                tokens._blocks = [(a, b, c) for a, b, c in arrays["blocks"].tolist()]
                tokens._data = arrays["data"]
        except _DAMAGED:
            return None
        return tokens

    def _append(self, data: bytearray, ends: Ints, backs: Ints) -> None:
        n_tokens, n_chars, _ = self._blocks[-1]
        data += _pack(np.diff(ends, prepend=n_chars))
        if backs.any():
            data += _pack(backs)
        self._blocks.append((n_tokens + len(ends), int(ends[-1]), len(data)))

    def _find(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        block = bisect_right(self._firsts, index) - 1
        return block, index - self._firsts[block]

    @cached_property
    def _firsts(self) -> list[int]:
        return [n_tokens for n_tokens, _, _ in self._blocks]

    def _unpack(self, block: int) -> tuple[Ints, Ints]:
        """Return ends and backs of a block; chunks that overlap go to and fro between two."""
        if block not in self._unpacked:
            if len(self._unpacked) > 1:
                del self._unpacked[next(iter(self._unpacked))]
            (first, n_chars, begin), (last, _, stop) = self._blocks[block : block + 2]
            ends, backs = _unpack(self._data[begin:stop], last - first)
            self._unpacked[block] = n_chars + np.cumsum(ends), backs
        return self._unpacked[block]


def _pack(values: Ints) -> bytes:
    """Return numbers of 0 and more in unary, in whole bytes."""
    ones = np.cumsum(values) + np.arange(len(values))
    bits: npt.NDArray[np.bool_] = np.zeros(int(ones[-1]) + 1, np.bool_)
    bits[ones] = True
    return np.packbits(bits).tobytes()


def _unpack(data: npt.NDArray[np.uint8], n: int) -> tuple[Ints, Ints]:
    """Return ``n`` numbers, and ``n`` more; zeros if they are not there."""
    ones = np.flatnonzero(np.unpackbits(data))
    first = np.diff(ones[:n], prepend=-1) - 1
    if len(ones) == n:
        return first, np.zeros(n, np.int64)
    begin = (int(ones[n - 1]) // 8 + 1) * 8  # a byte of its own
    return first, np.diff(ones[n:], prepend=begin - 1) - 1
