"""Is the server ready: asked over HTTP and of its process, never of its log."""

import asyncio
import time
from pathlib import Path

import aiohttp

from synth.errors import ServerOutOfMemory, ServerStartError, ServerTimeout
from synth.records import Endpoint
from synth.server.hints import cause, hint, is_out_of_memory, tail
from synth.server.lease import Server

_POLL_S = 0.1
_PROBE = aiohttp.ClientTimeout(total=5)
_LINES = 400
"""Lines of the log in which a cause is looked for."""


async def wait_until_ready(server: Server, timeout_s: float) -> Endpoint:
    """Return the endpoint once it is healthy and lists our model; look for death first.

    A server that accepts a question and never answers delays neither of the errors.

    Raises:
        ServerOutOfMemory: if the process ended before, and says that memory was why.
        ServerStartError: if it ended before for another reason.
        ServerTimeout: if ``timeout_s`` seconds have passed since the launch.
    """
    deadline = time.monotonic() + timeout_s
    probe = asyncio.create_task(_answer_of(server.endpoint))
    try:
        while not probe.done():
            if (code := server.poll()) is not None:
                raise _start_error(code, server.log_path)
            if time.monotonic() >= deadline:
                message = (
                    f"the server was not ready within server.timeout_s={timeout_s:g}: raise it if "
                    "the log shows progress"
                )
                raise ServerTimeout(*explain(message, server.log_path))
            await asyncio.wait({probe}, timeout=_POLL_S)
        await probe
        return server.endpoint
    finally:
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)


async def is_ready(endpoint: Endpoint) -> bool:
    """Return whether the server is healthy and lists our model, and not somebody else's."""
    async with aiohttp.ClientSession(timeout=_PROBE) as http:
        return await _is_ready(http, endpoint)


def explain(message: str, log_path: Path, code: int = 0) -> tuple[str, str, str]:
    """Return what a :class:`ServerError` is made of: a message with its cause, the log, its end."""
    text = tail(log_path, _LINES)
    last = tail(log_path)
    said = f"It said: {cause(text)}" if cause(text) else f"The end of its log:\n{last}"
    parts = [f"{message}.", hint(text, code), said, f"\nAll of its log: {log_path}"]
    return " ".join(filter(None, parts)), str(log_path), last


async def _answer_of(endpoint: Endpoint) -> None:
    async with aiohttp.ClientSession(timeout=_PROBE) as http:
        while not await _is_ready(http, endpoint):  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(_POLL_S)


async def _is_ready(http: aiohttp.ClientSession, endpoint: Endpoint) -> bool:
    root = endpoint.base_url.removesuffix("/v1")
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
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


def _start_error(code: int, log_path: Path) -> ServerStartError:
    message = f"the server ended with code {code} before it was ready"
    kind = ServerOutOfMemory if is_out_of_memory(tail(log_path, _LINES)) else ServerStartError
    return kind(*explain(message, log_path, code))
