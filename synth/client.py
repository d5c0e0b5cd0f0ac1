"""Requests to OpenAI-compatible endpoints.

Retries live here and nowhere else, and only of :class:`synth.errors.TransientError`. They are a loop of
ours and no library's: whether a failure counts depends on how the endpoint does meanwhile, and a
library took 0.2 ms of each request. aiohttp because its pool holds hundreds of connections: measured
at 440 requests/s where httpx reached 31.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from synth.errors import ClientError, ReplyError, RequestRejected, TransientError
from synth.records import Endpoint, Reply, Usage
from synth.slots import Priority, Station, Turn
from synth.traffic import Traffic

_LONGEST_BACKOFF_S = 30.0
_LONGEST_PAUSE_S = 300.0
"""An endpoint that asks for a longer one is asked again nevertheless."""
_TOO_MANY = (429, 503)
_PATIENCE_S = 60.0
"""An endpoint that has only refused for so long is not just busy."""


class Client:
    """Asks the endpoints of a :class:`synth.traffic.Traffic`, whichever is free."""

    def __init__(
        self,
        traffic: Traffic,
        *,
        timeout_s: float,
        max_retries: int,
        concurrency: int | None = None,
    ) -> None:
        """Ask by ``traffic``.

        Args:
            concurrency: most requests of this client in flight; None: what the endpoints take.
            timeout_s: longest wait for one reply.
            max_retries: tries after the first; those that tell of a server that is restarting, or
                busy with other requests, are not counted.
        """
        self._traffic = traffic
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=30)
        self._max_retries = max_retries
        self._gate = asyncio.Semaphore(concurrency) if concurrency else nullcontext()

    async def complete(
        self, messages: list[dict[str, str]], priority: Priority = (), **parameters: Any
    ) -> Reply:
        """Ask for one chat completion; ``parameters`` go into the request's body.

        Raises:
            TransientError: if the last try failed, too.
            RequestRejected: if the endpoint refused the request.
            ReplyError: if it answered with something that is no chat completion.
        """
        due, body = time.monotonic(), {"messages": messages, **parameters}
        n_tries, n_left = 0, self._max_retries
        while True:
            n_tries += 1
            try:
                # The gate comes first: who waits there is behind those who have waited for longer.
                async with self._gate, self._traffic.slots.turn(priority) as turn:
                    attempt = _Try(turn, self._traffic)
                    answer = await self._send(turn.station, body)
            except TransientError as error:
                is_free = await attempt.learn_from(error)
                n_left -= not is_free
                if n_left < 0:
                    raise
                await asyncio.sleep(_pause_s(error, n_tries, is_free=is_free))
            else:
                self._traffic.answered(turn)
                return _reply_of(answer, turn, due, n_tries)

    async def _send(self, station: Station, body: dict[str, Any]) -> Any:
        return await send(
            self._traffic.http,
            station.endpoint,
            "/chat/completions",
            body={"model": station.endpoint.model, **body},
            wait=self._timeout,
        )


class _Try:
    """One time that a request is sent, and what its failure tells of the endpoint."""

    def __init__(self, turn: Turn, traffic: Traffic) -> None:
        self._turn, self._traffic = turn, traffic
        self._endpoint = turn.station.endpoint

    async def learn_from(self, error: TransientError) -> bool:
        """Return whether the failure is to cost no try; wait for a server that is started again.

        It costs none when the server is another one now, or only busy with others of our requests.
        """
        station = self._turn.station
        if error.status in _TOO_MANY:
            self._traffic.refused(self._turn, min(error.retry_after_s or 0.0, _LONGEST_PAUSE_S))
            is_alone = station.n_busy == 0 and station.answered_at < self._turn.began
            return not is_alone and time.monotonic() - station.answered_at < _PATIENCE_S
        self._traffic.failed(self._turn)
        return await self._traffic.renew(station, self._endpoint)


def _pause_s(error: TransientError, n_tries: int, *, is_free: bool) -> float:
    """Return how long to wait; where the server is new or the station pauses, that is enough."""
    is_refused, wish_s = error.status in _TOO_MANY, error.retry_after_s
    if (is_refused and wish_s is not None) or (is_free and not is_refused):
        return 0.0
    if wish_s is not None:
        return min(wish_s, _LONGEST_PAUSE_S)
    return random.uniform(0, min(_LONGEST_BACKOFF_S, 2.0 ** (n_tries - 2)))  # noqa: S311


async def list_models(endpoint: Endpoint, timeout_s: float) -> list[str]:
    """Return the names of the models that an endpoint serves.

    Raises:
        ClientError: if it does not answer.
        ReplyError: if it answers with something else.
    """
    async with aiohttp.ClientSession() as http:
        wait = aiohttp.ClientTimeout(total=timeout_s)
        reply = await send(http, endpoint, "/models", wait=wait)
    try:
        return [model["id"] for model in reply["data"]]
    except (LookupError, TypeError) as error:
        raise ReplyError("the reply is no list of models", json.dumps(reply)) from error


async def send(
    http: aiohttp.ClientSession,
    endpoint: Endpoint,
    path: str,
    *,
    wait: aiohttp.ClientTimeout,
    body: dict[str, Any] | None = None,
) -> Any:
    """Send one request, once (POST if it has a body), and return the JSON of the reply.

    Raises:
        TransientError: if another try may succeed.
        RequestRejected: if it can't.
    """
    url = endpoint.base_url + path
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    method = "GET" if body is None else "POST"
    async with (
        _translated(url),
        http.request(method, url, json=body, headers=headers, timeout=wait) as reply,
    ):
        text = await reply.text(errors="replace")
        if reply.status >= 400:
            raise _refusal(reply, _without(endpoint.api_key, text), url)
        return json.loads(text)


@asynccontextmanager
async def _translated(url: str) -> AsyncIterator[None]:
    """Turn what aiohttp raises into errors of ours; the one place where that is done."""
    try:
        yield
    except aiohttp.InvalidURL as error:
        raise RequestRejected(f"{url} is no URL that can be asked", url=url) from error
    except TimeoutError as error:
        raise TransientError(f"{url} did not answer in time", url=url) from error
    except aiohttp.ClientError as error:
        raise TransientError(f"{url} can't be reached: {error}", url=url) from error
    except json.JSONDecodeError as error:
        raise TransientError(f"{url} answered with no JSON", url=url, status=200) from error


def _reply_of(reply: Any, turn: Turn, due: float, n_tries: int) -> Reply:
    try:
        choice = reply["choices"][0]
        return Reply(
            text=choice["message"]["content"] or "",
            finish_reason=choice.get("finish_reason") or "",
            usage=_usage_of(reply.get("usage") or {}),
            queue_s=turn.began - due,
            latency_s=turn.latency_s,
            server_s=turn.server_s,
            n_retries=n_tries - 1,
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ReplyError("the reply is no chat completion", json.dumps(reply)) from error


def _refusal(reply: aiohttp.ClientResponse, text: str, url: str) -> ClientError:
    message = f"{url} answered {reply.status}: {_message_in(text)}"
    if reply.status == 429 or reply.status >= 500:
        pause_s = _seconds_of(reply.headers.get("Retry-After", ""))
        return TransientError(
            message, url=url, status=reply.status, body=text, retry_after_s=pause_s
        )
    return RequestRejected(message, url=url, status=reply.status, body=text)


def _without(key: str | None, text: str) -> str:
    """Return what an endpoint says, without the key if it repeats it: errors are shown and kept."""
    return text.replace(key, "…") if key else text


def _seconds_of(wish: str) -> float | None:
    """Return what a ``Retry-After`` wants: seconds, or a date."""
    with suppress(ValueError):
        return max(0.0, float(wish))
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(wish).timestamp() - time.time())
    return None


def _usage_of(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=details.get("cached_tokens") or 0,
    )


def _message_in(text: str) -> str:
    """Return the sentence inside of an OpenAI error body, or the body's beginning."""
    try:
        error = json.loads(text)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError):
        return text[:300]
