"""Files: JSON lines that are appended row by row, and whole files that appear atomically.

Text is UTF-8 without newline translation: what is written is what is read, to the character.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self


class JsonlWriter:
    """Append rows to ``path``; each is with the operating system when :meth:`write` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, *rows: dict[str, Any]) -> None:
        """Write each object as one line; all of them at once, so that none comes without the rest."""
        self._file.write(b"".join(map(_line, rows)))
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write a whole JSON-lines file atomically and return the number of rows."""
    n_rows = 0
    with replacing(path) as file:
        for row in rows:
            file.write(_line(row))
            n_rows += 1
    return n_rows


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when all of it is written.

    Readers see the old file or the new one, never half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str:
    """Read UTF-8 text with its line ends as they are."""
    return path.read_bytes().decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically.

    A lone surrogate, which UTF-8 can't hold, raises ``UnicodeEncodeError``.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def link(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, unless it is there already."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        target.symlink_to(source)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one indented JSON object atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object."""
    value: dict[str, Any] = json.loads(read_text(path))
    return value


def _line(row: dict[str, Any]) -> bytes:
    # Half a character, which UTF-8 can't hold, stands as an escape, as JSON has it.
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
