"""Which endpoints requests may go to, when those come and go; against the stub."""

import asyncio

import pytest

from synth.client import Client
from synth.records import Endpoint
from synth.traffic import MOST, Route, Traffic
from tests.test_client import closed_endpoint

A, B = (Endpoint(f"http://127.0.0.1:{port}/v1", "m", None, 4) for port in (9, 11))


def follow(route, action, concurrency=None):
    async def run():
        async with Traffic() as traffic:
            traffic.open(route, concurrency)
            return await asyncio.wait_for(action(traffic), 20)

    return asyncio.run(run())


def route_of(members):
    async def find():
        return tuple(members)

    return Route(tuple(members), None, find)


async def until(traffic, members):
    while [one.endpoint for one in traffic.slots.stations] != members:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_endpoints_join_and_leave_and_keep_what_they_have_learned():
    members = [A]

    async def run(traffic):
        (first,) = traffic.slots.stations
        members.append(B)
        await until(traffic, [A, B])
        assert traffic.slots.stations[0] is first
        assert traffic.slots.capacity == 2 * (4 + 1)
        members.remove(A)
        await until(traffic, [B])

    follow(route_of(members), run)


def test_requests_wait_when_there_is_none(serve):
    members = []

    async def run(traffic):
        client = Client(traffic, timeout_s=5, max_retries=0)
        waiting = asyncio.create_task(client.complete([{"role": "user", "content": "?"}]))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        members.append(serve())
        return await waiting

    assert "pairs" in follow(route_of(members), run).text


def test_request_to_one_that_has_left_costs_no_try(serve):
    dead, alive = closed_endpoint(), serve()

    async def renew(failed):
        members[:] = [alive]
        return alive

    members = [dead]
    route = Route((dead,), renew, route_of(members).find)

    async def run(traffic):
        client = Client(traffic, timeout_s=5, max_retries=0)
        return await client.complete([{"role": "user", "content": "?"}])

    assert follow(route, run).n_retries == 1


@pytest.mark.parametrize(
    ("concurrency", "most"), [(None, MOST), (8, 8), (2 * MOST, 2 * MOST)], ids=str
)
def test_what_is_asked_for_bounds_each_of_those_that_may_leave(concurrency, most):
    async def run(traffic):
        return [traffic._most(one) for one in (A, B)]

    assert follow(route_of([A, B]), run, concurrency) == [most, most]


def test_list_shares_what_is_asked_for():
    async def run(traffic):
        return [one.limit.value for one in traffic.slots.stations]

    assert follow(Route((A, B)), run, 6) == [3, 3]


def test_server_of_many_engines_takes_more_than_the_most():
    many = Endpoint("http://127.0.0.1:9/v1", "m", None, 2048)

    async def run(traffic):
        return traffic.slots.capacity

    assert follow(Route((many,)), run) == 2048 + 128
