"""Slots are bounded, the lowest priority goes first, and shares sum to the time in use."""

import asyncio
import time

import pytest

from synth.limit import Limit
from synth.records import Endpoint
from synth.slots import Slots, Station


def make_slots(*capacities):
    stations = [
        Station(Endpoint(f"http://{number}", "m"), Limit(capacity, capacity))
        for number, capacity in enumerate(capacities)
    ]
    return Slots(stations)


async def use(slots, done, name, *priority, seconds=0.01):
    async with slots.turn(priority) as turn:
        done.append(name)
        await asyncio.sleep(seconds)
    return turn


def test_lowest_priority_goes_first():
    async def run():
        slots, done = make_slots(1), []
        names = [(1, 0), (0, 2), (0, 1), (0, 0)]
        await asyncio.gather(*(use(slots, done, name, *name) for name in names))
        return done

    assert asyncio.run(run()) == [(1, 0), (0, 0), (0, 1), (0, 2)]  # the first met a free slot


def test_no_more_than_the_capacity_at_a_time():
    async def run():
        slots, begin = make_slots(2), time.monotonic()
        turns = await asyncio.gather(*(use(slots, [], n, seconds=0.05) for n in range(6)))
        return turns, time.monotonic() - begin

    turns, seconds = asyncio.run(run())
    assert seconds >= 3 * 0.05
    assert sum(turn.server_s for turn in turns) == pytest.approx(seconds, rel=0.1)


def test_stations_get_requests_by_what_each_takes():
    async def run():
        slots = make_slots(1, 3)
        return await asyncio.gather(*(use(slots, [], n) for n in range(8)))

    turns = asyncio.run(run())
    names = [turn.station.endpoint.base_url for turn in turns]
    assert (names.count("http://0"), names.count("http://1")) == (2, 6)


def test_those_who_wait_are_let_in_when_stations_are_known():
    async def run():
        slots, done = Slots(), []
        waiting = asyncio.create_task(use(slots, done, "a"))
        await asyncio.sleep(0)
        assert done == []
        slots.stations = make_slots(1).stations
        slots.admit()
        await asyncio.wait_for(waiting, 1)
        return done

    assert asyncio.run(run()) == ["a"]


def test_paused_station_is_used_when_its_pause_ends():
    async def run():
        slots, begin = make_slots(1), time.monotonic()
        slots.stations[0].paused_until = begin + 0.05
        turn = await asyncio.wait_for(use(slots, [], "a"), 1)
        return turn.began - begin

    assert asyncio.run(run()) >= 0.05


def test_failing_station_is_set_aside_and_tried_again_by_one():
    async def run():
        slots = make_slots(2, 2)
        bad, good = slots.stations
        for _ in range(3):
            bad.failed(time.monotonic())
        before = await asyncio.gather(*(use(slots, [], n) for n in range(4)))
        bad.aside_until = time.monotonic()
        after = await asyncio.gather(*(use(slots, [], n) for n in range(3)))
        return bad, good, before, after

    bad, good, before, after = asyncio.run(run())
    assert {turn.station for turn in before} == {good}
    assert [turn.station for turn in after].count(bad) == 1
    bad.answered()
    assert not bad.is_aside(time.monotonic())


def test_stations_that_all_fail_are_used_nevertheless():
    async def run():
        slots = make_slots(1, 1)
        for station in slots.stations:
            for _ in range(9):
                station.failed(time.monotonic())
        return await asyncio.wait_for(use(slots, [], "a"), 1)

    assert asyncio.run(run()).station is not None


def test_cancelled_waiter_takes_no_slot():
    async def run():
        slots, done = make_slots(1), []
        tasks = [asyncio.create_task(use(slots, done, n, n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(use(slots, done, "last"), 1)
        return done

    assert asyncio.run(run()) == [0, 2, "last"]
