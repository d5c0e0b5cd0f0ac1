"""Judge and closed book for all pairs of a run, many requests at a time."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial

from synth.errors import SynthError
from synth.examination.closed_book import ClosedBook
from synth.examination.judge import Batch, Judge
from synth.examination.panel import Group, Opinion, Panel, Topic
from synth.pool import map_unordered
from synth.records import Pair
from synth.traffic import MOST

Opinions = dict[str, Opinion]
Work = Callable[[], Awaitable[Opinions]]


async def examine(
    groups: AsyncIterable[Group], panel: Panel
) -> AsyncGenerator[tuple[str, Opinion]]:
    """Yield the id of every wanted pair, once, with what is said of it by who is in the panel.

    Of the groups no more are taken than are worked on. What can't be asked about one pair leaves it
    without an opinion, and is counted in ``panel.counts``.

    Raises:
        ServerError: if the managed server has died for good.
        StoreError: if replies can't be kept.
    """
    judge = Judge(panel, panel.judge) if panel.judge else None
    closed_book = ClosedBook(panel, panel.served) if panel.served else None
    concurrency = panel.config.gen.concurrency
    limit = 2 * concurrency if concurrency else MOST
    begun = dict[str, Opinion]()  # pairs of which the one part is there and not yet the other
    works = (
        work async for group in groups for work in _divide(panel.topic(group), judge, closed_book)
    )
    async with aclosing(map_unordered(_do, works, limit=limit)) as results:
        async for _, result in results:
            if isinstance(result, SynthError):
                raise result
            for pair_id, opinion in result.items():
                if judge and closed_book and pair_id not in begun:
                    begun[pair_id] = opinion
                else:
                    yield pair_id, _merge(begun.pop(pair_id, Opinion()), opinion)
    for one in (judge, closed_book):
        if one is not None:
            one.exchange.conclude()


def _divide(topic: Topic, judge: Judge | None, closed_book: ClosedBook | None) -> Iterator[Work]:
    """Yield what there is to do about a group, a request or two at a time."""
    if judge is not None:
        for batch in judge.batches(topic):
            yield partial(_judge, judge, topic, batch)
    if closed_book is not None:
        for pair in filter(topic.group.is_wanted, topic.group.pairs):
            yield partial(_check, closed_book, topic, pair)


async def _judge(judge: Judge, topic: Topic, batch: Batch) -> Opinions:
    scores = await judge.score(topic, batch)
    return {pair_id: Opinion(scores=one) for pair_id, one in scores.items()}


async def _check(closed_book: ClosedBook, topic: Topic, pair: Pair) -> Opinions:
    return {pair.id: Opinion(closed_book=await closed_book.check(topic, pair))}


async def _do(work: Work) -> Opinions:
    return await work()


def _merge(one: Opinion, other: Opinion) -> Opinion:
    return Opinion(one.scores or other.scores, one.closed_book or other.closed_book)
