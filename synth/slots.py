"""The requests that one server works on at a time, shared by the jobs that use it."""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

Priority = tuple[int, ...]


@dataclass
class Turn:
    """One request's time at the server; complete when its context has ended."""

    latency_s: float = 0.0
    server_s: float = 0.0
    """Its share of the server's time: with n requests at work each second counts 1/n to each."""


class Slots:
    """A semaphore whose lowest priority value goes first, and which knows who used the server.

    Jobs that run side by side slow each other down, so the clock on the wall says nothing of a
    single one. The shares of all requests sum to the time in which the server had work, so tokens
    by share are what a job would have made had it been alone (processor sharing).
    """

    def __init__(self, capacity: int = 0) -> None:
        self._capacity = capacity
        self._n_busy = 0
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._shared_s = 0.0  # the integral of dt / n_busy
        self._updated = 0.0

    def widen(self, capacity: int) -> None:
        """Have at least ``capacity`` slots."""
        self._capacity = max(self._capacity, capacity)
        self._admit()

    @asynccontextmanager
    async def turn(self, priority: Priority = ()) -> AsyncIterator[Turn]:
        """Hold a slot while the context lasts; wait for one first."""
        ticket = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._count), ticket))
        self._admit()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._leave()
            raise
        turn, begin, shared_s = Turn(), time.monotonic(), self._tick()
        try:
            yield turn
        finally:
            turn.latency_s, turn.server_s = time.monotonic() - begin, self._tick() - shared_s
            self._leave()

    def _admit(self) -> None:
        while self._waiting and self._n_busy < self._capacity:
            _, _, ticket = heapq.heappop(self._waiting)
            with suppress(asyncio.InvalidStateError):  # nobody waits for it any more
                ticket.set_result(None)
                self._tick()
                self._n_busy += 1

    def _leave(self) -> None:
        self._tick()
        self._n_busy -= 1
        self._admit()

    def _tick(self) -> float:
        now = time.monotonic()
        if self._n_busy:
            self._shared_s += (now - self._updated) / self._n_busy
        self._updated = now
        return self._shared_s
