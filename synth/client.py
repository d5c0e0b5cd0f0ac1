"""Requests to an OpenAI-compatible endpoint.

Retries live here and nowhere else, and only for :data:`synth.errors.RETRYABLE`. aiohttp because
its pool holds hundreds of connections: measured at 440 requests/s where httpx reached 31.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from synth.errors import RETRYABLE, ClientError, ReplyError, RequestRejected, TransientError
from synth.records import Endpoint, Usage

_backoff = wait_random_exponential(multiplier=0.5, max=30)


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said; ``finish_reason`` is ``length`` when it was cut off."""

    text: str
    finish_reason: str
    usage: Usage


Connections = aiohttp.TCPConnector
"""Open connections that several clients use."""


def open_connections(limit: int = 0) -> Connections:
    """Return connections that are opened when they are needed, at most ``limit`` (0: any number).

    They are to be closed; use them as an async context manager.
    """
    return aiohttp.TCPConnector(limit=limit)


class Client:
    """Asks one endpoint; use it as an async context manager."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        max_retries: int,
        max_connections: int,
        connections: Connections | None = None,
    ) -> None:
        """Ask ``endpoint``.

        Args:
            max_connections: of its own, if it has to open them.
            connections: those of others that ask the same endpoint.
        """
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self._max_connections = max_connections
        self._shared = connections
        self.n_retries = 0

    async def __aenter__(self) -> Self:
        key = self._endpoint.api_key
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=30),
            connector=self._shared or open_connections(self._max_connections),
            connector_owner=self._shared is None,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def complete(self, messages: list[dict[str, str]], **parameters: Any) -> Completion:
        """Ask for one chat completion; ``parameters`` go into the request's body.

        Raises:
            TransientError: if the last try failed, too.
            RequestRejected: if the endpoint refused the request.
            ReplyError: if it answered with something that is no chat completion.
        """
        body = {"model": self._endpoint.model, "messages": messages, **parameters}
        reply = await self._call("POST", "/chat/completions", body)
        try:
            choice = reply["choices"][0]
            return Completion(
                text=choice["message"]["content"] or "",
                finish_reason=choice.get("finish_reason") or "",
                usage=_usage_of(reply.get("usage") or {}),
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ReplyError("the reply is no chat completion", json.dumps(reply)) from error

    async def list_models(self) -> list[str]:
        """Return the names of the models that the endpoint serves."""
        reply = await self._call("GET", "/models")
        try:
            return [model["id"] for model in reply["data"]]
        except (LookupError, TypeError) as error:
            raise ReplyError("the reply is no list of models", json.dumps(reply)) from error

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        tries = AsyncRetrying(
            retry=retry_if_exception_type(RETRYABLE),
            stop=stop_after_attempt(self._max_retries + 1),
            wait=_wait_s,
            before_sleep=self._count_retry,
            reraise=True,
        )
        return await tries(self._send, method, self._endpoint.base_url + path, body)

    async def _send(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        async with _translated(url), self._http.request(method, url, json=body) as reply:
            text = await reply.text(errors="replace")
            if reply.status >= 400:
                raise _refusal(reply, text, url)
            return json.loads(text)

    def _count_retry(self, state: RetryCallState) -> None:
        del state
        self.n_retries += 1


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


def _refusal(reply: aiohttp.ClientResponse, text: str, url: str) -> ClientError:
    message = f"{url} answered {reply.status}: {_message_in(text)}"
    if reply.status == 429 or reply.status >= 500:
        wish = reply.headers.get("Retry-After", "")
        return TransientError(
            message,
            url=url,
            status=reply.status,
            body=text,
            retry_after_s=float(wish) if wish.isdigit() else None,
        )
    return RequestRejected(message, url=url, status=reply.status, body=text)


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


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wish = error.retry_after_s if isinstance(error, TransientError) else None
    return wish if wish is not None else _backoff(state)
