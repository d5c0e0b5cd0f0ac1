"""Ask the model for pairs, chunk by chunk, many at a time."""

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from synth.client import Client
from synth.config import Config
from synth.errors import SynthError
from synth.pool import FailureBudget, map_bounded
from synth.qa import Prompt, parse, reply_format, to_records
from synth.records import Chunk, Endpoint, Failure, Pair, Usage

DEFAULT_CONCURRENCY = 64
"""Requests in flight to a server that does not say how many it takes; it queues what it can't."""


@dataclass
class Tally:
    """What generation has cost so far."""

    n_requests: int = 0
    n_retries: int = 0
    n_cut_off: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def add(self, usage: Usage, finish_reason: str, latency_s: float) -> None:
        """Count one reply."""
        self.n_requests += 1
        self.n_cut_off += finish_reason == "length"
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        self.latencies_s.append(latency_s)


async def generate(
    chunks: Sequence[Chunk],
    read_chunk: Callable[[Chunk], str],
    endpoint: Endpoint,
    config: Config,
    tally: Tally,
) -> AsyncIterator[list[Pair] | Failure]:
    """Yield, for every chunk in order, its pairs or why there are none.

    Args:
        read_chunk: returns a chunk's text; called when its request is due.
        tally: counts as the replies come in.

    Raises:
        BudgetExceeded: if more than ``gen.max_failed_frac`` of the chunks fail.
    """
    prompt = Prompt(config.qa)
    limit = config.gen.concurrency or endpoint.n_slots or DEFAULT_CONCURRENCY
    budget = FailureBudget(len(chunks), config.gen.max_failed_frac)
    client = Client(
        endpoint,
        timeout_s=config.gen.timeout_s,
        max_retries=config.gen.max_retries,
        max_connections=limit,
    )

    async def ask(chunk: Chunk) -> list[Pair]:
        begin = time.monotonic()
        completion = await client.complete(
            prompt.messages(read_chunk(chunk)), **_parameters(config, chunk)
        )
        tally.add(completion.usage, completion.finish_reason, time.monotonic() - begin)
        return to_records(chunk, parse(completion.text))

    async with client:
        async for chunk, result in map_bounded(ask, chunks, limit=limit):
            tally.n_retries = client.n_retries
            if isinstance(result, SynthError):
                yield Failure(chunk.id, "generate", type(result).__name__, str(result))
                budget.spend(str(result))
            else:
                yield result


def request_seed(run_seed: int, chunk_id: str, attempt: int = 0) -> int:
    """Return the seed of one request: the same run asks the same chunk in the same way."""
    text = f"{run_seed}/{chunk_id}/{attempt}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") >> 1


def _parameters(config: Config, chunk: Chunk) -> dict[str, object]:
    parameters: dict[str, object] = {
        "temperature": config.gen.temperature,
        "top_p": config.gen.top_p,
        "max_tokens": config.gen.max_tokens,
        "seed": request_seed(config.seed, chunk.id),
    }
    if config.gen.structured:
        parameters["response_format"] = reply_format(config.qa.num_pairs, config.gen.max_tokens)
    if config.model.chat_template_kwargs:
        parameters["chat_template_kwargs"] = config.model.chat_template_kwargs
    return parameters
