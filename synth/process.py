"""Processes that end when those end that they are for.

A program and everything that it starts are one process group. The group is led by a guard: a shell that reads from a pipe that only the owner holds. When the
owner ends, however it ends, the pipe closes and the guard kills the group. So not even
``kill -9`` of the owner leaves an engine process with the GPU's memory in its hands.
"""

import functools
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

_GUARD = "trap '' TERM INT HUP; read -r _; kill -KILL 0"


@functools.cache
def end_with(pid: int) -> None:
    """Have this process end, in the middle of whatever it does, when process ``pid`` has ended."""

    def wait() -> None:
        with suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def end_on_sigterm() -> None:
    """Have SIGTERM raise :class:`SystemExit` with code 143, once: what is open is closed."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


class ProcessGroup:
    """A running program; the verbs are those of :class:`subprocess.Popen`, on the whole group.

    Launching never waits; ``stop`` waits until the group is gone.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        log_path: Path,
        folder: Path | None = None,
    ) -> None:
        """Launch ``argv`` with ``env`` as its whole environment, output appended to ``log_path``.

        Args:
            folder: where it works; None = in the current one.

        Raises:
            OSError: if the program can't be started; nothing is left running then.
        """
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            with log_path.open("ab") as log:
                self._program = subprocess.Popen(
                    list(argv),
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    process_group=self._guard.pid,
                )
        except BaseException:
            self._end_guard()
            raise

    @property
    def pid(self) -> int:
        """The program's own process id."""
        return self._program.pid

    @property
    def group(self) -> int:
        """The id of the process group; valid until :meth:`stop` returns."""
        return self._guard.pid

    def poll(self) -> int | None:
        """Return None while the program runs, otherwise its exit code (negative: a signal)."""
        return self._program.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait at most ``timeout_s`` for the program's end; return as :meth:`poll` does."""
        try:
            return self._program.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_s: float) -> None:
        """End the group: TERM, at most ``grace_s`` for an orderly end, then KILL for what is left.

        The group is killed even when the program has ended by itself: its children may not have.
        """
        if self.poll() is None:
            self._signal(signal.SIGTERM)
            self.wait(grace_s)
        self._end_guard()
        self._program.wait()

    def _end_guard(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        # The guard is a zombie until it is waited for, so its id can't be anyone else's before.
        _wait_until_alone(self._guard.pid)
        self._guard.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._guard.pid, number)


def _wait_until_alone(group: int, deadline_s: float = 5.0) -> None:
    """Wait until killed members of ``group`` have given back what they held."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end and _has_living(group):
        time.sleep(0.02)


def _has_living(group: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state not in "ZX":
            return True
    return False
