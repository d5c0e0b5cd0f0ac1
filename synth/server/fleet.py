"""Servers of the same settings side by side, each on its part of the machine.

Work begins when the first of them is ready, and the others join when they are. Each is started
again by the rules of one server (:class:`synth.server.launch.Launch`), while the others go on; one
that is given up is done without, and with the last of them the run ends. Jobs that run side by side
and want the same servers share one :class:`Fleet`.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.config import ServerConfig
from synth.errors import ServerDied, ServerError
from synth.memory import Expected
from synth.records import Endpoint
from synth.server.command import Command
from synth.server.launch import Launch
from synth.server.lease import Session, fingerprint, link_log
from synth.server.report import Report, merge_reports, read_report
from synth.server.watch import check_alive

log = logging.getLogger(__name__)

Ladder = Sequence[Command]


class Fleet:
    """One server or several, launched at once; each of ``ladders`` is that of one server."""

    def __init__(
        self,
        session: Session,
        ladders: Sequence[Ladder],
        settings: ServerConfig,
        log_path: Path,
    ) -> None:
        """Launch the servers, or find them running.

        Args:
            log_path: of the first one's log; the others have a number in its name.

        Raises:
            ServerStartError: if a port is taken or the program can't be started.
        """
        beside = frozenset(fingerprint(rung) for ladder in ladders for rung in ladder)
        names = [f"server {n} of {len(ladders)}" for n in range(1, 1 + len(ladders))]
        self.launches = [
            Launch(
                session,
                ladder,
                settings,
                number_path(log_path, number),
                name=name if len(ladders) > 1 else "",
                beside=beside - {fingerprint(rung) for rung in ladder},
            )
            for number, (ladder, name) in enumerate(zip(ladders, names, strict=True), 1)
        ]
        self._lost: dict[Launch, ServerError] = {}

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        """Where servers answer now."""
        return tuple(launch.server.endpoint for launch in self.launches if launch.is_ready)

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where the servers are or were that are not given up; of all if all are."""
        kept = [one for one in self.launches if one not in self._lost]
        return [one.server.endpoint for one in kept or self.launches]

    @property
    def lost(self) -> list[str]:
        """Why servers were given up."""
        return [str(error).splitlines()[0] for error in self._lost.values()]

    @property
    def is_over(self) -> bool:
        """Whether servers were ready, and none is left."""
        is_left = [one for one in self.launches if one not in self._lost and not one.is_over]
        return not is_left and any(one.was_ready for one in self.launches)

    @property
    def was_reused(self) -> bool:
        """Whether all servers were there already."""
        return all(one.server.was_reused for one in self.launches)

    @property
    def launched(self) -> float:
        """When the first of the servers was launched that run now, by :func:`time.monotonic`."""
        return min(one.server.launched for one in self.launches)

    @property
    def expected(self) -> Expected | None:
        """What the servers that answer should report together."""
        told = [one.command.expected for one in self.launches if one.is_ready]
        first = next(iter(told), None)
        # By the ladder they may differ a little; the figures of one are those of a start.
        return first.times(len(told)) if first else None

    async def wait_until_ready(self) -> Endpoint:
        """Return the first endpoint that answers; the others come into :attr:`ready` later.

        Raises:
            ServerError: if none of the servers gets ready: why the last one did not.
        """
        tasks = [asyncio.create_task(one.wait_until_ready()) for one in self.launches]
        error: ServerError | None = None
        try:
            for task in asyncio.as_completed(tasks):
                try:
                    return await task
                except ServerError as failure:
                    error = failure
        finally:
            await _end(tasks)
        assert error is not None
        raise error

    async def wait_for_all(self) -> Endpoint:
        """Return the endpoint of the first that answers when all do, but those that are given up.

        Raises:
            ServerError: as :meth:`wait_until_ready`.
        """
        for launch in self.launches:
            try:
                await launch.wait_until_ready()
            except ServerError as error:
                self._lose(launch, error)
        return await self.wait_until_ready()

    async def keep(self) -> None:
        """Keep the servers running for as long as one awaits this.

        Raises:
            ServerError: if the last of them is given up that was ready: why.
        """
        keepers = [asyncio.create_task(self._keep(one)) for one in self.launches]
        try:
            await asyncio.gather(*keepers)
            await asyncio.Event().wait()  # none was ready: who waits for that has the error
        finally:
            await _end(keepers)

    async def renew(self, failed: Endpoint) -> Endpoint:
        """Return where to send again what broke off at ``failed``, when it can be sent.

        That is ``failed`` itself if its server lives, and otherwise the first that is ready: at
        once if others are. Somebody has to keep the servers.

        Raises:
            ServerError: if no server is left.
        """
        for launch in self.launches:
            if launch.server.endpoint == failed and await launch.look_after() is None:
                return await launch.wait_until_ready()
        return await self.wait_until_ready()

    async def look_after(self) -> ServerDied | None:
        """Return why the servers are being started again or were given up, None if one lives."""
        deaths = await asyncio.gather(*(one.look_after() for one in self.launches))
        return deaths[0] if all(deaths) else None

    async def read_first_report(self) -> Report:
        """Return what the servers that answer said of themselves when they were ready."""
        ready = [one for one in self.launches if one.is_ready]
        return merge_reports(await asyncio.gather(*(one.read_report() for one in ready)))

    async def read_report(self) -> Report:
        """Return what the servers that answer say of themselves, together."""
        return merge_reports(await asyncio.gather(*map(read_report, self.ready)))

    def link_logs(self, log_path: Path) -> None:
        """Let the servers' logs be at ``log_path`` and beside it, too."""
        for number, launch in enumerate(self.launches, 1):
            link_log(launch.server, number_path(log_path, number))

    def check_alive(self) -> None:
        """Return if the process of a server runs.

        Raises:
            ServerDied: if none does.
        """
        if all(one.server.poll() is not None for one in self.launches):
            check_alive(self.launches[0].server)

    def follow(self) -> Endpoint:
        """Return where a server is now, whoever in the session has started it again."""
        servers = [launch.follow() for launch in self.launches]
        alive = [one.server.endpoint for one in self.launches if one.server.poll() is None]
        return (alive or servers)[0]

    async def _keep(self, launch: Launch) -> None:
        try:
            if len(self.launches) > 1:
                await launch.wait_until_ready()
            await launch.keep()
        except ServerError as error:
            self._lose(launch, error)
            n_left = len(self.launches) - len(self._lost)
            if not n_left and any(one.was_ready for one in self.launches):
                raise

    def _lose(self, launch: Launch, error: ServerError) -> None:
        if launch in self._lost:
            return  # another job has said so
        self._lost[launch] = error
        if n_left := len(self.launches) - len(self._lost):
            reason = str(error).splitlines()[0]
            log.warning("serve     %s is given up, %d left: %s", launch.name, n_left, reason)


class Launches:
    """The fleets of jobs that run side by side; one for all that want the same servers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fleets: dict[str, Fleet] = {}

    def get(
        self, ladders: Sequence[Ladder], settings: ServerConfig, log_path: Path
    ) -> tuple[Fleet, bool]:
        """Return the fleet for these commands, and whether another job has asked for it before.

        Servers that could not start are not started again for the next job; those that were given
        up in use are, when none is left.

        Raises:
            ServerStartError: as :class:`Fleet`.
        """
        key = fingerprint(ladders[0][0])
        if (known := self._fleets.get(key)) is not None and not known.is_over:
            return known, True
        self._fleets[key] = Fleet(self._session, ladders, settings, log_path)
        return self._fleets[key], False


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def number_path(log_path: Path, number: int) -> Path:
    """Return the path of the log of a fleet's server, counted from 1.

    What such a server's predecessors said is in ``server.1.log`` or ``server-2.1.log``.
    """
    return log_path if number == 1 else log_path.with_stem(f"{log_path.stem}-{number}")
