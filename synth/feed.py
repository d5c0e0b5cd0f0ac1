"""The chunks of a run as they come: read from the rows of its file while more are written.

The file is the queue between reading and generating, so it may grow as far as the disk reaches,
memory does not, and what reads it does not care whether it was written a moment or a month ago.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pydantic_core

from synth.pool import Total
from synth.records import Chunk
from synth.rows import CHUNKS


class Feed:
    """The chunks of the run in ``folder``, in their order; belongs to one event loop."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CHUNKS
        self._news = asyncio.Event()
        self.total = Total()

    def grow(self, n_chunks: int) -> None:
        """Say that the rows of ``n_chunks`` more chunks are in the file."""
        self.total.n += n_chunks
        self._tell()

    def close(self) -> None:
        """Say that there will be no more."""
        self.total.is_final = True
        self._tell()

    async def wait_for_all(self) -> None:
        """Return when there will be no more."""
        while not self.total.is_final:
            await self._news.wait()

    async def read(self) -> AsyncIterator[Chunk]:
        """Yield all chunks, each when it is there."""
        n_read = 0
        with ExitStack() as stack:
            file = None
            while await self._has_more_than(n_read):
                file = file or stack.enter_context(self._path.open("rb"))
                yield Chunk.from_row(pydantic_core.from_json(file.readline()))
                n_read += 1

    async def _has_more_than(self, n_read: int) -> bool:
        while n_read == self.total.n and not self.total.is_final:
            await self._news.wait()
        return n_read < self.total.n

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
