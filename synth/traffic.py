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
_LOOK_S = 0.5
"""Between looks at which endpoints there are."""

Renew = Callable[[Endpoint], Awaitable[Endpoint]]
Find = Callable[[], Awaitable[Sequence[Endpoint]]]


@dataclass(frozen=True)
class Route:
    """Where the requests of a job may go."""

    endpoints: Sequence[Endpoint]
    renew: Renew | None = None
    """Returns where a request is to be sent again that broke off at the endpoint that is given."""
    find: Find | None = None
    """Returns the endpoints of the moment, where they come and go."""


class Traffic:
    """Opened by the first job that knows where to; use it as an async context manager."""

    def __init__(self) -> None:
        self.slots = Slots()
        self._route = Route(())
        self._concurrency = 0
        """The most that a job has asked for; 0: none has."""
        self._is_unbounded = False
        """Whether a job takes what the endpoints do."""
        self._tasks: list[asyncio.Task[None]] = []

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.close()

    def open(self, route: Route, concurrency: int | None) -> None:
        """Let requests go to the endpoints of ``route``; a second job changes only how many.

        Args:
            concurrency: most requests of one job in flight; None: what the endpoints take.
        """
        self._route = route
        self._concurrency = max(self._concurrency, concurrency or 0)
        self._is_unbounded |= not concurrency
        self._seat(route.endpoints)
        for station in self.slots.stations:
            station.limit.raise_most(self._most(station.endpoint))
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._poll()), asyncio.create_task(self._follow())]
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
        """Return whether what broke off at ``failed`` is to go elsewhere; wait until it can.

        That is so when its server was replaced, or is no more among those that there are.
        """
        if self._route.renew is None:
            return False
        endpoint = await self._route.renew(failed)
        if self._route.find is not None:
            await self._look(self._route.find)
            return station not in self.slots.stations
        if endpoint == failed:
            return False
        if station.endpoint == failed:
            station.endpoint, station.n_failed = endpoint, 0
        return True

    async def _poll(self) -> None:
        """Ask the endpoints for their load, as long as there are requests."""
        while True:
            await asyncio.sleep(_POLL_S)
            for station in [one for one in self.slots.stations if one.n_busy]:
                load = await read_load(station.endpoint, self.http)
                if load is not None:
                    station.limit.reported(load, station.n_busy)
            self.slots.admit()

    async def _follow(self) -> None:
        """Look which endpoints there are, where they come and go."""
        while True:
            if self._route.find is not None:
                await self._look(self._route.find)
            await asyncio.sleep(_LOOK_S)

    async def _look(self, find: Find) -> None:
        self._seat(await find())
        self.slots.admit()

    def _seat(self, endpoints: Sequence[Endpoint]) -> None:
        """Let there be a station for each endpoint; one that is there keeps what it has learned."""
        if self.slots.stations and self._route.find is None:
            return  # a second job on the same ones, of which a server may have been replaced
        known = {station.endpoint: station for station in self.slots.stations}
        self.slots.stations = [known.get(one) or self._new_station(one) for one in endpoints]
        for endpoint in known.keys() - set(endpoints):
            log.info("generate  %s gets no more requests", endpoint.base_url)
        if known and (new := [one for one in endpoints if one not in known]):
            log.info("generate  %s takes requests, too", ", ".join(one.base_url for one in new))

    def _new_station(self, endpoint: Endpoint) -> Station:
        first = _first_limit(endpoint, self._share())
        return Station(endpoint, Limit(first, self._most(endpoint)))

    def _most(self, endpoint: Endpoint) -> int:
        """Return the most requests that may be in flight to an endpoint."""
        slots = endpoint.n_slots or 0
        unasked = max(MOST, slots + headroom(slots)) if self._is_unbounded else 1
        return max(self._share(), unasked)

    def _share(self) -> int:
        """Return an endpoint's share of what is asked for: all of it, where the others may leave."""
        n = 1 if self._route.find is not None else len(self._route.endpoints)
        return -(-self._concurrency // n)


def _first_limit(endpoint: Endpoint, asked: int) -> int:
    """Return what to begin with: what the endpoint says that it takes, or what was asked for."""
    slots = endpoint.n_slots
    return slots + headroom(slots) if slots else asked or START
