"""Start the server that a run wants, a smaller one when its memory runs out, and again if it dies."""

import asyncio
import itertools
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from synth.config import ServerConfig
from synth.errors import ServerDied, ServerError, ServerOutOfMemory, ServerStartError, ServerTimeout
from synth.records import Endpoint
from synth.server import ready
from synth.server.command import Command
from synth.server.lease import Server, Session, stop
from synth.server.report import Report, read_report
from synth.server.watch import Trouble, says_unwell, wait_for_trouble

log = logging.getLogger(__name__)

_NOTICED_S = 1.0
"""Until a death is seen by its process; a request that breaks off tells of it sooner."""


@dataclass(frozen=True)
class Restart:
    """A start in place of a server that has died, hung, or not got ready."""

    reason: str
    after_s: float
    """Seconds since the launch of the one that it replaces."""


class Launch:
    """One server, launched at once, waited for later, and started again while it is kept.

    ``commands`` is a ladder: the first is what the run wants, each of the others takes less memory
    and is tried when the one before it has run out. A server of the session that runs for any of
    them is used as it is.
    """

    def __init__(
        self,
        session: Session,
        commands: Sequence[Command],
        settings: ServerConfig,
        log_path: Path,
        *,
        name: str = "",
        beside: Collection[str] = (),
    ) -> None:
        """Launch the server, or find it running.

        Args:
            name: what it is called where it is one of several, for people.
            beside: fingerprints of those that it shares the machine with.

        Raises:
            ServerStartError: if the port is taken or the program can't be started.
        """
        running = [number for number, rung in enumerate(commands) if session.find(rung)]
        self._session = session
        self._ladder = list(commands)
        self._rung = running[0] if running else 0
        self._settings = settings
        self._log_path = log_path
        self.name = name
        self._about = f"{name}: " if name else ""
        self._beside = beside
        self.server: Server = session.acquire(self.command, log_path, beside)
        self.steps_down: list[str] = []
        """What was tried before and ran out of memory."""
        self.restarts: list[Restart] = []
        """Those of this launch; other processes that share the server have their own."""
        self.death: ServerDied | None = None
        """Why the server is being started again, or was given up."""
        self._was_ready = asyncio.Event()
        self._readiness: asyncio.Task[Endpoint] | None = None
        self._report: asyncio.Task[Report] | None = None
        self._n_keepers = 0
        self._keeper: asyncio.Task[None] | None = None
        self._vigil: asyncio.Task[Trouble] | None = None

    @property
    def command(self) -> Command:
        """What the server was started with."""
        return self._ladder[self._rung]

    @property
    def was_ready(self) -> bool:
        """Whether the server has answered."""
        return self._was_ready.is_set()

    @property
    def is_ready(self) -> bool:
        """Whether the server answers, as far as it is known."""
        task = self._readiness
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return False
        return self.death is None

    @property
    def is_over(self) -> bool:
        """Whether the server was ready, and was given up or has ended since while nobody kept it."""
        task = self._readiness
        if task is None or not self._was_ready.is_set():
            return False
        if task.done() and (task.cancelled() or task.exception() is not None):
            return True
        return self._keeper is None and self.server.poll() is not None

    async def wait_until_ready(self) -> Endpoint:
        """Return the endpoint when the server answers, stepping down the ladder if need be.

        All who wait get the same answer, or the same error.

        Raises:
            ServerError: as :func:`synth.server.ready.wait_until_ready`; the last one's.
        """
        if self._readiness is None:
            self._readiness = asyncio.create_task(self._wait())
        return await asyncio.shield(self._readiness)

    async def keep(self) -> None:
        """Watch the server from when it is ready, and start it again, for as long as one awaits this.

        All who keep it get the same error.

        Raises:
            ServerDied: if it has died or hung more often than ``server.max_restarts``.
            ServerError: if it can't be started again.
        """
        self._n_keepers += 1
        try:
            await self._was_ready.wait()
            if self._keeper is None:
                self._keeper = asyncio.create_task(self._keep())
            await asyncio.shield(self._keeper)
        finally:
            self._n_keepers -= 1
            if self._n_keepers == 0 and (keeper := self._keeper) is not None:
                self._keeper = self._vigil = None
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)

    async def renew(self, failed: Endpoint) -> Endpoint:
        """Return where to send again what broke off at ``failed``, when it can be sent.

        That is ``failed`` itself if its server lives. Somebody has to keep the server.

        Raises:
            ServerError: as :meth:`keep`.
        """
        if failed == self.server.endpoint:
            await self.look_after()
        return await self.wait_until_ready()

    async def look_after(self) -> ServerDied | None:
        """Return why the server is being started again or was given up, None if it lives.

        A death that has just happened is waited for until it is noticed, and so is that of a server
        that says it is not well.
        """
        if (vigil := self._vigil) is not None:
            async with aiohttp.ClientSession() as http:
                await asyncio.wait({vigil}, timeout=_NOTICED_S)
                while not vigil.done() and await says_unwell(self.server.endpoint, http):
                    await asyncio.wait({vigil}, timeout=_NOTICED_S)
        return self.death

    async def read_report(self) -> Report:
        """Return what the server has said of itself when it was ready; it is asked once."""
        if self._report is None:
            self._report = asyncio.create_task(read_report(self.server.endpoint))
        return await asyncio.shield(self._report)

    def follow(self) -> Endpoint:
        """Return where the server is now, whoever in the session has started it again."""
        self.server = self._session.find(self.command) or self.server
        return self.server.endpoint

    async def _wait(self) -> Endpoint:
        while True:
            try:
                endpoint = await ready.wait_until_ready(self.server, self._settings.timeout_s)
            except ServerTimeout:
                await asyncio.to_thread(stop, self.server, at_once=True)
                raise
            except ServerOutOfMemory as error:
                if self._rung + 1 == len(self._ladder):
                    raise
                await self._step_down(error)
            else:
                self._was_ready.set()
                return endpoint

    async def _step_down(self, error: ServerOutOfMemory) -> None:
        failed = self.command
        self.steps_down.append(failed.takes)
        self._rung += 1
        log.warning(
            "serve     %sout of memory with %s; trying %s. %s",
            self._about,
            failed.takes,
            self.command.takes,
            str(error).splitlines()[0],
        )
        self._put_log_aside()
        self.server = await asyncio.to_thread(self._acquire)

    async def _keep(self) -> None:
        while True:
            watch = wait_for_trouble(self.server, self._settings.stall_s)
            self._vigil = asyncio.create_task(watch)
            trouble = await self._vigil
            # Put aside before anybody is told where it is.
            log_path = self._put_log_aside() if self._may_restart() else self.server.log_path
            self.death = trouble.to_error(log_path)
            self._readiness = asyncio.create_task(self._restart(trouble, self.death))
            await self._readiness

    async def _restart(self, trouble: Trouble, error: ServerError) -> Endpoint:
        """Start the server again until it is ready; raise the last error when that is given up."""
        reason = trouble.reason
        while True:
            await asyncio.to_thread(stop, self.server, at_once=True)  # what is left of it
            if not self._may_restart():
                raise error
            self._put_log_aside()
            try:
                await self._start_again(reason)
                endpoint = await ready.wait_until_ready(self.server, self._settings.timeout_s)
            except ServerError as failure:
                error, reason = failure, str(failure).splitlines()[0]
            else:
                self.death = None
                return endpoint

    def _may_restart(self) -> bool:
        if len(self.restarts) < self._settings.max_restarts:
            return True
        return self._session.find(self.command) is not None  # another process has done it

    async def _start_again(self, reason: str) -> None:
        after_s = round(time.monotonic() - self.server.launched, 3)
        try:
            server = await asyncio.to_thread(self._acquire)
        except ServerStartError:
            self._count(Restart(reason, after_s))
            raise
        if server.was_reused:
            log.info("serve     another process has started the server again")
        else:
            self._count(Restart(reason, after_s))
        self.server = server

    def _acquire(self) -> Server:
        return self._session.acquire(self.command, self._log_path, self._beside)

    def _count(self, restart: Restart) -> None:
        self.restarts.append(restart)
        log.warning(
            "serve     %s%s; starting it again (%d of %d)",
            self._about,
            restart.reason,
            len(self.restarts),
            self._settings.max_restarts,
        )

    def _put_log_aside(self) -> Path:
        """Return where the log is kept; a cause must not be found in the words of an older server."""
        names = (self._log_path.with_suffix(f".{n}.log") for n in itertools.count(1))
        kept = next(path for path in names if not path.exists())
        if self._log_path.exists():
            self._log_path.replace(kept)
        return kept
