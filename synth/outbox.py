"""What a store has still to be told of one run, in its order; beside the run while it is away.

A row is one JSON object with one of the keys ``metrics``, ``points``, ``missing``, ``call``,
``tags``, ``experiment_tags``, ``artifacts``, ``artifact`` and ``status``. In the file, rows
``{"sent": n}`` say that the first n others have been sent.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Container
from itertools import islice
from pathlib import Path
from typing import Any

from synth.io import replacing

log = logging.getLogger(__name__)

NAME = "tracking.jsonl"
END = ("tags", "experiment_tags", "artifacts", "artifact", "status")
"""Rows that say how an attempt at a run has ended."""
FIGURES = ("metrics", "points")
_MOST_FIGURES = 1000
"""MLflow takes no more at once."""

Row = dict[str, Any]


class Outbox:
    """Rows that wait; for several threads.

    While they are kept, memory has only where each of them stands in the file.
    """

    def __init__(self, path: Path | None = None, forget: Container[str] = ()) -> None:
        """Take up what an earlier process has left.

        Args:
            path: of the file; None: nothing is kept.
            forget: keys of rows that are not wanted any more.
        """
        self._path = path
        self._lock = threading.RLock()
        self._rows: deque[Row | int] = deque()
        self._n_sent = 0
        self._is_kept = False
        if path is not None and path.exists():
            self._rows.extend(row for row in _read(path) if not any(key in forget for key in row))
            self._rewrite(path)
        self.has_end = any("status" in self._load(entry) for entry in self._rows)
        """Whether it is said how the run has ended."""

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: Row) -> None:
        """Add a row."""
        with self._lock:
            self.has_end = self.has_end or "status" in row
            place = self._append(row) if self._is_kept else None
            self._rows.append(row if place is None else place)

    def head(self, alone: bool = False) -> list[Row]:
        """Return what is to be sent next: one row, or figures that follow each other.

        Args:
            alone: one row in any case.
        """
        with self._lock:
            rows: list[Row] = []
            n_figures = 0
            for entry in islice(self._rows, 1 if alone else None):
                row = self._load(entry)
                n_figures += len(_figures(row))
                if rows and not (
                    _figures(row) and _figures(rows[0]) and n_figures <= _MOST_FIGURES
                ):
                    break
                rows.append(row)
            return rows

    def drop(self, n_rows: int) -> None:
        """Forget the first rows: they have been sent."""
        with self._lock:
            gone = [self._rows.popleft() for _ in range(n_rows)]
            if not self._is_kept or self._path is None:
                return
            self._n_sent += sum(isinstance(entry, int) for entry in gone)
            if self._rows:
                self._append({"sent": self._n_sent})
            else:
                self._path.unlink(missing_ok=True)
                self._is_kept = False

    def keep(self) -> None:
        """Keep what waits, and what comes, in the file until all of it is sent."""
        with self._lock:
            if not self._is_kept and self._path is not None and self._rows:
                self._rewrite(self._path)

    def _rewrite(self, path: Path) -> None:
        """Make the file one of all rows that wait; no file if there are none."""
        if not self._rows:
            path.unlink(missing_ok=True)
            return
        places = []
        try:
            with replacing(path) as file:
                for entry in self._rows:
                    places.append(file.tell())
                    file.write(_line(self._load(entry)))
        except OSError as error:
            _complain(error)
        else:
            self._rows = deque(places)
            self._n_sent, self._is_kept = 0, True

    def _append(self, row: Row) -> int | None:
        """Append a row to the file; return where it begins, None if that failed."""
        assert self._path is not None
        try:
            with self._path.open("ab") as file:
                place = file.tell()
                try:
                    file.write(_line(row))
                    file.flush()
                except OSError:
                    file.truncate(place)  # half a row would spoil the next one
                    raise
        except OSError as error:
            _complain(error)
            return None
        return place

    def _load(self, entry: Row | int) -> Row:
        if not isinstance(entry, int):
            return entry
        assert self._path is not None
        with self._path.open("rb") as file:
            file.seek(entry)
            row: Row = json.loads(file.readline())
            return row


def is_waiting(folder: Path) -> bool:
    """Return whether a run's store has still to be told of it."""
    return (folder / NAME).exists()


def _figures(row: Row) -> dict[str, float]:
    return next((row[key] for key in FIGURES if key in row), {})


def _read(path: Path) -> list[Row]:
    """Return the rows that were not sent; a process may have been killed while it wrote the last."""
    rows: list[Row] = []
    n_sent = 0
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "sent" in row:
            n_sent = row["sent"]
        else:
            rows.append(row)
    return rows[n_sent:]


def _line(row: Row) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _complain(error: OSError) -> None:
    log.warning("%s can't be written: %s; what MLflow lacks is in memory alone", NAME, error)
