"""A bounded concurrent map over items of which some may fail, and which may be still to come."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from synth.errors import OF_AN_ITEM, BudgetExceeded, SynthError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Total:
    """How many items there are: so far, or in all."""

    n: int = 0
    is_final: bool = False


async def map_unordered(
    function: Callable[[Item], Awaitable[Result]], items: AsyncIterable[Item], *, limit: int
) -> AsyncGenerator[tuple[Item, Result | SynthError]]:
    """Yield each item with its result, as they come, at most ``limit`` at work.

    An error of one item (:data:`synth.errors.OF_AN_ITEM`) becomes its result; any other exception
    ends the map. Items are taken from the iterable when they are needed, and no more are at work
    than are taken away. Whatever ends the iteration, no task is left behind.
    """
    crew = _Crew(function, aiter(items), limit)
    crew.grow()
    try:
        while crew.n_at_work:
            entry = await crew.done.get()
            if isinstance(entry, Exception):
                raise entry
            if entry is None:
                crew.n_at_work -= 1
            else:
                yield entry
    finally:
        await crew.dismiss()


class _Crew(Generic[Item, Result]):
    """Tasks that take items until there are none left."""

    def __init__(
        self, function: Callable[[Item], Awaitable[Result]], items: AsyncIterator[Item], limit: int
    ) -> None:
        self._function, self._items, self._limit = function, items, limit
        self._turn = asyncio.Lock()  # an async generator has one taker at a time
        self._tasks: list[asyncio.Task[None]] = []
        self.n_at_work = 0
        self.done: asyncio.Queue[tuple[Item, Result | SynthError] | Exception | None]
        self.done = asyncio.Queue(limit)
        """Results; None for each task that has ended, or what ended it."""

    def grow(self) -> None:
        """Begin one more task, if there may be one."""
        if len(self._tasks) < self._limit:
            self.n_at_work += 1
            self._tasks.append(asyncio.create_task(self._work()))

    async def dismiss(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        end = None
        try:
            while True:
                async with self._turn:
                    item = await anext(self._items)
                self.grow()
                await self.done.put((item, await self._attempt(item)))
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001  (raised where the results are taken)
            end = error
        await self.done.put(end)

    async def _attempt(self, item: Item) -> Result | SynthError:
        try:
            return await self._function(item)
        except OF_AN_ITEM as error:
            return error


class FailureBudget:
    """Ends a run in which too large a share of the items fails."""

    _LEAST = 10  # a share of fewer failures says nothing yet

    def __init__(self, total: Total, max_failed_frac: float) -> None:
        """Begin with no failure; as long as ``total`` grows, the share is of those so far."""
        self._total, self._max_failed_frac = total, max_failed_frac
        self.n_failed = 0
        self._first = ""

    def spend(self, message: str) -> None:
        """Count one failure.

        Raises:
            BudgetExceeded: if it is one too many, or if now every item has failed.
        """
        self._first = self._first or message
        self.n_failed += 1
        self.check()

    def check(self) -> None:
        """Look again, when the total is known.

        Raises:
            BudgetExceeded: as :meth:`spend`.
        """
        total, most = self._total, max(self._LEAST, self._max_failed_frac * self._total.n)
        have_all_failed = total.is_final and self.n_failed == total.n > 0
        if self.n_failed > most or have_all_failed:
            raise BudgetExceeded(
                f"{self.n_failed} of {total.n} failed; the first: {self._first}",
                failed=self.n_failed,
                total=total.n,
                first=self._first,
            )
