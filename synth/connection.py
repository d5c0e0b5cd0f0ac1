"""The endpoints of a run: waited for, then kept running for as long as they are used."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from synth.client import Client
from synth.config import Config, ServerConfig
from synth.endpoints import Outside, ask_external
from synth.errors import ServerError
from synth.memory import Expected
from synth.records import Endpoint
from synth.replies import Replies
from synth.respondent import Respondent
from synth.server.fleet import Fleet
from synth.server.report import KvCache
from synth.tracking import Tracker
from synth.traffic import Find, Route, Traffic

log = logging.getLogger(__name__)


class Connection:
    """The endpoints of a run: servers of ours, which are kept running, or somebody's."""

    def __init__(
        self,
        settings: ServerConfig,
        fleet: Fleet | None,
        tracker: Tracker,
        *,
        is_shared: bool = False,
    ) -> None:
        """Watch over the endpoints.

        Args:
            is_shared: whether ours were launched for another job.
        """
        self._fleet = fleet
        self._outside = Outside(settings)
        self._is_shared = is_shared
        self._tracker = tracker
        self._is_open = False
        self._n_restarts_before = self._count_restarts()
        self.facts: dict[str, Any] = {"kind": settings.kind}
        """What ``run.json`` says of the server."""

    async def open(self) -> Route:
        """Return the endpoints when they answer; of several, when one of them does.

        Raises:
            ServerError: if no managed server gets ready, or no endpoint comes up in a file.
            ClientError: if no external endpoint answers.
            ConfigError: if there is something wrong in a file of endpoints.
        """
        if self._fleet is not None:
            await self._await_managed(self._fleet)
            endpoints: Sequence[Endpoint] = self._fleet.ready
            find: Find | None = self._find_ready
        else:
            endpoints = await self._outside.open()
            find = self._outside.find if self._outside.may_change else None
        self._note_endpoints(endpoints)
        self._is_open = True
        return Route(endpoints, self.renew, find)

    async def renew(self, failed: Endpoint) -> Endpoint:
        """Return where to send again what broke off at ``failed``, when it can be sent.

        That is ``failed`` itself unless its server is ours and was started again. One start serves
        all who ask.

        Raises:
            ServerError: if the servers are given up: why the last died, or was not ready again.
        """
        if self._fleet is None:
            return failed
        endpoint = await self._fleet.renew(failed)
        self._note_restarts(self._fleet)
        return endpoint

    async def report_use(self) -> None:
        """Log what the managed servers say of their use so far, by this job and those beside it."""
        if self._fleet is None or not self._is_open:
            return
        report = await self._fleet.read_report()
        metrics = {}
        if report.prefix_cache_hit_frac is not None:
            metrics["server/prefix_cache_hit_frac"] = report.prefix_cache_hit_frac
        if len(self._fleet.launches) > 1:  # the others have come since
            metrics |= self._note_memory(self._fleet, report.kv_cache, is_told=False)
        self._tracker.log_metrics(metrics)

    async def guard(self, job: Coroutine[Any, Any, None]) -> None:
        """Await ``job``; keep the managed servers running, and end the job when they are given up.

        Raises:
            ServerError: why the last was given up, or a file names no endpoint any more.
            ServerDied: also in place of an error that the job has because the server died.
        """
        if (fleet := self._fleet) is None and not self._outside.may_change:
            await job
            return
        self._n_restarts_before = self._count_restarts()
        keep = fleet.keep() if fleet else self._outside.keep()
        work, keeper = asyncio.create_task(job), asyncio.create_task(keep)
        try:
            await asyncio.wait({work, keeper}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await keeper
            # What does not ask where to send again fails at once when the server dies; its death,
            # seen a moment later, is what there is to say.
            is_foreign = not isinstance(error := work.exception(), ServerError | None)
            if is_foreign and fleet and (death := await fleet.look_after()) is not None:
                raise death from error
            await work
        finally:
            work.cancel()
            keeper.cancel()
            await asyncio.gather(work, keeper, return_exceptions=True)
            if self._is_open and fleet:
                self._note_restarts(fleet)
                self._tracker.log_metrics({"server/n_restarts": self.facts["n_restarts"]})
            elif self._is_open:
                self._note_endpoints(list(self._outside.seen.values()))

    async def _find_ready(self) -> Sequence[Endpoint]:
        return self._fleet.ready if self._fleet else ()

    def _count_restarts(self) -> list[int]:
        return [len(one.restarts) for one in self._fleet.launches] if self._fleet else []

    def _note_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        if not endpoints:
            return
        self.facts |= {"base_url": endpoints[0].base_url, "model": endpoints[0].model}
        if len(endpoints) > 1 or "base_urls" in self.facts:
            self.facts["base_urls"] = [endpoint.base_url for endpoint in endpoints]

    def _note_restarts(self, fleet: Fleet) -> None:
        rows = []
        for launch, n_before in zip(fleet.launches, self._n_restarts_before, strict=True):
            who = {"server": launch.name} if launch.name else {}
            rows += [who | asdict(restart) for restart in launch.restarts[n_before:]]
        self._note_endpoints(fleet.endpoints)
        self.facts |= {"n_restarts": len(rows), "restarts": rows}
        if fleet.lost:
            self.facts["given_up"] = fleet.lost

    async def _await_managed(self, fleet: Fleet) -> None:
        try:
            await fleet.wait_until_ready()
        finally:
            steps_down = [step for launch in fleet.launches for step in launch.steps_down]
            takes = fleet.launches[0].command.takes
            self.facts |= {"takes": takes, "steps_down": steps_down}
            if len(fleet.launches) > 1:
                self.facts["n_replicas"] = len(fleet.launches)
        was_reused = fleet.was_reused or self._is_shared
        startup_s = 0.0 if was_reused else time.monotonic() - fleet.launched
        self.facts |= {"startup_s": round(startup_s, 3), "was_reused": was_reused}
        report = await fleet.read_first_report()
        memory = self._note_memory(fleet, report.kv_cache, is_told=not was_reused)
        metrics = {"startup_s": startup_s, "n_steps_down": len(steps_down)}
        self._tracker.log_metrics(memory | {f"server/{name}": n for name, n in metrics.items()})

    def _note_memory(
        self, fleet: Fleet, made: KvCache | None, *, is_told: bool
    ) -> dict[str, float]:
        """Hold what was planned for the servers that are ready against what they have made."""
        memory = compare_memory(fleet.expected, made, is_told=is_told)
        self.facts["memory"] = memory
        return {f"server/{name}": n for name, n in memory.items()}


@asynccontextmanager
async def open_judge(config: Config, replies: Replies) -> AsyncIterator[Respondent]:
    """Yield the model at ``curate.api_base``, which has connections of its own.

    Raises:
        ClientError: if the endpoint does not say which model it has.
        ConfigError: if it lists several and ``curate.model`` names none.
    """
    curate, gen = config.curate, config.gen
    url = (curate.api_base or "").rstrip("/")
    endpoints = await ask_external([url], curate.model, curate.api_key, "curate")
    async with Traffic() as traffic:
        traffic.open(Route(endpoints), gen.concurrency)
        client = Client(
            traffic,
            timeout_s=gen.timeout_s,
            max_retries=gen.max_retries,
            concurrency=gen.concurrency,
        )
        yield Respondent(client, replies, f"{endpoints[0].model} (external)", "curate")


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
