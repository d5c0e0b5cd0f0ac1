"""Is the server ready, is it still alive: asked over HTTP and of its process, never of its log."""

import asyncio
import time
from pathlib import Path

import aiohttp

from synth.errors import ServerDied, ServerStartError, ServerTimeout
from synth.records import Endpoint
from synth.server.hints import cause, hint, tail
from synth.server.lease import Server

_POLL_S = 0.1
_PROBE = aiohttp.ClientTimeout(total=5)


async def wait_until_ready(server: Server, timeout_s: float) -> Endpoint:
    """Return the endpoint once it is healthy and lists our model; look for death first.

    Raises:
        ServerStartError: if the process ended before.
        ServerTimeout: if ``timeout_s`` seconds have passed since the launch.
    """
    deadline = time.monotonic() + timeout_s
    async with aiohttp.ClientSession(timeout=_PROBE) as http:
        while True:
            if (code := server.poll()) is not None:
                message = f"the server ended with code {code} before it was ready"
                raise ServerStartError(*_explain(message, server.log_path))
            if time.monotonic() >= deadline:
                message = f"the server was not ready within server.timeout_s={timeout_s:g}"
                raise ServerTimeout(*_explain(message, server.log_path))
            if await _is_ready(http, server.endpoint):
                return server.endpoint
            await asyncio.sleep(_POLL_S)


async def watch(server: Server) -> None:
    """Return never; raise :class:`ServerDied` when the server's process has ended."""
    while (code := server.poll()) is None:  # noqa: ASYNC110  (nothing tells of its end)
        await asyncio.sleep(_POLL_S)
    message = f"the server ended with code {code} while it was in use"
    raise ServerDied(*_explain(message, server.log_path))


async def _is_ready(http: aiohttp.ClientSession, endpoint: Endpoint) -> bool:
    root = endpoint.base_url.removesuffix("/v1")
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    try:
        async with http.get(f"{root}/health") as reply:
            if reply.status != 200:
                return False
        async with http.get(f"{endpoint.base_url}/models", headers=headers) as reply:
            if reply.status != 200:
                return False
            listed = await reply.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return any(model.get("id") == endpoint.model for model in listed.get("data", []))


def _explain(message: str, log_path: Path) -> tuple[str, str, str]:
    text = tail(log_path, 400)
    last = tail(log_path)
    said = f"It said: {cause(text)}" if cause(text) else f"The end of its log:\n{last}"
    parts = [f"{message}.", hint(text), said, f"\nAll of its log: {log_path}"]
    return " ".join(filter(None, parts)), str(log_path), last
