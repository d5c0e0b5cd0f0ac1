"""Does a server that was ready live, and does it get on: asked of its process and its counters."""

import asyncio
import math
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from synth.errors import ServerDied
from synth.load import Load, read_load
from synth.records import Endpoint
from synth.server.lease import Server
from synth.server.ready import explain

_POLL_S = 0.1
_ASK_S = 5.0
_N_SICK = 3
"""Times in a row that it has to say that it is not well before it is believed."""
_ASK_SICK_S = 1.0
_ANSWER_S = 10.0
_HEALTH = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True)
class Trouble:
    """Why a server that was in use is of no more use."""

    reason: str
    code: int = 0
    """Its exit code; 0: its process runs."""

    def to_error(self, log_path: Path) -> ServerDied:
        """Return the error of a run that ends because of it."""
        return ServerDied(*explain(self.reason, log_path, self.code))


@dataclass
class Patience:
    """How long a server has been waited for without a sign that it gets on.

    One without requests need not get on, and of one without counters nothing is known.
    """

    stall_s: float
    since: float
    last: Load | None = None

    def is_over(self, load: Load | None, now: float) -> bool:
        """Return whether it was too long.

        Args:
            load: what the server has just answered; None: nothing.
        """
        if load is None:
            gets_on = self.last is None
        else:
            gets_on = load.is_idle or self.last is None or load.done != self.last.done
            self.last = load
        if gets_on:
            self.since = now
        return now - self.since >= self.stall_s


async def wait_for_trouble(server: Server, stall_s: float | None) -> Trouble:
    """Return when the server's process has ended, or it does not get on.

    Args:
        stall_s: seconds without progress after which it counts as hung; None = never.
    """
    unwell = asyncio.create_task(_wait_until_unwell(server.endpoint, stall_s or math.inf))
    try:
        while not unwell.done():
            if (trouble := look_at_process(server)) is not None:
                return trouble
            await asyncio.wait({unwell}, timeout=_POLL_S)
        return await unwell
    finally:
        unwell.cancel()
        await asyncio.gather(unwell, return_exceptions=True)


def check_alive(server: Server) -> None:
    """Return if the server's process runs.

    Raises:
        ServerDied: if it has ended.
    """
    if (trouble := look_at_process(server)) is not None:
        raise trouble.to_error(server.log_path)


def look_at_process(server: Server) -> Trouble | None:
    """Return how the server's process has ended; None if it runs."""
    if (code := server.poll()) is None:
        return None
    return Trouble(f"the server ended with code {code} while it was in use", code)


async def says_unwell(endpoint: Endpoint, http: aiohttp.ClientSession) -> bool:
    """Return whether the server answers that it is not well; no answer tells nothing.

    vLLM does so when one of its processes has died, for the seconds until it ends itself.
    """
    url = endpoint.base_url.removesuffix("/v1") + "/health"
    try:
        async with http.get(url, timeout=_HEALTH) as reply:
            return reply.status != 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _wait_until_unwell(endpoint: Endpoint, stall_s: float) -> Trouble:
    every_s = min(_ASK_S, stall_s / 4)
    patience, n_sick = Patience(stall_s, time.monotonic()), 0
    async with aiohttp.ClientSession() as http:
        while True:
            n_sick = n_sick + 1 if await says_unwell(endpoint, http) else 0
            if n_sick == _N_SICK:
                return Trouble("the server runs, but says that it is not well (/health)")
            load = await read_load(endpoint, http, min(_ANSWER_S, stall_s))
            if patience.is_over(load, time.monotonic()):
                return Trouble(_describe(load, stall_s))
            await asyncio.sleep(min(every_s, _ASK_SICK_S) if n_sick else every_s)


def _describe(load: Load | None, stall_s: float) -> str:
    limit = f"for {stall_s:g} s (server.stall_s)"
    if load is None:
        return f"the server runs, but has answered nothing {limit}"
    n_requests = load.n_running + load.n_waiting
    return f"the server runs, but has got on with none of its {n_requests} requests {limit}"
