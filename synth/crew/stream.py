"""A task, and its results as they come from its worker."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from synth.crew.worker import DONE, FAILED
from synth.errors import TaskError

Task = Callable[[Path], Iterator[Any]]
"""Gets a scratch folder of its own, yields results; it must be possible to pickle it."""

_AHEAD = 8
"""Results of a task that wait to be taken; with more of them its worker waits."""
_POLL_S = 0.5


class Recovery(Protocol):
    """Goes on where a task broke off; called by the thread that looks after its worker."""

    def note(self, result: Any) -> None:
        """Hear of a result."""

    def recover(self, error: TaskError) -> tuple[Any, Task] | None:
        """Return a result that tells of the error, and what is left to do; None = nothing is."""


class Stream:
    """The results of one task, as they come."""

    def __init__(self, task: Task, recovery: Recovery | None, stopped: threading.Event) -> None:
        self.task, self.recovery = task, recovery
        self._stopped = stopped
        self._results: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)

    def put(self, kind: str, value: Any) -> None:
        """Hand a result over, when there is room for it."""
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._results.put((kind, value), timeout=_POLL_S)
                return

    def __iter__(self) -> Iterator[Any]:
        """Yield the results.

        Raises:
            TaskError: if there are no more because something went wrong with the task.
            OSError: if files can't be written or processes not be started.
        """
        while True:
            try:
                kind, value = self._results.get(timeout=_POLL_S)
            except queue.Empty:
                if self._stopped.is_set():
                    raise TaskError("was stopped") from None
                continue
            if kind == DONE:
                return
            if kind == FAILED:
                raise value
            yield value
