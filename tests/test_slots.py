"""Slots are bounded, the lowest priority goes first, and shares sum to the time in use."""

import asyncio
import time

import pytest

from synth.slots import Slots


async def use(slots, done, name, *priority, seconds=0.01):
    async with slots.turn(priority) as turn:
        done.append(name)
        await asyncio.sleep(seconds)
    return turn


def test_lowest_priority_goes_first():
    async def run():
        slots, done = Slots(1), []
        names = [(1, 0), (0, 2), (0, 1), (0, 0)]
        await asyncio.gather(*(use(slots, done, name, *name) for name in names))
        return done

    assert asyncio.run(run()) == [(1, 0), (0, 0), (0, 1), (0, 2)]  # the first met a free slot


def test_no_more_than_the_capacity_at_a_time():
    async def run():
        slots, begin = Slots(2), time.monotonic()
        turns = await asyncio.gather(*(use(slots, [], n, seconds=0.05) for n in range(6)))
        return turns, time.monotonic() - begin

    turns, seconds = asyncio.run(run())
    assert seconds >= 3 * 0.05
    assert sum(turn.server_s for turn in turns) == pytest.approx(seconds, rel=0.1)


def test_wider_slots_let_those_in_who_wait():
    async def run():
        slots, done = Slots(), []
        waiting = asyncio.create_task(use(slots, done, "a"))
        await asyncio.sleep(0)
        assert done == []
        slots.widen(1)
        await asyncio.wait_for(waiting, 1)
        return done

    assert asyncio.run(run()) == ["a"]


def test_cancelled_waiter_takes_no_slot():
    async def run():
        slots, done = Slots(1), []
        tasks = [asyncio.create_task(use(slots, done, n, n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(use(slots, done, "last"), 1)
        return done

    assert asyncio.run(run()) == [0, 2, "last"]
