"""Find what is to be read: files, folders, globs and URLs, each once, in a stable order."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.chunk_files import is_chunk
from synth.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is to be read."""

    name: str
    """An absolute path, of any bytes as in :func:`os.fsdecode`, or a URL."""
    is_named: bool = False
    """It is an entry of its own in ``docs``, so any text will do, whatever its suffix."""

    @property
    def is_url(self) -> bool:
        """Whether it is an address of the web and no file."""
        return _is_url(self.name)


def find_documents(docs: Sequence[str]) -> list[Location]:
    """Return the URLs and the files behind ``docs``.

    Left out are hidden files in folders and, unless named one by one, what
    ``SyntheticDataKit.chunk_data`` has cut there. Links are followed, but to no folder twice.

    Raises:
        ConfigError: if an entry matches nothing.
    """
    found: dict[str, bool] = {}
    problems = []
    for entry in docs:
        names = [entry] if _is_url(entry) else [str(path) for path in _expand(entry)]
        if not names:
            problems.append(_nothing_at(entry))
        is_named = not _is_url(entry) and Path(entry).expanduser().is_file()
        for name in names:
            found[name] = found.get(name, False) or is_named
    if problems:
        raise ConfigError(problems)
    return [Location(name, is_named) for name, is_named in found.items()]


def _is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def _expand(entry: str) -> list[Path]:
    path = Path(entry).expanduser()
    if path.is_dir():
        return sorted(file for file in _walk(path) if not is_chunk(file))
    if path.exists():
        return [path.absolute()]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207  (absolute patterns)
    files = (file.absolute() for file in matches if not file.is_dir())
    return [file for file in files if not is_chunk(file)]


def _walk(folder: Path) -> Iterator[Path]:
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(parent)  # noqa: PTH116  (the name may hold any bytes)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name).absolute() for name in files if not name.startswith("."))


def _nothing_at(entry: str) -> str:
    path = Path(entry).expanduser()
    if path.is_dir():
        return f"docs={entry}: the folder holds no files"
    if glob.has_magic(entry):
        return f"docs={entry}: no file matches (looked from {Path.cwd()})"
    return f"docs={entry}: there is no such file or folder (looked from {Path.cwd()})"
