"""How busy a server says that it is."""

import asyncio
import json

import aiohttp
import pytest

from synth.load import Load, parse_load, read_load
from synth.records import Endpoint

PAGE = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a } b"} 3.0
vllm:num_requests_running{engine="1",model_name="a } b"} 2.0
vllm:num_requests_waiting{engine="0"} 7.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 100.0
vllm:kv_cache_usage_perc{engine="0"} 0.5
vllm:kv_cache_usage_perc{engine="1"} 1.0
vllm:num_preemptions_total{engine="0"} 4.0
vllm:num_preemptions_created{engine="0"} 1.7e+09
vllm:generation_tokens_total{engine="0"} 1.5e+06
vllm:prompt_tokens_total{engine="0"} 20.0
vllm:request_success_total{engine="0",finished_reason="stop"} 5.0
vllm:request_success_total{engine="0",finished_reason="length"} 1.0
"""


async def ask(endpoint: Endpoint, timeout_s: float = 10) -> Load | None:
    async with aiohttp.ClientSession() as http:
        return await read_load(endpoint, http, timeout_s)


def test_engines_are_added_up():
    load = parse_load(PAGE)
    assert load == Load(5, 7, 0.75, 4, 1_500_000, 20, 6)
    assert not load.is_idle


@pytest.mark.parametrize("page", ["", "up 1.0\n", "<html>"], ids=["empty", "other", "html"])
def test_page_of_another_server_gives_none(page):
    assert parse_load(page) is None


def test_load_is_read_from_a_server(serve):
    load = asyncio.run(ask(serve()))
    assert load is not None
    assert load.is_idle
    assert load.done == (0, 0, 0)


def test_server_that_is_gone_gives_none():
    assert asyncio.run(ask(Endpoint("http://127.0.0.1:9/v1", "m"))) is None


def test_server_that_does_not_answer_gives_none(serve):
    assert asyncio.run(ask(serve("--hang"), 0.2)) is None


def test_server_without_metrics_gives_none(serve):
    assert asyncio.run(ask(serve("--no-metrics"))) is None


def test_work_of_a_server_is_counted(serve):
    load = asyncio.run(work_and_ask(serve()))
    assert (load.generated_tokens, load.prompt_tokens) == (50, 100)


async def work_and_ask(endpoint):
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    headers = {"Authorization": "Bearer key", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        url = f"{endpoint.base_url}/chat/completions"
        async with http.post(url, data=json.dumps(body)) as reply:
            assert reply.status == 200
        return await read_load(endpoint, http)
