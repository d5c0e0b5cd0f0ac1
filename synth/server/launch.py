"""Start the server that a run wants, and a smaller one when its memory runs out.

Jobs that run side by side and want the same server share one :class:`Launch`.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from synth.errors import ServerOutOfMemory, ServerTimeout
from synth.records import Endpoint
from synth.server import ready
from synth.server.command import Command
from synth.server.lease import Server, Session, fingerprint, stop
from synth.server.report import Report, read_report

log = logging.getLogger(__name__)


class Launch:
    """One server, launched at once and waited for later.

    ``commands`` is a ladder: the first is what the run wants, each of the others takes less memory
    and is tried when the one before it has run out. A server of the session that runs for any of
    them is used as it is.
    """

    def __init__(self, session: Session, commands: Sequence[Command], log_path: Path) -> None:
        """Launch the server, or find it running.

        Raises:
            ServerStartError: if the port is taken or the program can't be started.
        """
        running = [number for number, rung in enumerate(commands) if session.find(rung)]
        self._session = session
        self._ladder = list(commands)
        self._rung = running[0] if running else 0
        self._log_path = log_path
        self.server: Server = session.acquire(self.command, log_path)
        self.steps_down: list[str] = []
        """What was tried before and ran out of memory."""
        self._readiness: asyncio.Task[Endpoint] | None = None
        self._report: asyncio.Task[Report] | None = None

    @property
    def command(self) -> Command:
        """What the server was started with."""
        return self._ladder[self._rung]

    @property
    def is_over(self) -> bool:
        """Whether the server was ready and has ended since."""
        task = self._readiness
        is_ready = (
            task is not None and task.done() and not task.cancelled() and not task.exception()
        )
        return is_ready and self.server.poll() is not None

    async def wait_until_ready(self, timeout_s: float) -> Endpoint:
        """Return the endpoint when the server answers, stepping down the ladder if need be.

        All who wait get the same answer, or the same error.

        Args:
            timeout_s: longest wait for each server of the ladder.

        Raises:
            ServerError: as :func:`synth.server.ready.wait_until_ready`; the last one's.
        """
        if self._readiness is None:
            self._readiness = asyncio.create_task(self._wait(timeout_s))
        return await asyncio.shield(self._readiness)

    async def read_report(self) -> Report:
        """Return what the server has said of itself when it was ready; it is asked once."""
        if self._report is None:
            self._report = asyncio.create_task(read_report(self.server.endpoint))
        return await asyncio.shield(self._report)

    async def _wait(self, timeout_s: float) -> Endpoint:
        while True:
            try:
                return await ready.wait_until_ready(self.server, timeout_s)
            except ServerTimeout:
                await asyncio.to_thread(stop, self.server, at_once=True)
                raise
            except ServerOutOfMemory as error:
                if self._rung + 1 == len(self._ladder):
                    raise
                await self._step_down(error)

    async def _step_down(self, error: ServerOutOfMemory) -> None:
        failed = self.command
        self.steps_down.append(failed.takes)
        self._rung += 1
        log.warning(
            "serve     out of memory with %s; trying %s. %s",
            failed.takes,
            self.command.takes,
            str(error).splitlines()[0],
        )
        # The next one writes a log of its own: a cause must not be found in an older one's words.
        kept = self._log_path.with_suffix(f".{self._rung}{self._log_path.suffix}")
        self._log_path.replace(kept)
        self.server = await asyncio.to_thread(self._session.acquire, self.command, self._log_path)


class Launches:
    """The launches of jobs that run side by side; one for all that want the same server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._launches: dict[str, Launch] = {}

    def get(self, commands: Sequence[Command], log_path: Path) -> tuple[Launch, bool]:
        """Return the launch for these commands, and whether another job has asked for it before.

        A server that could not start is not started again for the next job; one that has died
        in use is.

        Raises:
            ServerStartError: as :class:`Launch`.
        """
        key = fingerprint(commands[0])
        if (known := self._launches.get(key)) is not None and not known.is_over:
            return known, True
        self._launches[key] = Launch(self._session, commands, log_path)
        return self._launches[key], False
