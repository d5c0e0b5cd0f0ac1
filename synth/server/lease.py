"""Who holds a server, and when one that runs may be used again.

A session is one invocation of synth, or one ``SyntheticDataKit``: the process that opened it keeps a
file locked, and every server started in it lives at most as long as that lock, which the kernel
drops with the process, even on ``kill -9``. Within a session a server is reused when its
fingerprint (argv and environment) is the same; a different one replaces it, unless the two are to
stand side by side. Worker processes that are given the session's environment share its servers.
"""

import hashlib
import json
import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from filelock import FileLock

from synth.errors import ServerStartError
from synth.io import link, read_json, write_json
from synth.memory import Machine, probe_machine
from synth.records import Endpoint
from synth.server.address import find_port, reachable
from synth.server.command import IGNORED_ENV, Command
from synth.server.hints import tail

_FOLDER = "SYNTH_SESSION"
_KEY = "SYNTH_SESSION_KEY"
_GRACE_S = 3.0
_LAUNCH_S = 30.0


@dataclass(frozen=True)
class Server:
    """A launched server: where it will answer, and whether it still lives."""

    endpoint: Endpoint
    log_path: Path
    folder: Path
    was_reused: bool
    launched: float
    """When it was launched, by :func:`time.monotonic` of this machine."""

    def poll(self) -> int | None:
        """Return None while the server runs, otherwise its exit code (negative: a signal)."""
        try:
            state = read_json(self.folder / "state.json")
        except FileNotFoundError:
            return -signal.SIGTERM  # stopped: its folder is gone
        if state["returncode"] is None and not _is_alive(state["supervisor"]):
            return -signal.SIGKILL
        code: int | None = state["returncode"]
        return code


@dataclass(frozen=True)
class Session:
    """The servers of one owner; open one with :func:`open_session`."""

    folder: Path
    key: str | None = field(repr=False)
    """API key of its servers; None: they ask for none."""

    @classmethod
    def from_environment(cls) -> "Session":
        """Return the session that this process was started in."""
        return cls(Path(os.environ[_FOLDER]), os.environ.get(_KEY))

    def require(self) -> None:
        """End this process if the session has ended: a worker is of no use without it."""
        if not self.folder.exists():
            raise SystemExit(1)

    @property
    def environment(self) -> dict[str, str]:
        """What :meth:`from_environment` finds it by."""
        return {_FOLDER: str(self.folder)} | ({_KEY: self.key} if self.key else {})

    def machine(self) -> Machine:
        """Return this machine as it was before the session started its first server.

        What a server of the session holds is free for the next one, and equal settings have to
        lead to an equal command, or no server would be used again.
        """
        kept = self.folder / "machine"
        with FileLock(self.folder / "lock"):
            if not kept.exists():
                kept.write_bytes(pickle.dumps(probe_machine()))
            machine: Machine = pickle.loads(kept.read_bytes())  # noqa: S301  (our own, mode 0700)
            return machine

    def acquire(self, command: Command, log_path: Path, beside: Collection[str] = ()) -> Server:
        """Return the session's server for ``command``, launched now unless it runs already.

        It is not ready yet. ``log_path`` gets its log: written there, or linked if it was reused.

        Args:
            beside: fingerprints of servers that it shares the machine with; all others are ended.

        Raises:
            ServerStartError: if the port is taken or the program can't be started.
        """
        with FileLock(self.folder / "lock"):
            if (running := self.find(command)) is not None:
                link_log(running, log_path)
                return running
            for other in self._servers():
                if other.folder.name.partition("-")[0] not in beside:
                    stop(other)  # its memory is needed
            return self._launch(command, log_path)

    def find(self, command: Command) -> Server | None:
        """Return the server that runs for ``command``, if there is one."""
        launched = self._servers(fingerprint(command))
        return next((server for server in launched if server.poll() is None), None)

    def close(self) -> None:
        """End every server of the session."""
        for server in self._servers():
            stop(server)

    def _launch(self, command: Command, log_path: Path) -> Server:
        taken = [urlsplit(other.endpoint.base_url).port for other in self._servers()]
        port = find_port(command.host, command.port, taken)
        name = f"synth-{secrets.token_hex(4)}"
        where = ["--host", command.host, "--port", str(port), "--served-model-name", name]
        # One for each launch: nobody takes a server for the one that came after it.
        folder = self.folder / f"{fingerprint(command)}-{name}"
        folder.mkdir()
        about = {
            "base_url": f"http://{reachable(command.host)}:{port}/v1",
            "model": name,
            "n_slots": command.n_slots,
            "log_path": str(log_path.absolute()),
            "launched": time.monotonic(),
        }
        write_json(folder / "server.json", about)
        spec = {
            "argv": [*command.argv, *where],
            "env": _environment(command) | ({"VLLM_API_KEY": self.key} if self.key else {}),
            "log_path": about["log_path"],
            "folder": str(folder),
            "alive": str(self.folder / "alive"),
            "grace_s": _GRACE_S,
        }
        _start_supervisor(spec, log_path)
        return self._confirm(folder, log_path)

    def _confirm(self, folder: Path, log_path: Path) -> Server:
        """Wait until the supervisor has launched the server, or has failed to."""
        deadline = time.monotonic() + _LAUNCH_S
        while not (folder / "state.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        server = self._load(folder, was_reused=False)
        if server is None:
            raise ServerStartError(
                f"the server's supervisor did not start; see {log_path}",
                str(log_path),
                tail(log_path),
            )
        if error := read_json(folder / "state.json").get("error"):
            raise ServerStartError(
                f"the server could not be started: {error}; check server.command", str(log_path)
            )
        return server

    def _servers(self, name: str = "") -> list[Server]:
        loaded = (self._load(path.parent) for path in self.folder.glob(f"{name}*/state.json"))
        return [server for server in loaded if server is not None]

    def _load(self, folder: Path, *, was_reused: bool = True) -> Server | None:
        if not (folder / "state.json").exists():
            return None
        try:
            about = read_json(folder / "server.json")
        except FileNotFoundError:
            return None  # another process has just stopped it
        return Server(
            endpoint=Endpoint(about["base_url"], about["model"], self.key, about["n_slots"]),
            log_path=Path(about["log_path"]),
            folder=folder,
            was_reused=was_reused,
            launched=about["launched"],
        )


@contextmanager
def open_session(*, with_key: bool = True) -> Iterator[Session]:
    """Own the servers that are started in the session; at the end none is left.

    Args:
        with_key: whether its servers answer only to those who know their key.
    """
    folder = Path(tempfile.mkdtemp(prefix="synth-"))
    # Notebooks may close it in another thread than the one that opened it.
    lock = FileLock(folder / "alive", timeout=0, thread_local=False)
    lock.acquire()
    session = Session(folder, secrets.token_urlsafe(32) if with_key else None)
    try:
        yield session
    finally:
        session.close()
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def link_log(server: Server, log_path: Path) -> None:
    """Let ``log_path`` be the server's log."""
    if server.log_path.exists() and server.log_path != log_path.absolute():
        link(server.log_path, log_path)


def stop(server: Server, *, at_once: bool = False) -> None:
    """End the server and everything it started; return when it is gone.

    Args:
        at_once: give it no time for an orderly end: it has served nobody yet, or hangs.
    """
    try:
        state = read_json(server.folder / "state.json")
    except FileNotFoundError:
        return  # stopped, perhaps by another process
    supervisor = state["supervisor"]
    if state["returncode"] is None:
        with suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGINT if at_once else signal.SIGTERM)
    deadline = time.monotonic() + 2 * _GRACE_S + 5
    while _is_alive(supervisor) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(server.folder, ignore_errors=True)


def fingerprint(command: Command) -> str:
    """Return the same text for commands that lead to the same server."""
    text = json.dumps([command.argv, command.host, command.port, sorted(command.env.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _start_supervisor(spec: dict[str, Any], log_path: Path) -> None:
    log_path.parent.mkdir(parents=True, exist_ok=True)
    if log_path.exists() and log_path.stat().st_nlink > 1:
        log_path.unlink()  # an earlier server's log, which other runs have, too
    with log_path.open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "synth.server.supervisor"],
            input=json.dumps(spec),
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
            check=False,
        )


def _environment(command: Command) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in IGNORED_ENV}
    return own | command.env | command.secret_env


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
