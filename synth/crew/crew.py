"""The parent's side of the workers: tasks in, results out.

Not one of the usual pools: those that fork do so beside threads of ours, those that start anew run
the user's script again (and ``SyntheticDataKit`` is used in scripts without a guard), and most of
them lose every task when one process dies. Here a worker is a plain program at the other end of a
pipe, and a thread of this process looks after it.
"""

import queue
import shutil
import threading
from pathlib import Path
from typing import Self

from synth.crew.keeper import Keeper, Limits
from synth.crew.stream import Recovery, Stream, Task


class Crew:
    """Workers that take tasks in the order in which they are submitted.

    Streams must be taken in that order, too: then the worker of the one that is waited for is
    never itself waiting.
    """

    def __init__(self, n_workers: int, limits: Limits, scratch: Path) -> None:
        """Start nothing yet: a worker is started when there is a task for it."""
        self._limits, self._scratch, self._n_workers = limits, scratch, n_workers
        self._streams: queue.Queue[Stream] = queue.Queue()
        self._stopped = threading.Event()
        self._keepers: list[Keeper] = []

    def submit(self, task: Task, recovery: Recovery | None = None) -> Stream:
        """Have ``task`` worked on; return its results.

        Args:
            recovery: goes on if it breaks off; None = the stream ends with the error then.
        """
        stream = Stream(task, recovery, self._stopped)
        self._streams.put(stream)
        if len(self._keepers) < self._n_workers:
            folder = self._scratch / str(len(self._keepers))
            self._keepers.append(Keeper(self._streams, self._limits, folder, self._stopped))
        return stream

    def stop(self) -> None:
        """End all workers, whatever they are at; may be called by any thread."""
        self._stopped.set()
        for keeper in self._keepers:
            keeper.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        for keeper in self._keepers:
            keeper.join()
        shutil.rmtree(self._scratch, ignore_errors=True)
