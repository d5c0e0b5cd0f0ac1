"""What a running vLLM reports of itself: https://docs.vllm.ai/en/stable/usage/metrics/."""

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


async def read_kv_cache(endpoint: Endpoint) -> KvCache | None:
    """Return the server's KV cache; None if it does not report one."""
    url = endpoint.base_url.removesuffix("/v1") + "/metrics"
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as http,
            http.get(url) as reply,
        ):
            return parse_kv_cache(await reply.text())
    except (aiohttp.ClientError, TimeoutError):
        return None


def parse_kv_cache(metrics: str) -> KvCache | None:
    """Return the KV cache of a ``/metrics`` page.

    vLLM tells it in the labels of ``vllm:cache_config_info``: ``kv_cache_size_tokens`` and
    ``kv_cache_max_concurrency``, for each data-parallel engine.
    """
    engines = [
        sample.labels
        for family in text_string_to_metric_families(metrics)
        if family.name == "vllm:cache_config_info"
        for sample in family.samples
    ]
    if not engines:
        return None
    try:
        return KvCache(
            tokens=sum(int(labels["kv_cache_size_tokens"]) for labels in engines),
            concurrency=sum(float(labels["kv_cache_max_concurrency"]) for labels in engines),
        )
    except (KeyError, ValueError):
        return None
