"""The requests of all jobs that use the same endpoints: how many, where to, and on what connections."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from synth.limit import Limit, headroom
from synth.load import read_load
from synth.records import Endpoint
from synth.slots import Slots, Station, Turn

log = logging.getLogger(__name__)

START = 64
"""Requests in flight to an endpoint that does not say how many it takes, at first."""
MOST = 1024
"""Requests of a job that may be in flight, unless it asks for more."""
_POLL_S = 2.0

Renew = Callable[[Endpoint], Awaitable[Endpoint]]


@dataclass(frozen=True)
class Route:
    """Where the requests of a job may go."""

    endpoints: Sequence[Endpoint]
    renew: Renew | None = None
    """Returns where a request is to be sent again that broke off at the endpoint that is given."""


class Traffic:
    """Opened by the first job that knows where to; use it as an async context manager."""

    def __init__(self) -> None:
        self.slots = Slots()
        self._renew: Renew | None = None
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # The slots bound the connections. One host's may be many: a limit would queue them again.
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self.http.close()

    def open(self, route: Route, concurrency: int | None) -> None:
        """Let requests go to the endpoints of ``route``; a second job changes only how many.

        Args:
            concurrency: most requests of one job in flight; None: what the endpoints take.
        """
        self._renew = route.renew
        asked = -(-concurrency // len(route.endpoints)) if concurrency else None
        most = asked or MOST
        if not self.slots.stations:
            self.slots.stations = [
                Station(endpoint, Limit(_first_limit(endpoint, asked), most))
                for endpoint in route.endpoints
            ]
            self._polling = asyncio.create_task(self._poll())
        for station in self.slots.stations:
            station.limit.raise_most(most)
        self.slots.admit()

    def answered(self, turn: Turn) -> None:
        """Learn that a request was answered."""
        station = turn.station
        is_full = station.n_busy + 1 >= station.limit.value  # this one has left its slot already
        station.limit.answered(turn.began, time.monotonic(), is_full=is_full)
        station.answered()
        self.slots.admit()

    def refused(self, turn: Turn, pause_s: float) -> None:
        """Learn that a request was one too many, and for how long there is to be none."""
        station, now = turn.station, time.monotonic()
        station.limit.refused(turn.began, now)
        station.paused_until = max(station.paused_until, now + pause_s)
        self.slots.admit()

    def failed(self, turn: Turn) -> None:
        """Learn that a request got no answer."""
        station, was_aside = turn.station, turn.station.is_aside(time.monotonic())
        station.failed(time.monotonic())
        if len(self.slots.stations) > 1 and not was_aside and station.is_aside(time.monotonic()):
            log.warning("generate  %s is set aside: it does not answer", station.endpoint.base_url)
        self.slots.admit()

    async def renew(self, station: Station, failed: Endpoint) -> bool:
        """Return whether the server behind ``failed`` was replaced; wait until that is done."""
        if self._renew is None:
            return False
        endpoint = await self._renew(failed)
        if endpoint == failed:
            return False
        if station.endpoint == failed:
            station.endpoint, station.n_failed = endpoint, 0
        return True

    async def _poll(self) -> None:
        """Ask the endpoints for their load, as long as there are requests."""
        stations = list(self.slots.stations)
        while stations:
            await asyncio.sleep(_POLL_S)
            for station in [one for one in stations if one.n_busy]:
                load = await read_load(station.endpoint, self.http)
                if load is not None:
                    station.limit.reported(load, station.n_busy)
            self.slots.admit()


def _first_limit(endpoint: Endpoint, asked: int | None) -> int:
    """Return what to begin with: what the endpoint says that it takes, or what was asked for."""
    slots = endpoint.n_slots  # of each engine of a data-parallel server, which takes more
    return slots + headroom(slots) if slots else asked or START
