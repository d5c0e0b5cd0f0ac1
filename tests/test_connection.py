"""Servers that die in use and are started again, and several endpoints; with real processes."""

import asyncio
import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from synth.connection import Connection
from synth.errors import (
    ClientError,
    ServerDied,
    ServerStartError,
    ServerTimeout,
    ToolError,
)
from synth.io import read_json
from synth.records import Endpoint
from synth.server.command import Command
from synth.server.fleet import Fleet
from synth.server.lease import open_session
from synth.tracking import SilentTracker
from tests.conftest import STUB, is_running, wait_until

GONE = "http://127.0.0.1:9/v1"


def stub_command(*switches, starts=""):
    """Return the stub; ``starts`` are shell commands that are run before it is."""
    stub = shlex.join([sys.executable, str(STUB)])
    return Command(
        ["/bin/sh", "-c", f'{starts}\nexec {stub} "$@"', "sh", *switches], "127.0.0.1", 0, {}
    )


@pytest.fixture
def session():
    with open_session() as session:
        yield session


@pytest.fixture
def managed(make_config, session, tmp_path):
    """Return a connection to a stub, or to the one that runs for its command already."""

    def make(command, folder="run", **changes):
        settings = replace(make_config().server, **{"timeout_s": 30, **changes})
        fleet = Fleet(session, [[command]], settings, tmp_path / folder / "server.log")
        return Connection(settings, fleet, SilentTracker())

    return make


@pytest.fixture
def external(make_config):
    def make(*urls, **changes):
        server = make_config("server=external", f"server.api_base=[{','.join(urls)}]").server
        return Connection(replace(server, **changes), None, SilentTracker())

    return make


def use(connection, job, *arguments):
    """Run ``job(connection, endpoint, …)`` under the connection's guard, return its result."""
    results = []

    async def work():
        (endpoint,) = (await connection.open()).endpoints
        results.append(await job(connection, endpoint, *arguments))

    asyncio.run(connection.guard(work()))
    return results[0]


def launch_of(connection):
    (launch,) = connection._fleet.launches
    return launch


def kill(connection):
    state = read_json(launch_of(connection).server.folder / "state.json")
    os.kill(state["pid"], signal.SIGKILL)


async def kill_and_renew(connection, endpoint, n_waiters=1):
    kill(connection)
    return await asyncio.gather(*(connection.renew(endpoint) for _ in range(n_waiters)))


async def ask(connection, endpoint):
    """Ask until there is an answer, as a run does; return the endpoint that gave it."""
    body = {"model": endpoint.model, "messages": []}
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{endpoint.base_url}/chat/completions", json=body) as reply,
        ):
            assert reply.status == 200
            return endpoint
    except aiohttp.ClientError:
        return await ask(connection, await connection.renew(endpoint))


def test_killed_server_is_started_again(managed, tmp_path, caplog):
    connection = managed(stub_command())
    (endpoint,) = use(connection, kill_and_renew)
    assert endpoint == launch_of(connection).server.endpoint
    assert "code -9 while it was in use; starting it again (1 of 3)" in caplog.text
    (restart,) = connection.facts["restarts"]
    assert restart["reason"] == "the server ended with code -9 while it was in use"
    assert restart["after_s"] > 0
    assert connection.facts["base_url"] == endpoint.base_url
    assert connection._tracker.metrics["server/n_restarts"] == 1
    assert (tmp_path / "run" / "server.1.log").is_file()


def test_one_start_serves_all_who_ask(managed):
    connection = managed(stub_command())
    renewed = use(connection, kill_and_renew, 50)
    assert len(set(renewed)) == 1
    assert connection.facts["n_restarts"] == 1


def test_requests_get_their_answers_from_the_next_server(managed, tmp_path):
    trouble = ["--trouble-note", str(tmp_path / "note"), "--trouble-times", "2"]
    connection = managed(stub_command("--exit-after-requests", "2", "--delay-s", "0.1", *trouble))
    answered = use(connection, ask_often, 8)
    assert len(set(answered)) <= 3
    assert [restart["reason"] for restart in connection.facts["restarts"]] == [
        "the server ended with code 5 while it was in use"
    ] * 2


def test_hung_server_is_ended_and_started_again(managed, tmp_path):
    trouble = ["--hang-after-requests", "2", "--trouble-note", str(tmp_path / "note")]
    child = ["--ignore-sigterm", "--spawn-child", str(tmp_path / "child")]
    connection = managed(stub_command(*trouble, *child), stall_s=0.5)
    use(connection, ask_often, 5)
    (restart,) = connection.facts["restarts"]
    assert restart["reason"].startswith("the server runs, but has got on with none of its 3")
    assert not is_running(int((tmp_path / "note").read_text()))


async def ask_often(connection, endpoint, n_requests):
    return await asyncio.gather(*(ask(connection, endpoint) for _ in range(n_requests)))


def test_server_that_lives_is_asked_again(managed):
    connection = managed(stub_command())
    endpoint = use(connection, lambda connection, endpoint: connection.renew(endpoint))
    assert endpoint == launch_of(connection).server.endpoint
    assert connection._tracker.metrics["server/n_restarts"] == 0


def test_start_that_fails_is_tried_again(managed, tmp_path, caplog):
    note = shlex.quote(str(tmp_path / "starts"))
    starts = f"echo >> {note}; [ $(wc -l < {note}) = 2 ] && exit 7"
    connection = managed(stub_command(starts=starts))
    use(connection, kill_and_renew)
    assert connection.facts["n_restarts"] == 2
    assert "ended with code 7 before it was ready" in connection.facts["restarts"][1]["reason"]
    assert "starting it again (2 of 3)" in caplog.text


def test_start_that_fails_each_time_is_the_error(managed, tmp_path):
    note = shlex.quote(str(tmp_path / "starts"))
    connection = managed(stub_command(starts=f"[ -e {note} ] && exit 7; touch {note}"))
    with pytest.raises(ServerStartError, match="code 7 before it was ready"):
        use(connection, kill_and_renew)
    assert connection.facts["n_restarts"] == 3
    assert launch_of(connection).is_over


def test_start_that_takes_too_long_leaves_nothing(managed, tmp_path, offspring):
    note = shlex.quote(str(tmp_path / "starts"))
    slow = stub_command(starts=f"[ -e {note} ] && exec sleep 600; touch {note}")
    connection = managed(slow, timeout_s=2, max_restarts=1)
    with pytest.raises(ServerTimeout):
        use(connection, kill_and_renew)
    assert not offspring()


@pytest.mark.parametrize("max_restarts", [0, 2])
def test_server_that_dies_too_often_is_given_up(managed, max_restarts):
    connection = managed(stub_command("--exit-after-requests", "1"), max_restarts=max_restarts)
    with pytest.raises(ServerDied, match="code 5 while it was in use") as caught:
        use(connection, ask_often, 9)
    assert connection.facts["n_restarts"] == max_restarts
    assert caught.value.log_path == str(launch_of(connection).server.log_path)
    assert launch_of(connection).is_over


def test_job_ends_when_the_server_is_given_up(managed):
    connection = managed(stub_command(), max_restarts=0)
    with pytest.raises(ServerDied, match="code -9"):
        use(connection, kill_and_wait)


async def kill_and_wait(connection, endpoint):
    kill(connection)
    await asyncio.Event().wait()


def test_error_that_a_death_leads_to_is_told_as_the_death(managed):
    connection = managed(stub_command())
    with pytest.raises(ServerDied, match="code -9 while it was in use") as caught:
        use(connection, kill_and_fail)
    assert Path(caught.value.log_path).is_file()
    assert isinstance(caught.value.__cause__, ToolError)


def test_log_of_a_death_is_no_other_servers(managed):
    connection = managed(stub_command())
    death, _ = use(connection, kill_and_keep_the_death)
    assert Path(death.log_path).is_file()
    assert death.log_path != str(launch_of(connection).server.log_path)


async def kill_and_keep_the_death(connection, endpoint):
    kill(connection)
    death = await launch_of(connection).look_after()
    return death, await connection.renew(endpoint)


async def kill_and_fail(connection, endpoint):
    kill(connection)
    raise ToolError("the tool gave nothing")


def test_server_that_another_process_has_started_again_is_used(managed):
    command = stub_command()
    one, other = managed(command), managed(command, "other")
    assert launch_of(other).server.endpoint == launch_of(one).server.endpoint
    asyncio.run(kill_what_two_use(one, other))
    assert launch_of(other).server.endpoint == launch_of(one).server.endpoint
    assert sorted([one.facts["n_restarts"], other.facts["n_restarts"]]) == [0, 1]


async def kill_what_two_use(one, other):
    async def work(connection, does_kill):
        (endpoint,) = (await connection.open()).endpoints
        if does_kill:
            await both_open.wait()
            kill(connection)
        both_open.set()
        assert await connection.renew(endpoint) != endpoint

    both_open = asyncio.Event()
    jobs = one.guard(work(one, does_kill=True)), other.guard(work(other, does_kill=False))
    await asyncio.gather(*jobs)


def test_jobs_count_the_restarts_of_their_own_time(managed, make_config):
    first = managed(stub_command())
    second = Connection(make_config().server, first._fleet, SilentTracker(), is_shared=True)
    asyncio.run(use_one_after_the_other(first, second))
    assert (first.facts["n_restarts"], second.facts["n_restarts"]) == (1, 0)
    assert second.facts["model"] == first.facts["model"]


async def use_one_after_the_other(first, second):
    async def work(connection, does_kill):
        (endpoint,) = (await connection.open()).endpoints
        if does_kill:
            await kill_and_renew(connection, endpoint)

    await first.guard(work(first, does_kill=True))
    await second.guard(work(second, does_kill=False))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_restart_that_is_interrupted(
    start_cli, stub, tmp_path, offspring, number
):
    starts = tmp_path / "starts"
    then_slow = stub_command(starts=f"echo >> {starts}; [ $(wc -l < {starts}) = 1 ] || sleep 600")
    (tmp_path / "vllm").write_text(then_slow.argv[2])
    command = [f"server.command=[/bin/sh,{tmp_path}/vllm]", "gen.max_retries=99"]
    process = start_cli(*stub, *command, "server.engine_args.exit-after-requests=1")
    wait_until(lambda: starts.exists() and len(starts.read_text()) == 2)
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until(lambda: not offspring())


def test_all_external_endpoints_are_opened(external, serve):
    urls = [serve().base_url, serve("--served-model-name", "other").base_url]
    connection = external(*urls, api_key="key")
    endpoints = asyncio.run(connection.open()).endpoints
    assert [(one.base_url, one.model) for one in endpoints] == [
        *zip(urls, ["m", "other"], strict=True)
    ]
    assert connection.facts["base_urls"] == urls


def test_endpoint_that_is_down_may_come_later(external, serve, caplog):
    up = serve().base_url
    down, other = asyncio.run(external(GONE, up, api_key="key").open()).endpoints
    assert (down.base_url, down.model, other.base_url) == (GONE, "m", up)
    assert f"{GONE}/models can't be reached" in caplog.text


def test_named_model_is_asked_for_everywhere(external, serve):
    connection = external(GONE, serve().base_url, api_key="key", model="x")
    assert {endpoint.model for endpoint in asyncio.run(connection.open()).endpoints} == {"x"}


def test_none_that_answers_is_an_error(external):
    with pytest.raises(ClientError, match="can't be reached"):
        asyncio.run(external(GONE, "http://127.0.0.1:11/v1").open())


def test_external_endpoint_is_asked_again(external):
    failed = Endpoint(GONE, "m")
    assert asyncio.run(external(GONE).renew(failed)) == failed
