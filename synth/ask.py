"""Ask about one passage until it has given what it can: the conversation with the model.

A reply that holds nothing is asked for again with another seed, what a cut-off one lacks is asked
for in a further turn of the conversation, and a text that is too long is asked about in halves.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.config import Config
from synth.errors import ClientError, ReplyError
from synth.qa import Item, Kind, Message
from synth.records import Call, Chunk, Reply
from synth.respondent import Respondent, is_too_long, request_of, request_seed
from synth.slots import Priority
from synth.tally import Tally

_LEAST_ROOM = 128
"""Tokens of the shortest reply that is asked for."""
_SHORTEST = 200
"""Characters of a text that is not divided any more."""


@dataclass(frozen=True)
class Passage:
    """What one request is about: a chunk or, for some kinds, several of a document."""

    chunks: Sequence[Chunk]
    texts: Sequence[str]
    position: int = 0
    """The number of the first chunk among all chunks of the run."""
    priority: Priority = ()

    @property
    def id(self) -> str:
        """The id of its first chunk, by which its pairs and failures go."""
        return self.chunks[0].id


@dataclass
class Desk:
    """What the requests of a job have in common."""

    config: Config
    kind: Kind
    respondent: Respondent
    tally: Tally
    asked: Collection[int] = ()
    """Seeds of requests that the tally knows of, from an attempt of the run that was interrupted."""
    note: Callable[[int, Call], None] = lambda position, call: None
    """Gets each call that was answered, with the position of its chunk."""

    @property
    def sampling(self) -> dict[str, Any]:
        """The parameters that all requests have."""
        gen, template = self.config.gen, self.config.model.chat_template_kwargs
        common = {"temperature": gen.temperature, "top_p": gen.top_p}
        return common | ({"chat_template_kwargs": template} if template else {})


async def ask(passage: Passage, desk: Desk) -> list[Item]:
    """Return the items that the model makes of a passage.

    Raises:
        ClientError: if the endpoint does not answer, or refuses.
        ReplyError: if there is no item in any reply.
    """
    talk = _Talk(passage, desk)
    items = await talk.collect(passage.texts, desk.config.qa.num_pairs)
    if not items:
        raise ReplyError(f"the reply holds no pair: {talk.last[:200]!r}", talk.last)
    return items


@dataclass
class _Talk:
    passage: Passage
    desk: Desk
    last: str = ""
    """The latest reply."""

    async def collect(self, texts: Sequence[str], num_pairs: int, part: str = "") -> list[Item]:
        """Return the items that are made of ``texts``, in as many requests as pay.

        Args:
            part: tells the halves of a passage from each other.
        """
        kind, items = self.desk.kind, list[Item]()
        headings = self.passage.chunks[0].headings
        for attempt in range(1 + self.desk.config.gen.max_reasks):
            missing = num_pairs - len(items)
            messages = (
                kind.follow_up(texts, items, missing, num_pairs, headings)
                if items
                else kind.messages(texts, missing, headings)
            )
            room = _room(self.desk.config.gen.max_tokens, missing / num_pairs)
            try:
                reply, found = await self._ask(messages, missing, room, part, attempt)
            except ClientError as error:
                if items:  # what there is counts
                    break
                if not (halves := _halve(texts, error)):
                    raise
                return await self._collect_parts(halves, num_pairs, part)
            items += found
            if found and not self._pays(reply, num_pairs - len(items)):
                break
        return items

    async def _collect_parts(self, texts: Sequence[str], num_pairs: int, part: str) -> list[Item]:
        items: list[Item] = []
        for number, text in enumerate(texts):
            share = max(1, (num_pairs + number) // len(texts))
            try:
                items += await self.collect([text], share, f"{part}/{number}")
            except ClientError:
                if not items:
                    raise
        return items

    async def _ask(
        self, messages: list[Message], num_pairs: int, max_tokens: int, part: str, attempt: int
    ) -> tuple[Reply, list[Item]]:
        desk, passage, config = self.desk, self.passage, self.desk.config
        seed = request_seed(config.seed, passage.id + part, attempt)
        body = desk.sampling | {"seed": seed, "max_tokens": max_tokens}
        if config.gen.structured:
            body["response_format"] = desk.kind.reply_format(num_pairs, max_tokens)
        reply, is_stored = await desk.respondent.once(messages, passage.priority, body)
        items = desk.kind.parse(reply.text, is_cut_off=reply.finish_reason == "length")
        if not (is_stored and seed in desk.asked):
            told = request_of(
                reply, passage.id, attempt, seed, n_items=len(items), is_stored=is_stored
            )
            desk.tally.add(replace(told, n_begun=desk.kind.count_begun(reply.text)))
        if not is_stored:
            desk.note(passage.position, _call_of(reply, passage.id, messages, body))
        self.last = reply.text
        return reply, items

    def _pays(self, reply: Reply, missing: int) -> bool:
        """Return whether what a reply lacks is asked for: it was cut off, and there is room."""
        config, usage = self.desk.config, reply.usage
        said = usage.prompt_tokens + usage.output_tokens
        has_room = said + config.gen.max_tokens <= config.model.max_seq_length
        return reply.finish_reason == "length" and missing > 0 and has_room


def _room(max_tokens: int, share: float) -> int:
    """Return the tokens for a share of the pairs, twice that: one that runs away costs no more."""
    return min(max_tokens, max(_LEAST_ROOM, round(2 * max_tokens * share)))


def _halve(texts: Sequence[str], error: ClientError) -> list[str]:
    """Return two parts of a text that was refused for its length; nothing if that is no way out."""
    text = texts[0]
    if not is_too_long(error) or len(texts) > 1 or len(text) < _SHORTEST:
        return []
    middle = text.rfind(" ", len(text) // 4, len(text) // 2 + 1)
    middle = len(text) // 2 if middle < 0 else middle
    return [text[:middle], text[middle:]]


def _call_of(
    reply: Reply, chunk_id: str, messages: list[Message], parameters: dict[str, Any]
) -> Call:
    return Call(
        chunk_id=chunk_id,
        messages=messages,
        parameters=parameters,
        reply=reply.text,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        began_s=time.time() - reply.latency_s,
        latency_s=reply.latency_s,
    )
