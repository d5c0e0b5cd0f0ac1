"""The texts of documents as files: written once and hashed, read by character without holding them.

What takes a text takes a ``str`` or a :class:`TextFile`: both have a length in characters and give
``text[start:end]``.
"""

import codecs
import hashlib
import os
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from synth.records import Chunk

FOLDER = "data/txt"
"""Where texts are, relative to the run's folder."""

_BLOCK = 64 * 1024
_HELD = 1024 * 1024
"""Bytes up to which a text is held in memory once it was read."""
_N_OPEN = 16


def text_path(document_id: str) -> str:
    """Return where the text of a document is, relative to the run's folder."""
    return f"{FOLDER}/{document_id}.txt"


class TextWriter:
    """Writes a text, piece by piece, to the file that its content names.

    The file appears when the context ends without an error; then ``id`` and ``n_chars`` are known.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        """Begin a text of the run in ``folder``; until it is whole it is in ``scratch``."""
        self._folder, self._scratch = folder, scratch
        self._digest = hashlib.sha256()
        self.n_chars = 0
        self.is_blank = True

    @property
    def id(self) -> str:
        """16 digits of :attr:`sha256`."""
        return self.sha256[:16]

    @property
    def sha256(self) -> str:
        """Of the text, which is that of the file for UTF-8 without a mark."""
        return self._digest.hexdigest()

    def write(self, piece: str) -> None:
        """Append to the text; a lone surrogate raises ``UnicodeEncodeError``."""
        data = piece.encode()
        self._digest.update(data)
        while data:
            data = data[self._file.write(data) :]
        self.n_chars += len(piece)
        self.is_blank = self.is_blank and not piece.strip()

    def __enter__(self) -> Self:
        self._path = self._scratch / f".text.{os.getpid()}"
        try:
            self._file = self._path.open("wb", buffering=0)
        except FileNotFoundError:
            self._scratch.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb", buffering=0)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if exc is not None or self.is_blank:
            self._path.unlink()
            return
        target = self._folder / text_path(self.id)
        try:
            self._path.replace(target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)


class TextFile:
    """A UTF-8 file as a text: ``len`` in characters, slices by character.

    Of a large one, only the number of characters of each block of 64 KiB is in memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._whole is None else len(self._whole)

    def __getitem__(self, span: slice) -> str:
        if self._whole is not None:
            return self._whole[span]
        start, end, _ = span.indices(len(self))
        if start >= end:
            return ""
        first = int(np.searchsorted(self._starts, start, "right")) - 1
        last = int(np.searchsorted(self._starts, end, "left"))
        base = int(self._starts[first])
        return self._decode(first, last)[start - base : end - base]

    def _decode(self, first: int, last: int) -> str:
        """Return the characters that begin in the blocks from ``first`` to ``last`` (exclusive)."""
        with self._path.open("rb") as file:
            file.seek(first * _BLOCK)
            data = file.read((last - first) * _BLOCK + 3)  # a character may end in the next block
        skipped = next((i for i, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
        text, _ = codecs.utf_8_decode(data[skipped:], "strict", False)
        return text

    @cached_property
    def _whole(self) -> str | None:
        if self._path.stat().st_size > _HELD:
            return None
        return self._path.read_bytes().decode()

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Characters before each block, and of all."""
        counts = [0]
        with self._path.open("rb") as file:
            while block := file.read(_BLOCK):
                octets = np.frombuffer(block, np.uint8)
                counts.append(int(np.count_nonzero((octets & 0xC0) != 0x80)))
        return np.cumsum(counts, dtype=np.int64)


Text = str | TextFile


class Texts:
    """The texts of a run's chunks, from those of their documents."""

    def __init__(self, folder: Path) -> None:
        self._file_of = lru_cache(_N_OPEN)(lambda doc_id: TextFile(folder / text_path(doc_id)))

    def read(self, chunk: Chunk) -> str:
        """Return the characters of a chunk; fast for chunks of a few documents at a time."""
        return self._file_of(chunk.doc_id)[chunk.start : chunk.end]
