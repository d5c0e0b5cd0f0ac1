"""Read the files in archives, and what is compressed, without ever unpacking by a member's path.

Each member is copied to a file of ours in scratch, read as any file is, and deleted. What all of
them hold together is bounded, and so is how much more that is than the archive.
"""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, cast

from synth.errors import IngestError
from synth.reading.source import (
    BROKEN_ZIP,
    GIB,
    Member,
    Result,
    Source,
    Target,
    failure,
    is_of_writing,
    opened,
    show,
)

Results = Iterator[Result]
Read = Callable[[Source, "Budget"], Results]

_BLOCK = 1024 * 1024
_MOST_DEEP = 3
_LINK = "is a link, a device or full of holes: skipped"
_RATIO, _ALWAYS = 500, 256 * 1024 * 1024
"""How many times its size an archive may hold, and what any may hold, in bytes."""

_BROKEN = (*BROKEN_ZIP, tarfile.TarError, lzma.LZMAError)
"""What reading a broken archive raises."""


@dataclass
class Budget:
    """Bytes that an archive, and those in it, may still hold."""

    left: int
    most_gib: float
    n_skipped: int = 0
    """Members that were read before and are passed over."""
    n_members: int = 0

    def spend(self, n_bytes: int, path: str) -> None:
        """Take bytes off.

        Raises:
            IngestError: if there are not so many left.
        """
        self.left -= n_bytes
        if self.left < 0:
            raise IngestError(
                f"holds too much: more than ingest.max_unpacked_gib={self.most_gib:g}, or "
                f"{_RATIO} times its size",
                path,
            )


def open_budget(source: Source, target: Target, n_skipped: int) -> Budget:
    """Return what the archives that begin with this file may hold."""
    most_gib = target.config.max_unpacked_gib
    with opened(source) as file:
        size = os.fstat(file.fileno()).st_size
    return Budget(min(int(most_gib * GIB), max(_ALWAYS, _RATIO * size)), most_gib, n_skipped)


def read_archive(source: Source, kind: str, target: Target, budget: Budget, read: Read) -> Results:
    """Read an archive or a compressed file.

    Args:
        budget: what it may hold; less when this returns.
        read: how a member is read.

    Raises:
        IngestError: if it can't be read (on), after what could be.
    """
    if source.depth >= _MOST_DEEP:
        raise IngestError(f"is an archive in {_MOST_DEEP} others: unpack it first", source.path)
    unpack = _Unpacking(source, target, budget, read)
    try:
        with opened(source) as file:
            yield from unpack.zip(file) if kind == "zip" else unpack.stream(file, kind)
    except _BROKEN as error:
        raise _explain(error, source.path) from error


@dataclass(frozen=True)
class _Unpacking:
    source: Source
    target: Target
    budget: Budget
    read: Read

    def zip(self, file: BinaryIO) -> Results:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.is_dir() or _is_hidden(info.filename):
                    continue
                try:
                    self.check(info)
                    with archive.open(info) as content:
                        yield from self.member(content, info.filename)
                except IngestError as error:
                    yield failure(error)
                except _BROKEN as error:
                    yield failure(_explain(error, self.path_of(info.filename)))
                if self.budget.left < 0:
                    return

    def check(self, info: zipfile.ZipInfo) -> None:
        if info.flag_bits & 0x1:
            raise IngestError("is encrypted: unpack it first", self.path_of(info.filename))
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise IngestError(_LINK, self.path_of(info.filename))

    def stream(self, file: BinaryIO, kind: str) -> Results:
        name = PurePosixPath(self.source.name)
        with io.BufferedReader(_decompress(file, kind), _BLOCK) as content:
            is_tar = kind == "tar" or ".tar" in name.suffixes
            if is_tar or content.peek(512)[257:262] == b"ustar":
                yield from self.tar(content)
            else:
                yield from self.member(content, name.stem or "text", self.source.is_named)

    def tar(self, content: BinaryIO) -> Results:
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for info in archive:
                if info.isdir() or _is_hidden(info.name):
                    continue
                inner = archive.extractfile(info) if info.isreg() and not info.issparse() else None
                if inner is None:
                    yield failure(IngestError(_LINK, self.path_of(info.name)))
                    continue
                yield from self.member(inner, info.name)
                if self.budget.left < 0:
                    return

    def member(self, content: IO[bytes], name: str, is_named: bool = False) -> Results:
        """Read what is in the archive under a name."""
        file = self.target.scratch / f".member.{os.getpid()}.{self.source.depth}"
        member = replace(
            self.source,
            file=file,
            path=self.path_of(name),
            name=PurePosixPath(name).name,
            media_type=None,
            depth=self.source.depth + 1,
            is_named=is_named,
        )
        if self.source.depth == 0:
            self.budget.n_members += 1
            if self.budget.n_members <= self.budget.n_skipped:
                return
            yield Member(member.path, self.budget.n_members)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("wb") as copy:
                self.copy(content, copy, member.path)
            yield from self.read(member, self.budget)
        finally:
            file.unlink(missing_ok=True)

    def copy(self, content: IO[bytes], copy: BinaryIO, path: str) -> None:
        while block := content.read(_BLOCK):
            self.budget.spend(len(block), path)
            copy.write(block)

    def path_of(self, name: str) -> str:
        return f"{self.source.path}!{show(name)}"


def _decompress(file: BinaryIO, kind: str) -> io.RawIOBase:
    opened_as: Any = file
    if kind == "gz":
        opened_as = gzip.GzipFile(fileobj=file)
    elif kind == "bz2":
        opened_as = bz2.BZ2File(file)
    elif kind == "xz":
        opened_as = lzma.open(file)  # noqa: SIM115  (nothing to close)
    elif kind == "zst":
        import pyarrow as pa

        opened_as = pa.CompressedInputStream(file, "zstd")
    return cast(io.RawIOBase, opened_as)


def _is_hidden(name: str) -> bool:
    """Return whether a member is passed over as hidden files of folders are."""
    parts = PurePosixPath(name).parts
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in parts)


def _explain(error: Exception, path: str) -> IngestError:
    if is_of_writing(error):
        raise error
    return IngestError(f"is broken: {error or type(error).__name__}", path)
