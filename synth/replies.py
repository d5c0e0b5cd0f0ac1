"""Replies of models, kept by what was asked: a request that was answered once is not sent again.

An SQLite file, which several processes may use at a time. The key of a reply is a digest of all that
decides it: model, prompt, sampling settings, seed. What a run has been answered is stored before it
counts, so this is also the journal from which an interrupted run goes on.
"""

import asyncio
import hashlib
import json
import platform
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from synth.errors import StoreError
from synth.filesystems import network_filesystem
from synth.records import Reply, Usage

NAME = "replies.db"
_DAY_S = 86_400
_PATIENCE_S = 60
"""Longest wait for other processes that write."""
# Bodies are appended, whatever their keys: a table sorted by key would be rewritten everywhere.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, used REAL NOT NULL,
    body TEXT NOT NULL
)
"""

_INSERT = "INSERT OR REPLACE INTO replies (key, model, used, body) VALUES (?, ?, ?, ?)"

Row = tuple[bytes, str, float, str]


@dataclass(frozen=True)
class Holding:
    """The replies of one model in a store."""

    model: str
    n_replies: int
    n_bytes: int
    last_used_s: float
    """When one of them was last asked for (Unix time)."""


def store_in(cache: Path) -> Path:
    """Return this machine's store in a folder of caches.

    On a network file system each machine has its own: processes of several can't share one of SQLite.
    """
    is_shared = network_filesystem(cache) is not None
    return cache / (f"replies.{platform.node()}.db" if is_shared else NAME)


class Replies:
    """Finds and keeps replies; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the store, made if it is not there.

        Raises:
            StoreError: if that is not possible.
        """
        self._path = path
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reader = _connect(path)
            self._writer = _connect(path)
        self._asked: dict[bytes, asyncio.Future[Reply]] = {}
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._touched: list[tuple[float, bytes]] = []
        self._writing: asyncio.Task[None] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with _translated(self._path):
            self._write([])
            with self._lock:
                self._writer.close()
            self._reader.close()

    async def once(
        self, model: str, request: dict[str, Any], ask: Callable[[], Awaitable[Reply]]
    ) -> tuple[Reply, bool]:
        """Return the reply to ``request``, and whether nobody had to be asked for it.

        If others wait for the same reply already, it is asked for only once. It is in the store
        when this returns.

        Args:
            model: all that tells which model answers.
            request: what it is asked, and how it is to sample.
            ask: gets the reply, if there is none yet.

        Raises:
            StoreError: if the reply can't be kept.
        """
        key = key_of(model, request)
        while (asked := self._asked.get(key)) is not None:
            await asyncio.wait({asked})
            if not asked.cancelled() and asked.exception() is None:
                return asked.result(), True
        if (known := self._find(key)) is not None:
            return known, True
        self._asked[key] = mine = asyncio.get_running_loop().create_future()
        try:
            reply = await ask()
            await self._put((key, model, time.time(), _body_of(reply)))
            mine.set_result(reply)
        finally:
            del self._asked[key]
            mine.cancel()  # does nothing if there is a result
        return reply, False

    def holdings(self) -> list[Holding]:
        """Return what is in the store, by model, the largest first."""
        with _translated(self._path):
            rows = self._reader.execute(
                "SELECT model, COUNT(*), SUM(LENGTH(body)), MAX(used) FROM replies "
                "GROUP BY model ORDER BY 3 DESC"
            )
            return [Holding(*row) for row in rows]

    def clean(self, *, max_age_s: float | None = None, max_bytes: int | None = None) -> int:
        """Delete replies that were not used for too long, and return how many they were.

        Args:
            max_age_s: longest time since the last use.
            max_bytes: what the rest may take; the latest are kept.
        """
        with _translated(self._path), self._writer:
            before = self._writer.total_changes
            if max_age_s is not None:
                oldest = time.time() - max_age_s
                self._writer.execute("DELETE FROM replies WHERE used < ?", (oldest,))
            if max_bytes is not None:
                self._writer.execute(
                    "DELETE FROM replies WHERE key IN (SELECT key FROM (SELECT key, "
                    "SUM(LENGTH(body)) OVER (ORDER BY used DESC, key) AS n_bytes FROM replies) "
                    "WHERE n_bytes > ?)",
                    (max_bytes,),
                )
            n_deleted = self._writer.total_changes - before
        with _translated(self._path):
            self._writer.execute("VACUUM")
        return n_deleted

    def _find(self, key: bytes) -> Reply | None:
        with _translated(self._path):
            row = self._reader.execute(
                "SELECT used, body FROM replies WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        now = time.time()
        if row[0] < now - _DAY_S:
            self._touched.append((now, key))
        return _reply_of(row[1])

    async def _put(self, row: Row) -> None:
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((row, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())
        await stored

    async def _write_waiting(self) -> None:
        """Store all that waits at once, again and again; a disk is as slow for one as for many."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                with _translated(self._path):
                    await asyncio.to_thread(self._write, [row for row, _ in batch])
            except StoreError as error:
                outcome: StoreError | None = error
            else:
                outcome = None
            for _, stored in batch:
                if stored.done():  # its request was cancelled
                    continue
                if outcome is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(outcome)

    def _write(self, rows: Sequence[Row]) -> None:
        with self._lock, self._writer:
            touched, self._touched = self._touched, []
            self._writer.executemany(_INSERT, rows)
            self._writer.executemany("UPDATE replies SET used = ? WHERE key = ?", touched)


def key_of(model: str, request: dict[str, Any]) -> bytes:
    """Return the same 16 bytes for the same request to the same model."""
    text = json.dumps([model, request], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _body_of(reply: Reply) -> str:
    return json.dumps(vars(reply) | {"usage": vars(reply.usage)})


def _reply_of(body: str) -> Reply:
    values = json.loads(body)
    return Reply(**(values | {"usage": Usage(**values["usage"])}))


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time.
    connection = sqlite3.connect(path, timeout=_PATIENCE_S, check_same_thread=False)
    # Memory that processes share is local; without it a reader waits for a writer.
    mode = "WAL" if network_filesystem(path) is None else "TRUNCATE"
    connection.execute(f"PRAGMA journal_mode = {mode}")
    # A killed process loses nothing; when the power goes, the last replies may have to be asked for again.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(_SCHEMA)
    connection.commit()
    return connection


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"the replies can't be kept in {path}: {error}; free some space there, set SYNTH_CACHE "
            "to another folder, or use gen.reuse=false"
        ) from error
