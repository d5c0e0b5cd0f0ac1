"""The process between synth and its server: it outlives synth by a moment, the server never.

``python -m synth.server.supervisor`` reads one JSON object from standard input (so that no secret
is on a command line or in a file): ``argv``, ``env`` (whole environment), ``log_path``, ``folder``
(where it writes ``state.json``), ``alive`` (a file that the session keeps locked) and ``grace_s``.
It ends the server when that lock is free, on SIGTERM, on SIGINT (without a grace), and when the
server ends by itself; its last act is to write the exit code into ``state.json``.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from synth.io import write_json
from synth.process import ProcessGroup

_POLL_S = 0.1


def main() -> None:
    """Run one server until it ends or nobody needs it."""
    spec: dict[str, Any] = json.load(sys.stdin)
    if os.fork():
        os._exit(0)  # synth waits for this one; the other is nobody's child
    os.setsid()
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    state_path, alive = Path(spec["folder"]) / "state.json", Path(spec["alive"])
    state: dict[str, Any] = {"supervisor": os.getpid(), "returncode": None}
    try:
        process = ProcessGroup(spec["argv"], spec["env"], Path(spec["log_path"]))
    except OSError as error:
        write_json(state_path, state | {"returncode": 127, "error": str(error)})
        return
    state |= {"pid": process.pid, "group": process.group}
    try:
        write_json(state_path, state)
        _watch(process, alive)
        if (code := process.poll()) is not None:
            # Told at once: it may take seconds until all that it has started is gone, too.
            write_json(state_path, state | {"returncode": code})
    except KeyboardInterrupt:
        spec["grace_s"] = 0
    finally:
        _ignore(signal.SIGTERM, signal.SIGINT)  # a second one must not cut the stop short
        code = process.poll()
        process.stop(spec["grace_s"])
        if state_path.parent.is_dir():
            write_json(state_path, state | {"returncode": process.poll() if code is None else code})
        if not _is_held(alive):  # the session was killed: nobody else tidies up
            shutil.rmtree(alive.parent, ignore_errors=True)


def _watch(process: ProcessGroup, alive: Path) -> None:
    while process.wait(_POLL_S) is None and _is_held(alive):
        pass


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    _ignore(signal.SIGTERM)
    raise SystemExit(0)


def _ignore(*numbers: int) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
