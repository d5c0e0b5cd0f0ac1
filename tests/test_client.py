"""Requests against the stub in a process of its own, and the translation of every failure."""

import asyncio
import time

import aiohttp
import pytest

from synth.client import Client, _reply_of, _translated, list_models
from synth.errors import ClientError, ReplyError, RequestRejected, TransientError
from synth.records import Endpoint
from synth.server.address import find_port
from synth.slots import Turn
from synth.traffic import Route, Traffic

QUESTION = [{"role": "user", "content": "?"}]


def call(route, action, *, max_retries=0, concurrency=4):
    """Do something with a client of one endpoint, or of a route."""

    async def run():
        async with Traffic() as traffic:
            client = Client(traffic, timeout_s=5, max_retries=max_retries)
            traffic.open(route if isinstance(route, Route) else Route([route]), concurrency)
            return await action(client)

    return asyncio.run(run())


def closed_endpoint():
    return Endpoint(f"http://127.0.0.1:{find_port('127.0.0.1', 0)}/v1", "m")


def ask(client):
    return client.complete(QUESTION, temperature=0)


def test_completion_comes_back(serve):
    reply = call(serve("--delay-s", "0.05"), ask)
    assert '"pairs"' in reply.text
    assert (reply.finish_reason, reply.usage.output_tokens, reply.n_retries) == ("stop", 50, 0)
    assert reply.server_s == pytest.approx(reply.latency_s, abs=0.01)
    assert reply.latency_s >= 0.05


def test_models_are_listed(serve):
    assert asyncio.run(list_models(serve(), 5)) == ["m"]


def test_passing_failure_is_tried_again(serve):
    endpoint = serve("--fail-frac", "1", "--fault-times", "2")
    assert call(endpoint, ask, max_retries=2).n_retries == 2


def test_endpoint_that_asks_for_a_pause_has_it(serve):
    endpoint, begin = (
        serve("--fail-frac", "1", "--status", "429", "--retry-after-s", "1"),
        time.time(),
    )
    assert call(endpoint, ask, max_retries=1).n_retries == 1
    assert time.time() - begin >= 1


def test_an_endpoint_that_takes_few_gets_few_and_answers_all(serve):
    async def ask_many(client):
        questions = [[{"role": "user", "content": str(n)}] for n in range(100)]
        return await asyncio.gather(*(client.complete(question) for question in questions))

    endpoint = serve("--refuse-above", "4", "--delay-s", "0.02", "--no-metrics")
    assert len(call(endpoint, ask_many, max_retries=0, concurrency=32)) == 100


@pytest.mark.parametrize("status", ["429", "503"])
def test_an_endpoint_that_only_refuses_is_given_up(serve, status):
    async def ask_many(client):
        for station in client._traffic.slots.stations:
            station.answered_at = time.monotonic() - 3600
        questions = (client.complete(QUESTION, seed=n) for n in range(40))
        return await asyncio.wait_for(asyncio.gather(*questions, return_exceptions=True), 20)

    slowly = ("--fail-frac", "1", "--fault-times", "1000000", "--delay-s", "0.3")
    errors = call(serve(*slowly, "--status", status), ask_many, max_retries=0, concurrency=40)
    assert {type(error) for error in errors} == {TransientError}


def test_another_endpoint_takes_over_from_one_that_is_down(serve):
    async def ask_many(client):
        return await asyncio.gather(*(client.complete(QUESTION, seed=n) for n in range(20)))

    replies = call(Route([closed_endpoint(), serve()]), ask_many, max_retries=5)
    assert len(replies) == 20


def test_request_goes_where_its_server_has_gone(serve):
    dead, alive = closed_endpoint(), serve()

    async def renew(failed):
        await asyncio.sleep(0.05)
        return alive

    assert call(Route([dead], renew), ask, max_retries=0).n_retries == 1


def test_one_restart_moves_all_requests(serve):
    dead, alive, asked = closed_endpoint(), serve(), []

    async def renew(failed):
        asked.append(failed)
        await asyncio.sleep(0.05)
        return alive

    async def ask_many(client):
        return await asyncio.gather(*(client.complete(QUESTION, seed=n) for n in range(20)))

    call(Route([dead], renew), ask_many, max_retries=0)
    assert set(asked) == {dead}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, TransientError), (500, TransientError), (503, TransientError), (400, RequestRejected)],
)
def test_status_decides_the_kind_of_error(serve, status, kind):
    endpoint = serve("--fail-every", "1", "--status", str(status))
    with pytest.raises(kind, match="planted failure") as caught:
        call(endpoint, ask)
    assert caught.value.status == status


def test_refused_request_is_not_tried_again(serve):
    endpoint = serve("--fail-every", "1", "--status", "400")
    with pytest.raises(RequestRejected):
        call(endpoint, ask, max_retries=50)


def test_wrong_key_is_refused(serve):
    endpoint = serve()
    with pytest.raises(RequestRejected, match="401"):
        call(Endpoint(endpoint.base_url, "m", "wrong"), ask)


def test_closed_port_is_transient():
    with pytest.raises(TransientError, match="can't be reached"):
        call(closed_endpoint(), ask)


@pytest.mark.parametrize("reply", [{"choices": []}, {"choices": [{"text": "?"}]}, [], None])
def test_reply_of_another_form_is_told(reply):
    with pytest.raises(ReplyError, match="no chat completion"):
        _reply_of(reply, Turn(None, 0.0), due=0.0, n_tries=1)


def all_kinds(kind):
    return {kind, *(sub for child in kind.__subclasses__() for sub in all_kinds(child))}


@pytest.mark.parametrize(
    "kind",
    sorted(all_kinds(aiohttp.ClientError) | {TimeoutError}, key=lambda kind: kind.__name__),
)
def test_every_error_of_the_library_is_translated(kind):
    planted = type(kind.__name__, (kind,), {"__str__": lambda self: "planted"})

    async def fail():
        async with _translated("http://x"):
            raise planted.__new__(planted)

    with pytest.raises(ClientError):
        asyncio.run(fail())
