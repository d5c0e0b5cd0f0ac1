"""Requests against the stub in a process of its own, and the translation of every failure."""

import asyncio

import aiohttp
import pytest

from synth.client import Client, _translated
from synth.errors import ClientError, ReplyError, RequestRejected, TransientError
from synth.records import Endpoint
from synth.server.lease import find_port

QUESTION = [{"role": "user", "content": "?"}]


def call(endpoint, action, *, max_retries=0):
    async def run():
        async with Client(
            endpoint, timeout_s=5, max_retries=max_retries, max_connections=4
        ) as client:
            return await action(client), client.n_retries

    return asyncio.run(run())


def ask(client):
    return client.complete(QUESTION, temperature=0)


def test_completion_comes_back(serve):
    completion, n_retries = call(serve(), ask)
    assert '"pairs"' in completion.text
    assert (completion.finish_reason, completion.usage.output_tokens) == ("stop", 50)
    assert n_retries == 0


def test_models_are_listed(serve):
    assert call(serve(), lambda client: client.list_models())[0] == ["m"]


def test_passing_failure_is_tried_again(serve):
    endpoint = serve("--fail-every", "2")
    call(endpoint, ask)
    _, n_retries = call(endpoint, ask, max_retries=2)
    assert n_retries == 1


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
    endpoint = Endpoint(f"http://127.0.0.1:{find_port('127.0.0.1', 0)}/v1", "m")
    with pytest.raises(TransientError, match="can't be reached"):
        call(endpoint, ask)


def test_reply_of_another_form_is_told(serve, monkeypatch):
    async def answer(*_):
        return {"choices": []}

    monkeypatch.setattr(Client, "_call", answer)
    with pytest.raises(ReplyError, match="no chat completion"):
        call(Endpoint("http://127.0.0.1:1/v1", "m"), ask)


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
