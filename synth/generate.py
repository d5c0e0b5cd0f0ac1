"""Ask the model for pairs, passage by passage, many at a time."""

import random
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from synth.ask import Desk, Passage, ask
from synth.config import Config, QaConfig
from synth.errors import IngestError, ReplyError, SynthError
from synth.memory import read_spread
from synth.pool import FailureBudget, map_unordered
from synth.records import Chunk, Failure, Pair
from synth.respondent import draw
from synth.slots import Priority
from synth.traffic import MOST, Traffic

Item = TypeVar("Item")

_NEAR = 8
"""Chunks before and behind one that may be asked about together with it: what is far away seldom
has to do with it."""
_IN_A_FILE = 4
"""Endpoints of a file that are reckoned with; ``gen.concurrency`` asks for more."""


@dataclass(frozen=True)
class Task:
    """Chunks that are to be asked about."""

    chunks: AsyncIterable[Chunk]
    """All chunks of the run in their order, those of a document together, as they come."""
    answered: Collection[str]
    """Ids of those that have their pairs."""
    read_text: Callable[[Chunk], str]
    """Returns a chunk's text; called when its request is due."""
    budget: FailureBudget


@dataclass(frozen=True)
class Lane:
    """A job's place among those that use the same server at the same time.

    A prompt goes out together with its twins: the prompts of jobs of one ``rank`` begin in the
    same way, so their requests are sent chunk by chunk, and the server finds all but the first in
    its prefix cache. Which job is first is drawn for each chunk, so that none of them pays for the
    others and looks slow. Jobs of a higher rank take what the others leave.
    """

    traffic: Traffic
    rank: int = 0
    number: int = 0

    def priority(self, position: int) -> Priority:
        """Return when the request for the chunk at ``position`` is due: the lowest goes first."""
        return (self.rank, position, draw(f"{position}/{self.number}"))


async def generate(task: Task, desk: Desk, lane: Lane) -> AsyncGenerator[list[Pair] | Failure]:
    """Yield, for every chunk that has none yet, its pairs or why there are none, as they come.

    Raises:
        BudgetExceeded: if more chunks fail than the budget allows.
        ServerError: if the managed server has died for good.
        StoreError: if replies can't be kept.
    """

    async def make(place: tuple[int, list[Chunk]]) -> list[Pair]:
        position, chunks = place
        _check_number(chunks, desk.config.qa)
        texts = [task.read_text(one) for one in chunks]
        passage = Passage(chunks, texts, position, lane.priority(position))
        pairs = desk.kind.to_pairs(chunks, texts, await ask(passage, desk))
        if not pairs:
            raise ReplyError("qa.question and qa.answer make no text of what the reply holds")
        return pairs

    passages = (
        (position, chunks)
        async for position, chunks in _enumerate(group(task.chunks, desk.kind.n_chunks))
        if chunks[0].id not in task.answered
    )
    concurrency = desk.config.gen.concurrency
    # What is answered has yet to be stored and read, while the next ones stand ready.
    limit = 2 * concurrency if concurrency else MOST * _count_engines(desk.config)
    async with aclosing(map_unordered(make, passages, limit=limit)) as results:
        async for (_, chunks), result in results:
            made = _failure(chunks[0], result) if isinstance(result, SynthError) else result
            yield made
            if isinstance(made, Failure):
                task.budget.spend(made.detail)
    task.budget.check()


async def group(chunks: AsyncIterable[Chunk], n_chunks: int) -> AsyncIterator[list[Chunk]]:
    """Yield each chunk with ``n_chunks - 1`` others that are near in its document, drawn by its id.

    Where a document has not so many, the chunk comes with all that there are.
    """
    if n_chunks == 1:
        async for chunk in chunks:
            yield [chunk]
        return
    near = max(_NEAR, n_chunks)
    async for document in _by_document(chunks):
        for number, chunk in enumerate(document):
            before, after = (
                document[max(0, number - near) : number],
                document[number + 1 : number + 1 + near],
            )
            others = before + after
            draws = random.Random(draw(chunk.id))  # noqa: S311  (to be repeated)
            drawn = draws.sample(others, min(n_chunks - 1, len(others)))
            yield [chunk, *sorted(drawn, key=lambda one: one.start)]


async def _by_document(chunks: AsyncIterable[Chunk]) -> AsyncIterator[list[Chunk]]:
    document: list[Chunk] = []
    async for chunk in chunks:
        if document and chunk.doc_id != document[0].doc_id:
            yield document
            document = []
        document.append(chunk)
    if document:
        yield document


async def _enumerate(items: AsyncIterable[Item]) -> AsyncIterator[tuple[int, Item]]:
    number = 0
    async for item in items:
        yield number, item
        number += 1


def _count_engines(config: Config) -> int:
    """Return how many servers, or engines of servers, there may be at the most that is known."""
    server = config.server
    if server.kind == "external":
        return _IN_A_FILE if server.endpoints_file else len(server.api_bases)
    return server.replicas * read_spread(config).n_engines


def _failure(chunk: Chunk, error: SynthError) -> Failure:
    return Failure(chunk.id, "generate", type(error).__name__, str(error))


def _check_number(chunks: list[Chunk], qa: QaConfig) -> None:
    if len(chunks) < qa.chunks:
        raise IngestError(
            f"qa.kind={qa.kind} is about {qa.chunks} chunks of a document, and this one has "
            f"{len(chunks)}: lower chunk.size or qa.chunks",
            chunks[0].doc_id,
        )
