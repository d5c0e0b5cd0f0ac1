"""A worker: takes tasks from its connection, one after the other, and tells what they yield.

Started by :mod:`synth.crew.keeper` as ``python -m synth.crew.worker``. It ends with its parent,
however that ends, also in the middle of native code.
"""

import ctypes
import logging
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

GIB = 2**30
_PR_SET_PDEATHSIG = 1  # source: linux/prctl.h

RESULT, DONE, FAILED, NO_MEMORY, LOG = "result", "done", "failed", "no memory", "log"
DISK = "disk"
"""The first of two values of each message."""


class _LogSender(logging.Handler):
    """Sends what is logged to the parent, which has the handlers."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record as its logger, level and message."""
        self._connection.send((LOG, (record.name, record.levelno, record.getMessage())))


def main(connection: "Connection[Any, Any]", max_memory_gib: float, log_level: int) -> None:
    """Work on tasks until the connection ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Not the address space: allocators and threads reserve far more of it than they use.
    resource.setrlimit(resource.RLIMIT_DATA, (round(max_memory_gib * GIB),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Path("/proc/self/oom_score_adj").write_text("500")  # rather than the run
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    logging.basicConfig(level=log_level, handlers=[_LogSender(connection)])
    while True:
        try:
            task, scratch = connection.recv()
        except EOFError:
            return
        connection.send(_work(connection, task, scratch))


def _work(connection: "Connection[Any, Any]", task: Any, scratch: Any) -> tuple[str, Any]:
    try:
        for result in task(scratch):
            connection.send((RESULT, result))
    except MemoryError:
        return NO_MEMORY, None
    except OSError as error:  # no fault of the task: the next one meets it, too
        return DISK, (error.errno, error.strerror, error.filename)
    except Exception as error:  # a fault of this task and no other
        logging.getLogger(__name__).debug("task failed", exc_info=True)
        return FAILED, f"{type(error).__name__}: {error}"
    return DONE, None


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
