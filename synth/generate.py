"""Ask the model for pairs, chunk by chunk, many at a time."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from synth.client import Client, Completion, Connections
from synth.config import Config
from synth.errors import ReplyError, SynthError
from synth.pool import FailureBudget, map_bounded
from synth.qa import Kind
from synth.records import Chunk, Endpoint, Failure, Pair, Request
from synth.slots import Priority, Slots, Turn
from synth.tally import Tally

DEFAULT_CONCURRENCY = 64
"""Requests in flight to a server that does not say how many it takes; it queues what it can't."""


@dataclass(frozen=True)
class Task:
    """Chunks that are to be asked about."""

    chunks: Sequence[Chunk]
    read_chunk: Callable[[Chunk], str]
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

    slots: Slots
    rank: int = 0
    number: int = 0
    connections: Connections | None = None

    def priority(self, position: int) -> Priority:
        """Return when the request for the chunk at ``position`` is due: the lowest goes first."""
        return (self.rank, position, _draw(f"{position}/{self.number}"))


async def generate(
    task: Task, endpoint: Endpoint, config: Config, tally: Tally, lane: Lane
) -> AsyncIterator[list[Pair] | Failure]:
    """Yield, for every chunk in order, its pairs or why there are none.

    Args:
        tally: counts as the replies come in.

    Raises:
        BudgetExceeded: if more chunks fail than the budget allows.
    """
    kind = Kind(config.qa)
    limit = count_slots(endpoint, config)
    client = Client(
        endpoint,
        timeout_s=config.gen.timeout_s,
        max_retries=config.gen.max_retries,
        max_connections=limit,
        connections=lane.connections,
    )
    lane.slots.widen(limit)

    async def ask(place: tuple[int, Chunk]) -> list[Pair]:
        position, chunk = place
        texts = [task.read_chunk(chunk)]
        async with lane.slots.turn(lane.priority(position)) as turn:
            completion = await client.complete(
                kind.messages(texts, config.qa.num_pairs), **_parameters(config, kind, chunk)
            )
        tally.add(_request_of(chunk, completion, turn))
        items = kind.parse(completion.text, is_cut_off=completion.finish_reason == "length")
        if not items:
            shown = f"the reply holds no pair: {completion.text[:200]!r}"
            raise ReplyError(shown, completion.text)
        return kind.to_pairs([chunk], texts, items)

    async with client:
        async for (_, chunk), result in map_bounded(ask, enumerate(task.chunks), limit=limit):
            tally.n_retries = client.n_retries
            if isinstance(result, SynthError):
                yield Failure(chunk.id, "generate", type(result).__name__, str(result))
                task.budget.spend(str(result))
            else:
                yield result


def count_slots(endpoint: Endpoint, config: Config) -> int:
    """Return the requests that a run may have in flight."""
    return config.gen.concurrency or endpoint.n_slots or DEFAULT_CONCURRENCY


def _request_of(chunk: Chunk, completion: Completion, turn: Turn) -> Request:
    usage = completion.usage
    return Request(
        chunk_id=chunk.id,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        finish_reason=completion.finish_reason,
        latency_s=round(turn.latency_s, 4),
        server_s=round(turn.server_s, 6),
    )


def request_seed(run_seed: int, chunk_id: str, attempt: int = 0) -> int:
    """Return the seed of one request: the same run asks the same chunk in the same way."""
    return _draw(f"{run_seed}/{chunk_id}/{attempt}")


def _draw(text: str) -> int:
    """Return a number of 31 bits that is the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def _parameters(config: Config, kind: Kind, chunk: Chunk) -> dict[str, object]:
    parameters: dict[str, object] = {
        "temperature": config.gen.temperature,
        "top_p": config.gen.top_p,
        "max_tokens": config.gen.max_tokens,
        "seed": request_seed(config.seed, chunk.id),
    }
    if config.gen.structured:
        parameters["response_format"] = kind.reply_format(
            config.qa.num_pairs, config.gen.max_tokens
        )
    if config.model.chat_template_kwargs:
        parameters["chat_template_kwargs"] = config.model.chat_template_kwargs
    return parameters
