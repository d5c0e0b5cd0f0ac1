"""A bounded concurrent map over items of which some may fail."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import islice
from typing import TypeVar

from synth.errors import BudgetExceeded, SynthError

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_bounded(
    function: Callable[[Item], Awaitable[Result]], items: Iterable[Item], *, limit: int
) -> AsyncIterator[tuple[Item, Result | SynthError]]:
    """Yield each item with its result, in the order of the items, at most ``limit`` at work.

    A :class:`SynthError` of one item becomes its result; any other exception ends the map. Items
    are taken from the iterable as they are needed, at most ``2 · limit`` ahead of what is yielded.
    Whatever ends the iteration, no task is left behind.
    """
    slots = asyncio.Semaphore(limit)

    async def attempt(item: Item) -> Result | SynthError:
        async with slots:
            try:
                return await function(item)
            except SynthError as error:
                return error

    source = iter(items)
    window: deque[tuple[Item, asyncio.Task[Result | SynthError]]] = deque()
    try:
        while True:
            free = 2 * limit - len(window)
            window.extend(
                (item, asyncio.create_task(attempt(item))) for item in islice(source, free)
            )
            if not window:
                return
            item, task = window[0]
            result = await task
            window.popleft()
            yield item, result
    finally:
        tasks = [task for _, task in window]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class FailureBudget:
    """Ends a run in which too large a share of the items fails."""

    _LEAST = 10  # a share of fewer failures says nothing yet

    def __init__(self, total: int, max_failed_frac: float) -> None:
        self._total = total
        self._most = max(self._LEAST, max_failed_frac * total)
        self.n_failed = 0
        self._first = ""

    def spend(self, message: str) -> None:
        """Count one failure.

        Raises:
            BudgetExceeded: if it is one too many, or if now every item has failed.
        """
        self._first = self._first or message
        self.n_failed += 1
        if self.n_failed > self._most or self.n_failed == self._total:
            raise BudgetExceeded(
                f"{self.n_failed} of {self._total} failed; the first: {self._first}",
                failed=self.n_failed,
                total=self._total,
                first=self._first,
            )
