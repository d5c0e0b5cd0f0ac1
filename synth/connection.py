"""The endpoint of a run: waited for, then watched for as long as it is used."""

import asyncio
import logging
import os
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from synth.client import Client
from synth.config import ServerConfig
from synth.errors import ConfigError
from synth.memory import Expected
from synth.records import Endpoint
from synth.server import ready
from synth.server.launch import Launch
from synth.server.report import KvCache, read_report
from synth.tracking import Tracker

log = logging.getLogger(__name__)

_LAST_WORDS_S = 1.0


class Connection:
    """The endpoint of a run: ours, which is watched while it is in use, or somebody's."""

    def __init__(
        self,
        settings: ServerConfig,
        launch: Launch | None,
        tracker: Tracker,
        *,
        is_shared: bool = False,
    ) -> None:
        """Watch over the endpoint.

        Args:
            is_shared: whether it was launched for another job.
        """
        self._settings = settings
        self._launch = launch
        self._is_shared = is_shared
        self._tracker = tracker
        self._opened = asyncio.Event()
        self.facts: dict[str, Any] = {"kind": settings.kind}
        """What ``run.json`` says of the server."""

    async def open(self) -> Endpoint:
        """Return the endpoint when it answers.

        Raises:
            ServerError: if the managed server does not get ready.
            ClientError: if the external endpoint does not answer.
        """
        endpoint = await (
            self._ask_external() if self._launch is None else self._await_managed(self._launch)
        )
        self.facts |= {"base_url": endpoint.base_url, "model": endpoint.model}
        self._opened.set()
        return endpoint

    async def report_use(self) -> None:
        """Log what the managed server says of its use so far, by this job and those beside it."""
        if self._launch is None or not self._opened.is_set():
            return
        report = await read_report(self._launch.server.endpoint)
        if report.prefix_cache_hit_frac is not None:
            self._tracker.log_metrics(
                {"server/prefix_cache_hit_frac": report.prefix_cache_hit_frac}
            )

    async def guard(self, job: Coroutine[Any, Any, None]) -> None:
        """Await ``job``; end it when the managed server dies under it.

        Raises:
            ServerDied: in place of the errors that its requests then have.
        """
        work = asyncio.create_task(job)
        watcher = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and work.exception() is not None:
                # Requests fail at once when the server dies; its death, seen a moment later, is
                # what there is to say.
                await asyncio.wait({watcher}, timeout=_LAST_WORDS_S)
            if watcher.done():
                watcher.result()
            await work
        finally:
            work.cancel()
            watcher.cancel()
            await asyncio.gather(work, watcher, return_exceptions=True)

    async def _watch(self) -> None:
        await self._opened.wait()
        if self._launch is None:
            await asyncio.Event().wait()
        else:
            await ready.watch(self._launch.server)

    async def _await_managed(self, launch: Launch) -> Endpoint:
        try:
            endpoint = await launch.wait_until_ready(self._settings.timeout_s)
        finally:
            self.facts |= {"takes": launch.command.takes, "steps_down": launch.steps_down}
        server = launch.server
        was_reused = server.was_reused or self._is_shared
        startup_s = 0.0 if was_reused else time.monotonic() - server.launched
        self.facts |= {"startup_s": round(startup_s, 3), "was_reused": was_reused}
        report = await launch.read_report()
        memory = compare_memory(launch.command.expected, report.kv_cache, is_told=not was_reused)
        self.facts["memory"] = memory
        metrics = {"startup_s": startup_s, "n_steps_down": len(launch.steps_down), **memory}
        self._tracker.log_metrics({f"server/{name}": n for name, n in metrics.items()})
        return endpoint

    async def _ask_external(self) -> Endpoint:
        settings = self._settings
        assert settings.api_base is not None
        key = settings.api_key or os.environ.get("OPENAI_API_KEY")
        endpoint = Endpoint(settings.api_base.rstrip("/"), settings.model or "", key)
        if endpoint.model:
            return endpoint
        async with Client(endpoint, timeout_s=30, max_retries=2, max_connections=1) as client:
            names = await client.list_models()
        if len(names) != 1:
            listed = ", ".join(names) or "none"
            raise ConfigError([f"server.model: the endpoint lists {listed}; name one of them"])
        return replace(endpoint, model=names[0])


def compare_memory(
    planned: Expected | None, made: KvCache | None, *, is_told: bool
) -> dict[str, float]:
    """Return what was planned and what the server has made of it, and tell both.

    ``kv_cache_error_frac`` is how much of what was planned is missing (negative: there is more).
    """
    figures: dict[str, float] = {}
    if planned is not None:
        figures |= {
            "planned_weights_gib": planned.weights_gib,
            "planned_kv_cache_gib": planned.kv_cache_gib,
            "planned_kv_cache_tokens": planned.kv_tokens,
            "planned_concurrency": planned.concurrency,
        }
    if made is not None:
        figures |= {"kv_cache_tokens": made.tokens, "concurrency": made.concurrency}
        if is_told:
            log.info("memory    vLLM has made %s", _describe(made.tokens, made.concurrency))
    if planned is not None and made is not None and planned.kv_tokens:
        figures["kv_cache_error_frac"] = 1 - made.tokens / planned.kv_tokens
        if is_told:
            log.info("memory    planned were %s", _describe(planned.kv_tokens, planned.concurrency))
    return figures


def _describe(tokens: int, concurrency: float) -> str:
    return f"{tokens:,} tokens of KV cache, {concurrency:.1f} sequences of full length"
