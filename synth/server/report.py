"""What a running vLLM reports of itself: https://docs.vllm.ai/en/stable/usage/metrics/."""

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from synth.records import Endpoint

_TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True)
class KvCache:
    """The KV cache that a server has made."""

    tokens: int
    concurrency: float
    """Sequences of full length that it holds at a time."""


@dataclass(frozen=True)
class Report:
    """What a server says of itself; None where it does not."""

    kv_cache: KvCache | None = None
    prefix_cache_hit_frac: float | None = None
    """Share of all prompt tokens so far that it found in its prefix cache."""
    queried_tokens: float = 0.0
    """Those prompt tokens."""


async def read_report(endpoint: Endpoint) -> Report:
    """Return what the server reports; nothing if it does not answer."""
    url = endpoint.base_url.removesuffix("/v1") + "/metrics"
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as http,
            http.get(url) as reply,
        ):
            return parse_report(await reply.text())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return Report()


def parse_report(metrics: str) -> Report:
    """Return what a ``/metrics`` page says, over all data-parallel engines.

    The KV cache is in the labels of ``vllm:cache_config_info``, the hits of the prefix cache, in
    tokens, in the counters ``vllm:prefix_cache_hits`` and ``vllm:prefix_cache_queries``.
    """
    families = {family.name: family for family in text_string_to_metric_families(metrics)}

    def total(name: str) -> float:
        samples = families[name].samples if name in families else []
        return sum(sample.value for sample in samples if sample.name == f"{name}_total")

    queries = total("vllm:prefix_cache_queries")
    info = families.get("vllm:cache_config_info")
    return Report(
        kv_cache=_parse_kv_cache([sample.labels for sample in info.samples] if info else []),
        prefix_cache_hit_frac=total("vllm:prefix_cache_hits") / queries if queries else None,
        queried_tokens=queries,
    )


def merge_reports(reports: Sequence[Report]) -> Report:
    """Return what several servers say together: caches are added up, shares are of all tokens."""
    caches = [one.kv_cache for one in reports if one.kv_cache]
    queries = sum(one.queried_tokens for one in reports)
    hits = sum((one.prefix_cache_hit_frac or 0.0) * one.queried_tokens for one in reports)
    return Report(
        kv_cache=KvCache(
            tokens=sum(cache.tokens for cache in caches),
            concurrency=sum(cache.concurrency for cache in caches),
        )
        if caches
        else None,
        prefix_cache_hit_frac=hits / queries if queries else None,
        queried_tokens=queries,
    )


def _parse_kv_cache(engines: list[dict[str, str]]) -> KvCache | None:
    if not engines:
        return None
    try:
        return KvCache(
            tokens=sum(int(labels["kv_cache_size_tokens"]) for labels in engines),
            concurrency=sum(float(labels["kv_cache_max_concurrency"]) for labels in engines),
        )
    except (KeyError, ValueError):
        return None
