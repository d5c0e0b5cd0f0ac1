"""Work that the jobs of a sweep share: done by the first that needs it, found by the others.

Results are files in a folder that lives as long as the sweep, or for good: worker processes and
later runs share them, too.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Shared:
    """Files that are made once; with ``folder=None`` nothing is shared."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def __bool__(self) -> bool:
        return self._folder is not None

    @contextmanager
    def once(self, *key: str) -> Iterator[Path | None]:
        """Hold the file for ``key`` while the context lasts; None if nothing is shared.

        If it does not exist, the holder is to make it; nobody else does so at the same time.
        """
        if self._folder is None:
            yield None
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
        with FileLock(f"{path}.lock"):
            with suppress(FileNotFoundError):
                os.utime(path)  # it is in use; :meth:`shrink` asks for that
            yield path

    def shrink(self, n_bytes: int) -> None:
        """Delete what was not used for longest, until the rest takes at most ``n_bytes``.

        With a file goes its lock, but none that somebody holds. Whatever a holder that was killed
        has left behind goes in any case.
        """
        folder = self._folder
        if folder is None or not folder.exists():
            return
        parts = defaultdict(list)  # a file, its lock, and what was to become the file
        for path in folder.iterdir():
            parts[path.name.lstrip(".").split(".")[0]].append(path)
        sizes = {name: sum(map(_size, paths)) for name, paths in parts.items()}
        total = sum(sizes.values())
        for name in sorted(parts, key=lambda name: _used_at(folder / name)):
            path = folder / name
            if (total > n_bytes or not path.exists()) and _delete(path, parts[name]):
                total -= sizes[name]


def _delete(path: Path, parts: Sequence[Path]) -> bool:
    try:
        with FileLock(lock := f"{path}.lock", blocking=False):
            for part in (*parts, Path(lock)):  # who waits for a lock that is gone makes another
                part.unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):  # another process shrinks, too
        return path.stat().st_size
    return 0


def _used_at(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0
