"""Who asks next, and where: the requests that endpoints work on, shared by the jobs that use them."""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from synth.limit import Limit
from synth.records import Endpoint

Priority = tuple[int, ...]

_ASIDE_AFTER = 3
"""Failures in a row after which an endpoint is set aside."""
_ASIDE_S, _LONGEST_ASIDE_S = 5.0, 60.0


@dataclass(eq=False)
class Station:
    """An endpoint, what it takes, and how it does."""

    endpoint: Endpoint
    limit: Limit
    n_busy: int = 0
    answered_at: float = field(default_factory=time.monotonic)
    """When the last answer came; before the first one, when it was opened."""
    n_failed: int = 0
    """Failures since the last answer."""
    paused_until: float = 0.0
    aside_until: float = 0.0

    def is_aside(self, now: float) -> bool:
        """Return whether it is to have no requests, as long as others take them."""
        return self.n_failed >= _ASIDE_AFTER and (now < self.aside_until or self.n_busy > 0)

    def room(self, now: float) -> int:
        """Return how many more requests it takes."""
        return self.limit.value - self.n_busy if now >= self.paused_until else 0

    def answered(self) -> None:
        """Note an answer: it is in service, again or still."""
        self.answered_at = time.monotonic()
        self.n_failed = 0

    def failed(self, now: float) -> None:
        """Note that a request got no answer; too many set it aside, each time for longer."""
        self.n_failed += 1
        if (more := self.n_failed - _ASIDE_AFTER) >= 0:
            self.aside_until = now + min(_LONGEST_ASIDE_S, _ASIDE_S * 2**more)


@dataclass
class Turn:
    """One request's time at an endpoint; complete when its context has ended."""

    station: Station
    began: float
    """When it had its slot, by :func:`time.monotonic`."""
    latency_s: float = 0.0
    server_s: float = 0.0
    """Its share of the server's time: with n requests at work each second counts 1/n to each."""


@dataclass
class Slots:
    """A semaphore whose lowest priority value goes first, and which knows who used the server.

    Each slot is at a station, the one with the most room. Jobs that run side by side slow each
    other down, so the clock on the wall says nothing of a single one. The shares of all requests
    sum to the time in which there was work, so tokens by share are what a job would have made had
    it been alone (processor sharing).
    """

    stations: Sequence[Station] = ()
    n_busy: int = 0
    _waiting: list[tuple[Priority, int, asyncio.Future[Station]]] = field(default_factory=list)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)
    _shared_s: float = 0.0  # the integral of dt / n_busy
    _updated: float = 0.0
    _alarm: asyncio.TimerHandle | None = None

    @property
    def capacity(self) -> int:
        """How many requests may be in flight now."""
        return sum(station.limit.value for station in self.stations)

    @asynccontextmanager
    async def turn(self, priority: Priority = ()) -> AsyncIterator[Turn]:
        """Hold a slot while the context lasts; wait for one first."""
        ticket = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._count), ticket))
        self.admit()
        try:
            station = await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._leave(ticket.result())
            raise
        shared_s, turn = self._tick(), Turn(station, time.monotonic())
        try:
            yield turn
        finally:
            turn.latency_s = time.monotonic() - turn.began
            turn.server_s = self._tick() - shared_s
            self._leave(station)

    def admit(self) -> None:
        """Let in who waits; to be called when a station may take more than before."""
        while self._waiting and (station := self._free_station()) is not None:
            _, _, ticket = heapq.heappop(self._waiting)
            with suppress(asyncio.InvalidStateError):  # nobody waits for it any more
                ticket.set_result(station)
                self._tick()
                self.n_busy += 1
                station.n_busy += 1

    def _free_station(self) -> Station | None:
        now = time.monotonic()
        if len(self.stations) > 1:
            in_service = [one for one in self.stations if not one.is_aside(now)]
            best = max(in_service or self.stations, key=lambda one: one.room(now))
        elif self.stations:
            best = self.stations[0]
        else:
            return None
        if best.room(now) > 0:
            return best
        self._wake_at(now)
        return None

    def _wake_at(self, now: float) -> None:
        """Look again when a pause ends, whether or not an answer comes before."""
        ends = [one.paused_until for one in self.stations if one.paused_until > now]
        ends += [one.aside_until for one in self.stations if one.aside_until > now]
        if ends and (self._alarm is None or self._alarm.when() < asyncio.get_running_loop().time()):
            self._alarm = asyncio.get_running_loop().call_later(min(ends) - now, self.admit)

    def _leave(self, station: Station) -> None:
        self._tick()
        self.n_busy -= 1
        station.n_busy -= 1
        self.admit()

    def _tick(self) -> float:
        now = time.monotonic()
        if self.n_busy:
            self._shared_s += (now - self._updated) / self.n_busy
        self._updated = now
        return self._shared_s
