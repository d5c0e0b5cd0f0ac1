"""A thread that keeps one worker: starts it, hands it task after task, and puts another in its place.

A worker that is lost costs the task that it was at, or only what its recovery gives up of that.
"""

import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from synth.crew.stream import Stream, Task
from synth.crew.worker import DISK, DONE, FAILED, LOG, NO_MEMORY, RESULT
from synth.errors import TaskDied, TaskError, TaskFailed, TaskTimeout

log = logging.getLogger(__name__)

_POLL_S = 0.5
_DYING_S = 10
_TAIL_CHARS = 300
_OUTPUT = "output.log"
_SECRETS = ("TOKEN", "KEY", "SECRET", "PASSWORD", "TRACKING_URI")
"""How variables end that a worker does not get to see."""


@dataclass(frozen=True)
class Limits:
    """What one task may take."""

    timeout_s: float
    """Between two results; time in which nobody takes them does not count."""
    max_memory_gib: float


class Keeper(threading.Thread):
    """Keeps a worker until ``stopped`` is set."""

    def __init__(
        self,
        streams: queue.Queue[Stream],
        limits: Limits,
        folder: Path,
        stopped: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self._streams, self._limits, self._folder = streams, limits, folder
        self._stopped = stopped
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self.start()

    def run(self) -> None:
        """Keep on until the crew is stopped."""
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                stream = self._streams.get(timeout=_POLL_S)
                try:
                    end = self._carry_out(stream)
                except Exception as error:  # noqa: BLE001  (raised where the results are taken)
                    end = FAILED, error
                stream.put(*end)
        self.kill()

    def kill(self) -> None:
        """End the worker and all that it has started."""
        with self._lock:
            if self._process is not None and self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _carry_out(self, stream: Stream) -> tuple[str, Any]:
        """Work on a task until nothing is left of it; return how the stream ends."""
        task = stream.task
        while True:
            try:
                self._work(task, stream)
            except TaskError as error:
                left = stream.recovery and stream.recovery.recover(error)
                if not left or self._stopped.is_set():
                    return FAILED, error
                result, task = left
                stream.put(RESULT, result)
            else:
                return DONE, None

    def _work(self, task: Task, stream: Stream) -> None:
        connection = self._connect()
        scratch = self._folder / "task"
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            with self._watching_death():
                connection.send((task, scratch))
            while (message := self._receive(connection))[0] != DONE:
                _take(message, stream, self._limits)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _receive(self, connection: "Connection[Any, Any]") -> tuple[str, Any]:
        if not connection.poll(self._limits.timeout_s):
            self.kill()
            raise TaskTimeout(f"took longer than {self._limits.timeout_s:g} s (ingest.timeout_s)")
        with self._watching_death():
            message: tuple[str, Any] = connection.recv()
        return message

    @contextmanager
    def _watching_death(self) -> Iterator[None]:
        """Say what a broken connection means."""
        try:
            yield
        except (EOFError, OSError):
            raise TaskDied(self._describe_end()) from None

    def _connect(self) -> "Connection[Any, Any]":
        """Return the connection to a living worker."""
        with self._lock:
            if self._stopped.is_set():
                raise TaskError("was stopped")
            if (
                self._connection is None
                or self._process is None
                or self._process.poll() is not None
            ):
                if self._connection is not None:
                    self._connection.close()
                self._connection, self._process = self._start()
            return self._connection

    def _start(self) -> "tuple[Connection[Any, Any], subprocess.Popen[bytes]]":
        self._folder.mkdir(parents=True, exist_ok=True)
        ours, theirs = Pipe()
        level = logging.getLogger().getEffectiveLevel()
        arguments = [str(theirs.fileno()), str(self._limits.max_memory_gib), str(level)]
        with theirs, (self._folder / _OUTPUT).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "synth.crew.worker", *arguments],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        return ours, process

    def _describe_end(self) -> str:
        with self._lock:
            assert self._process is not None
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_DYING_S)
        self.kill()
        with self._lock:
            code = self._process.returncode
        said = (self._folder / _OUTPUT).read_text(encoding="utf-8", errors="replace")
        log.debug("a worker ended with %s: %s", code, said[-_TAIL_CHARS:])
        if "memory allocation" in said or "bad_alloc" in said:
            return _no_memory(self._limits)
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"crashed what reads it ({end})"


def _take(message: tuple[str, Any], stream: Stream, limits: Limits) -> None:
    kind, value = message
    if kind == RESULT:
        if stream.recovery is not None:
            stream.recovery.note(value)
        stream.put(RESULT, value)
    elif kind == LOG:
        name, level, text = value
        logging.getLogger(name).log(level, "%s", text)
    elif kind == NO_MEMORY:
        raise TaskDied(_no_memory(limits))
    elif kind == DISK:
        raise OSError(*value)
    else:
        raise TaskFailed(value)


def _no_memory(limits: Limits) -> str:
    return f"needs more than {limits.max_memory_gib:g} GiB of memory (ingest.max_memory_gib)"


def _environment() -> dict[str, str]:
    """Return what a worker sees: what can be imported here, one thread, and no secret."""
    own = {name: value for name, value in os.environ.items() if not name.endswith(_SECRETS)}
    return own | {
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "RAYON_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "RUST_BACKTRACE": "0",
    }
