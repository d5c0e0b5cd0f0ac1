"""Work that goes on side by side ends together, and blocks no loop."""

import asyncio
import threading
import time

import pytest

from synth.loop import iterate_in_thread, together


async def fail():
    raise ValueError("bad")


def test_first_error_ends_the_others():
    ended = []

    async def wait():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(together(wait(), fail()))
    assert ended == [True]


def test_all_are_awaited():
    done = []

    async def work(delay_s):
        await asyncio.sleep(delay_s)
        done.append(delay_s)

    asyncio.run(together(work(0.02), work(0)))
    assert done == [0, 0.02]


def test_items_come_from_one_other_thread():
    def count():
        for n in range(3):
            time.sleep(0.01)
            yield n, threading.get_ident()

    async def main():
        return [item async for item in iterate_in_thread(count(), lambda: None)]

    items = asyncio.run(main())
    assert [n for n, _ in items] == [0, 1, 2]
    assert len({thread for _, thread in items} - {threading.get_ident()}) == 1


def test_error_of_the_generator_is_raised():
    def count():
        yield 1
        raise ValueError("bad")

    async def main():
        return [item async for item in iterate_in_thread(count(), lambda: None)]

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(main())


def test_generator_is_stopped_and_closed_when_nobody_waits():
    stopped, closed = threading.Event(), threading.Event()

    def block():
        try:
            yield 1
            stopped.wait(30)
            yield 2
        finally:
            closed.set()

    async def main():
        async for _ in iterate_in_thread(block(), stopped.set):
            pass

    async def cancel():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(main(), 0.05)

    asyncio.run(cancel())
    assert closed.wait(5)
