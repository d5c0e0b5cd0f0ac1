"""What is read, where its text goes, and under which limits.

A source is a regular file on this machine; what is in an archive or behind a URL is in scratch.
"""

import errno
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from synth.config.dataset import IngestConfig
from synth.errors import IngestError
from synth.records import Document, Failure
from synth.shared import Shared
from synth.texts import TextWriter, text_path

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read as documents."""

    file: Path
    path: str
    """What it is called in records."""
    name: str
    """Its file name, whose suffix tells its format where the content doesn't."""
    media_type: str | None = None
    """What the server said that it is."""
    depth: int = 0
    """In how many archives it lies."""
    is_named: bool = False
    """It was asked for by its name, so any text will do."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive that is about to be read: whoever dies now, died of it."""

    path: str
    number: int
    """Counted from 1 in the archive that is read, those in its archives not."""


Result = Document | Failure | Member
"""What reading yields."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where texts go, where what is in between lies, and the settings."""

    folder: Path
    scratch: Path
    config: IngestConfig
    texts: Shared = field(default_factory=Shared)
    """Texts of files that took long to read, by content."""

    def save(
        self, text: str, path: str, kind: str, *, sha256: str = "", pages: Sequence[int] = ()
    ) -> Document:
        """Store a text that is in memory.

        Args:
            path: where it is from.
            kind: its format.
            sha256: of the bytes that it was read from; "" = of the text itself.

        Raises:
            IngestError: if it is blank, or no text that UTF-8 can hold.
        """
        try:
            with TextWriter(self.folder, self.scratch) as writer:
                writer.write(text)
        except UnicodeEncodeError as error:
            raise IngestError("is not text: it holds half a character", path) from error
        return record(writer, path, kind, sha256=sha256, pages=pages)


def record(
    writer: TextWriter, path: str, kind: str, *, sha256: str = "", pages: Sequence[int] = ()
) -> Document:
    """Return the document of a text that was written.

    Raises:
        IngestError: if it is blank.
    """
    if writer.is_blank:
        raise IngestError("has no text", path)
    return Document(
        id=writer.id,
        path=path,
        sha256=sha256 or writer.sha256,
        n_chars=writer.n_chars,
        text_path=text_path(writer.id),
        format=kind,
        pages=tuple(pages),
    )


def show(location: str) -> str:
    """Return a location as text that can be printed and stored, whatever bytes it is of."""
    return "".join(char if char.isprintable() else _show_char(char) for char in location)


def _show_char(char: str) -> str:
    if unicodedata.category(char) in ("Zs", "Cn", "Co"):
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that is not of UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def failure(error: IngestError) -> Failure:
    """Return the row that tells of what could not be read."""
    return Failure(error.path, "ingest", type(error).__name__, str(error))


def is_of_writing(error: BaseException) -> bool:
    """Return whether an error is of the run's own disk, so that every further text would fail."""
    return isinstance(error, OSError) and error.errno in _OF_WRITING


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a source for reading; what is no regular file is never waited for.

    Raises:
        IngestError: if it can't be opened, or read while it is open.
    """
    try:
        mode = source.file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise IngestError(f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}", source.path)
        # It may have been replaced by a pipe since: then opening it must not wait for a writer.
        number = os.open(source.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(number, "rb") as file:  # noqa: PTH123  (a number, not a path)
            yield file
    except OSError as error:
        if is_of_writing(error):
            raise
        raise IngestError(f"can't be read: {error.strerror or error}", source.path) from error


def read_whole(source: Source, config: IngestConfig) -> bytes:
    """Return the content of a file whose format has to be read as a whole.

    Raises:
        IngestError: if it can't be read, or is larger than ``ingest.max_file_gib``.
    """
    most = int(config.max_file_gib * GIB)
    with opened(source) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise IngestError(
            f"is larger than ingest.max_file_gib={config.max_file_gib:g}, and of a format that is "
            "read as a whole",
            source.path,
        )
    return data


BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError),
    *(OSError, ValueError, LookupError, ArithmeticError),
)
"""What reading a broken zip file raises."""

_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

_KINDS = {
    stat.S_IFDIR: "a folder, not a file",
    stat.S_IFIFO: "a pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}
