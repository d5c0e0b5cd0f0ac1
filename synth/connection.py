"""The endpoints of a run: waited for, then kept running for as long as they are used."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any

from synth.client import Client, list_models
from synth.config import Config, ServerConfig
from synth.errors import ConfigError, RequestRejected, ServerError, TransientError
from synth.memory import Expected
from synth.records import Endpoint
from synth.replies import Replies
from synth.respondent import Respondent
from synth.server.launch import Launch
from synth.server.report import KvCache, read_report
from synth.tracking import Tracker
from synth.traffic import Route, Traffic

log = logging.getLogger(__name__)


class Connection:
    """The endpoints of a run: one of ours, which is kept running, or somebody's."""

    def __init__(
        self,
        settings: ServerConfig,
        launch: Launch | None,
        tracker: Tracker,
        *,
        is_shared: bool = False,
    ) -> None:
        """Watch over the endpoints.

        Args:
            is_shared: whether ours was launched for another job.
        """
        self._settings = settings
        self._launch = launch
        self._is_shared = is_shared
        self._tracker = tracker
        self._is_open = False
        self._n_restarts_before = 0
        self.facts: dict[str, Any] = {"kind": settings.kind}
        """What ``run.json`` says of the server."""

    async def open(self) -> Route:
        """Return the endpoints when they answer; of several external ones, when one of them does.

        Raises:
            ServerError: if the managed server does not get ready.
            ClientError: if no external endpoint answers.
        """
        if self._launch is None:
            settings = self._settings
            endpoints = await ask_external(settings.api_bases, settings.model, settings.api_key)
        else:
            endpoints = (await self._await_managed(self._launch),)
        self.facts |= {"base_url": endpoints[0].base_url, "model": endpoints[0].model}
        if len(endpoints) > 1:
            self.facts["base_urls"] = [endpoint.base_url for endpoint in endpoints]
        self._is_open = True
        return Route(endpoints, self.renew)

    async def renew(self, failed: Endpoint) -> Endpoint:
        """Return where to send again what broke off at ``failed``, when it can be sent.

        That is ``failed`` itself unless its server is ours and was started again. One start serves
        all who ask.

        Raises:
            ServerError: if the server is given up: why it died, or was not ready again.
        """
        if self._launch is None:
            return failed
        endpoint = await self._launch.renew(failed)
        self._note_restarts(self._launch)
        return endpoint

    async def report_use(self) -> None:
        """Log what the managed server says of its use so far, by this job and those beside it."""
        if self._launch is None or not self._is_open:
            return
        report = await read_report(self._launch.server.endpoint)
        if report.prefix_cache_hit_frac is not None:
            self._tracker.log_metrics(
                {"server/prefix_cache_hit_frac": report.prefix_cache_hit_frac}
            )

    async def guard(self, job: Coroutine[Any, Any, None]) -> None:
        """Await ``job``; keep the managed server running, and end the job when that is given up.

        Raises:
            ServerError: why it was given up.
            ServerDied: also in place of an error that the job has because the server died.
        """
        if (launch := self._launch) is None:
            await job
            return
        self._n_restarts_before = len(launch.restarts)
        work, keeper = asyncio.create_task(job), asyncio.create_task(launch.keep())
        try:
            await asyncio.wait({work, keeper}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await keeper
            # What does not ask where to send again fails at once when the server dies; its death,
            # seen a moment later, is what there is to say.
            is_foreign = not isinstance(error := work.exception(), ServerError | None)
            if is_foreign and (death := await launch.look_after()) is not None:
                raise death from error
            await work
        finally:
            work.cancel()
            keeper.cancel()
            await asyncio.gather(work, keeper, return_exceptions=True)
            if self._is_open:
                self._note_restarts(launch)
                self._tracker.log_metrics({"server/n_restarts": self.facts["n_restarts"]})

    def _note_restarts(self, launch: Launch) -> None:
        restarts = [asdict(restart) for restart in launch.restarts[self._n_restarts_before :]]
        endpoint = launch.server.endpoint
        self.facts |= {"base_url": endpoint.base_url, "model": endpoint.model}
        self.facts |= {"n_restarts": len(restarts), "restarts": restarts}

    async def _await_managed(self, launch: Launch) -> Endpoint:
        try:
            endpoint = await launch.wait_until_ready()
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


async def ask_external(
    urls: Sequence[str], model: str | None, api_key: str | None, group: str = "server"
) -> tuple[Endpoint, ...]:
    """Return the endpoints with the model to ask each of them for.

    One that does not answer may do so later, as long as another answers now.

    Args:
        urls: of the endpoints.
        model: to ask all of them for; None: the one that each lists.
        api_key: None: ``OPENAI_API_KEY`` of the environment, if it is there.
        group: of the settings that say so, for what is told of them.

    Raises:
        ClientError: if none answers.
        ConfigError: if one lists several models and none is named.
    """
    key = api_key or os.environ.get("OPENAI_API_KEY")
    endpoints = [Endpoint(url, model or "", key) for url in urls]
    if model and len(endpoints) == 1:
        return tuple(endpoints)
    answers = await asyncio.gather(*(_ask_for_model(endpoint, group) for endpoint in endpoints))
    silent = [answer for answer in answers if isinstance(answer, TransientError)]
    if len(silent) == len(endpoints):
        raise silent[0]
    for error in silent:
        log.warning("serve     %s; the run goes on with the others", error)
    first = next(answer for answer in answers if isinstance(answer, str))
    models = (first if isinstance(answer, TransientError) else answer for answer in answers)
    return tuple(
        replace(endpoint, model=model) for endpoint, model in zip(endpoints, models, strict=True)
    )


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


async def _ask_for_model(endpoint: Endpoint, group: str) -> str | TransientError:
    """Return the model to ask the endpoint for, or the error if it does not answer."""
    try:
        names = await list_models(endpoint, timeout_s=30)
    except TransientError as error:
        return error
    except RequestRejected:
        if not endpoint.model:
            raise
        return endpoint.model  # it answers, though not to that
    if endpoint.model:
        return endpoint.model
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise ConfigError([f"{group}.model: the endpoint lists {listed}; name one of them"])
    return names[0]


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
