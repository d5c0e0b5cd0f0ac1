"""Run asynchronous work to its end from ordinary code, also where a loop runs: in a notebook."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from anyio.from_thread import start_blocking_portal

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_async(work: Callable[[], Awaitable[Result]]) -> Result:
    """Return what ``work`` returns; Ctrl-C cancels it.

    In a notebook the cell's own loop can't be entered again, so there it runs in another thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_await(work))
    with start_blocking_portal() as portal:
        return portal.call(work)


async def together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Await all of them; the first error ends the others and is raised."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        for task in asyncio.as_completed(tasks):
            await task
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def iterate_in_thread(
    items: Generator[Item], stop: Callable[[], None]
) -> AsyncGenerator[Item]:
    """Yield what a generator yields that blocks, or takes time.

    All of it runs in one thread, in the context of the caller.

    Args:
        items: it; closed at the end.
        stop: has it come to its next item soon; called when nobody waits for one any more.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    thread = ThreadPoolExecutor(1)

    def advance() -> Item | None:
        return context.run(lambda: next(items, None))

    try:
        while (item := await loop.run_in_executor(thread, advance)) is not None:
            yield item
    finally:
        stop()
        thread.submit(items.close)
        # Not waited for in this thread: the generator may wait for another one of this loop's.
        await asyncio.to_thread(thread.shutdown)


async def _await(work: Callable[[], Awaitable[Result]]) -> Result:
    return await work()
