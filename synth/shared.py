"""Work that the jobs of a sweep share: done by the first that needs it, found by the others.

Results are files in a folder that lives as long as the sweep, so worker processes share them, too.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


class Shared:
    """Files that are made once; with ``folder=None`` nothing is shared."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

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
            yield path
