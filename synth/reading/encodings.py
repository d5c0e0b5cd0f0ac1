"""Which encoding a text is in: Unicode by its mark, UTF-8 if it is, else by how it looks."""

import codecs
import os
from typing import BinaryIO

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 32 * 1024
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
CONTROL_FRAC = 0.1
"""Largest share of control characters that a text may have."""


def encoding_of_mark(head: bytes) -> str:
    """Return the encoding that the mark at the beginning tells, or UTF-8."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")


def count_controls(data: bytes) -> int:
    """Return how many bytes are control characters that don't occur in text."""
    return len(data) - len(data.translate(None, CONTROLS))


def guess_encoding(sample: bytes) -> str | None:
    """Return the encoding that makes sense of bytes that are not UTF-8; None if none does.

    chardet was right about 97 of 100 translated texts of 20 kB in 20 encodings, charset-normalizer
    about 67 (it takes Western for Central European).
    """
    import chardet

    text = sample.decode("utf-8", "replace")
    n_bad = text.count("\ufffd")
    is_nearly_utf8 = sum(char > "\x7f" for char in text) > 2 * n_bad
    if is_nearly_utf8 or count_controls(sample) > CONTROL_FRAC * len(sample):
        return None
    encoding = chardet.detect(sample)["encoding"]
    try:
        return None if encoding is None else codecs.lookup(encoding).name
    except LookupError:
        return None


def take_sample(file: BinaryIO, around: int) -> bytes:
    """Return bytes of the beginning, the middle and the end of a file, and around a place.

    Each piece is of whole lines, so that no character is cut, unless its lines are very long.
    """
    size = os.fstat(file.fileno()).st_size
    wanted = (0, around - _SAMPLE // 2, size // 2, size)
    pieces = []
    for start in sorted({max(0, min(place, size - _SAMPLE)) for place in wanted}):
        file.seek(start)
        piece = file.read(_SAMPLE)
        if start + len(piece) < size:
            piece = piece[: piece.rfind(b"\n") + 1] or piece
        pieces.append(piece[piece.find(b"\n") + 1 :] if start else piece)
    return b"".join(pieces)


def find_encoding(file: BinaryIO) -> str:
    """Return the encoding of a file by a sample of it, and go back to its beginning."""
    head = file.read(4)
    encoding = encoding_of_mark(head)
    if encoding == "utf-8":
        sample = take_sample(file, 0)
        try:
            codecs.utf_8_decode(sample, "strict", False)
        except UnicodeDecodeError:
            encoding = guess_encoding(sample) or encoding
    file.seek(0)
    return encoding
