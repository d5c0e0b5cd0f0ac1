"""A server that was ready and dies, hangs or says that it is not well; with real processes."""

import asyncio
import itertools
import os
import signal
import sys
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from synth.errors import ServerDied
from synth.io import read_json
from synth.load import Load
from synth.server import lease, ready
from synth.server.command import Command
from synth.server.watch import Patience, check_alive, wait_for_trouble
from tests.conftest import STUB

BUSY = Load(n_running=1, generated_tokens=5)


@pytest.fixture
def launch(tmp_path):
    """Start the stub with switches and wait until it is ready."""
    with lease.open_session() as session:

        def start(*switches):
            command = Command([sys.executable, str(STUB), *switches], "127.0.0.1", 0, {})
            server = session.acquire(command, tmp_path / "log")
            asyncio.run(ready.wait_until_ready(server, 30))
            return server

        yield start


def kill(server):
    os.kill(read_json(server.folder / "state.json")["pid"], signal.SIGKILL)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([BUSY, BUSY, BUSY], True),
        ([BUSY, BUSY, replace(BUSY, generated_tokens=6)], False),
        ([BUSY, BUSY, replace(BUSY, prompt_tokens=9)], False),
        ([BUSY, BUSY, replace(BUSY, n_finished=1)], False),
        ([BUSY, BUSY, replace(BUSY, n_waiting=8)], True),
        ([Load(), Load(), Load()], False),
        ([Load(), None, None, None], True),
        ([BUSY, None, BUSY], True),
        ([BUSY, None, Load()], False),
        ([None, None, None], False),
    ],
    ids=["still", "token", "prompt", "reply", "queue", "idle", "mute", "late", "free", "bare"],
)
def test_patience_ends_without_a_sign_of_progress(loads, expected):
    patience = Patience(stall_s=2, since=0)
    assert [patience.is_over(load, now) for now, load in enumerate(loads)][-1] == expected


def test_death_is_noticed(launch):
    server = launch()
    kill(server)
    trouble = asyncio.run(wait_for_trouble(server, None))
    assert (trouble.reason, trouble.code) == (
        "the server ended with code -9 while it was in use",
        -signal.SIGKILL,
    )
    with pytest.raises(ServerDied, match=r"code -9 while it was in use.*killed from outside"):
        check_alive(server)


def test_server_that_hangs_is_noticed(launch):
    server = launch("--hang-after-requests", "1")
    reason = asyncio.run(ask_and_watch(server, n_requests=3, stall_s=0.5))
    assert reason.startswith(
        "the server runs, but has got on with none of its 2 requests for 0.5 s"
    )


def test_server_without_counters_is_judged_by_its_process(launch):
    server = launch("--no-metrics", "--exit-after-requests", "2", "--delay-s", "1")
    reason = asyncio.run(ask_and_watch(server, n_requests=3, stall_s=0.2))
    assert reason.startswith("the server ended with code 5")


async def ask_and_watch(server, n_requests, stall_s):
    body = {"model": server.endpoint.model, "messages": []}
    headers = {"Authorization": f"Bearer {server.endpoint.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        url = f"{server.endpoint.base_url}/chat/completions"
        asking = [asyncio.create_task(http.post(url, json=body)) for _ in range(n_requests)]
        trouble = await wait_for_trouble(server, stall_s)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return trouble.reason


def test_server_that_answers_no_more_is_noticed(launch):
    reason = asyncio.run(watch_app(launch(), health=200, n_pages=2))
    assert reason == "the server runs, but has answered nothing for 0.4 s (server.stall_s)"


def test_server_that_says_it_is_not_well_is_believed(launch):
    reason = asyncio.run(watch_app(launch(), health=503, n_pages=99))
    assert "says that it is not well" in reason


async def watch_app(server, health, n_pages):
    """Watch the process of ``server`` and an endpoint that shows its counters a number of times."""
    shown = itertools.count()

    async def answer(request):
        if request.path == "/health":
            return web.Response(status=health)
        if next(shown) >= n_pages:
            await asyncio.Event().wait()
        return web.Response(text="vllm:num_requests_running 0.0\n")

    app = web.Application()
    app.router.add_get("/{path}", answer)
    async with TestServer(app) as site:
        endpoint = replace(server.endpoint, base_url=f"{site.make_url('/v1')}")
        return (await wait_for_trouble(replace(server, endpoint=endpoint), 0.4)).reason
