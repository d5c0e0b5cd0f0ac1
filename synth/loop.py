"""Run asynchronous work to its end from ordinary code, also where a loop runs: in a notebook."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

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


async def _await(work: Callable[[], Awaitable[Result]]) -> Result:
    return await work()
