"""Tasks that misbehave in all the ways that parsers do."""

import ctypes
import errno
import logging
import os
import signal
import subprocess
import sys
import time


def count(scratch, n=3, size=1):
    for number in range(n):
        yield number if size == 1 else bytes(size)


def end_by(scratch, number=signal.SIGSEGV):
    yield "before"
    os.kill(os.getpid(), number)
    time.sleep(30)


def abort(scratch):
    yield "before"
    os.abort()


def leave(scratch):
    yield "before"
    os._exit(0)


def touch_nothing(scratch):
    ctypes.string_at(0)
    yield "never"


def hang(scratch):
    yield "before"
    time.sleep(60)


def spin(scratch):
    yield "before"
    while True:
        pass


def eat(scratch):
    yield "before"
    eaten = []
    while True:
        eaten.append(bytearray(64 << 20))


def fail(scratch):
    yield "before"
    raise ValueError("no good")


def fill_the_disk(scratch):
    yield "before"
    raise OSError(errno.ENOSPC, "No space left on device", "/data/x")


def yield_what_can_not_be_pickled(scratch):
    yield lambda: None


def shout(scratch):
    for _ in range(1000):
        print("x" * 10_000)
        sys.stderr.write("y" * 10_000)
    yield "done"


def log(scratch):
    logging.getLogger("synth.of.worker").warning("told %s", "so")
    yield "done"


def look(scratch):
    yield dict(os.environ), os.getpid(), scratch, "__main__" in sys.modules, list(sys.path)


def litter(scratch):
    (scratch / "left.bin").write_bytes(b"x")
    yield "before"
    time.sleep(60)


def start_another(scratch):
    yield subprocess.Popen(["/bin/sleep", "60"]).pid
    time.sleep(60)


def unpack(scratch, n_skipped=0):
    """Tell each of five members, then read it; the third one and the last kill."""
    for number in range(n_skipped + 1, 6):
        yield "begun", number
        if number in (3, 5):
            os.kill(os.getpid(), signal.SIGKILL)
        yield "read", number
