"""The bounded map keeps its bounds, waits for nobody, and leaves no task behind."""

import asyncio

import pytest

from synth.errors import BudgetExceeded, ReplyError, StoreError
from synth.pool import FailureBudget, Total, map_unordered


async def collect(function, items, limit):
    return [pair async for pair in map_unordered(function, come(items), limit=limit)]


async def come(items):
    for item in items:
        yield item


async def echo(item):
    await asyncio.sleep(0.001 * (item % 3))
    return item


def test_every_item_has_its_result():
    made = asyncio.run(collect(echo, range(50), 7))
    assert sorted(made) == [(n, n) for n in range(50)]


def test_a_slow_item_keeps_none_waiting():
    async def be_slow_once(item):
        await asyncio.sleep(0.2 if item == 0 else 0)
        return item

    made = asyncio.run(collect(be_slow_once, range(500), 2))
    assert made[-1] == (0, 0)


def test_no_more_than_the_limit_at_work():
    now, most = 0, 0

    async def work(item):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    asyncio.run(collect(work, range(40), 5))
    assert most == 5


def test_items_are_taken_as_they_are_needed():
    taken = []

    async def first_only():
        items = (taken.append(n) or n for n in range(1000))
        async for _ in map_unordered(echo, come(items), limit=4):
            break

    asyncio.run(first_only())
    assert len(taken) <= 8


def test_error_of_an_item_is_its_result():
    async def fail_odd(item):
        if item % 2:
            raise ReplyError("odd")
        return item

    made = asyncio.run(collect(fail_odd, range(4), 2))
    assert {item for item, result in made if isinstance(result, ReplyError)} == {1, 3}


def test_error_that_is_no_items_ends_the_map():
    async def fail(item):
        raise StoreError("full")

    with pytest.raises(StoreError):
        asyncio.run(collect(fail, range(4), 2))


def test_other_errors_end_the_map_and_its_tasks():
    async def fail(item):
        if item == 3:
            raise ZeroDivisionError
        await asyncio.sleep(30 if item > 3 else 0)

    async def main():
        with pytest.raises(ZeroDivisionError):
            await collect(fail, range(10), 10)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


def test_budget_tolerates_its_share():
    budget = FailureBudget(Total(100, is_final=True), max_failed_frac=0.2)
    for _ in range(20):
        budget.spend("late")
    with pytest.raises(BudgetExceeded, match="21 of 100 failed; the first: late"):
        budget.spend("later")


def test_budget_ends_when_all_have_failed():
    budget = FailureBudget(Total(2, is_final=True), max_failed_frac=0.5)
    budget.spend("one")
    with pytest.raises(BudgetExceeded):
        budget.spend("two")


def test_all_have_failed_only_when_no_more_can_come():
    budget = FailureBudget(total := Total(2), max_failed_frac=0.5)
    budget.spend("one")
    budget.spend("two")
    total.is_final = True
    with pytest.raises(BudgetExceeded, match="2 of 2 failed"):
        budget.check()


def test_share_grows_with_the_items():
    budget = FailureBudget(total := Total(20), max_failed_frac=0.5)
    for _ in range(10):
        budget.spend("late")
    total.n = 100
    budget.spend("late")
    total.n = 21
    with pytest.raises(BudgetExceeded, match="12 of 21"):
        budget.spend("late")


def test_items_that_are_still_to_come_are_waited_for():
    async def main():
        queue = asyncio.Queue()

        async def trickle():
            while (item := await queue.get()) is not None:
                yield item

        made = asyncio.create_task(collect_from(trickle()))
        for item in (1, 2, None):
            queue.put_nowait(item)
            await asyncio.sleep(0.01)
        return await made

    async def collect_from(items):
        return {item async for item, _ in map_unordered(echo, items, limit=3)}

    assert asyncio.run(main()) == {1, 2}
