"""Whoever can be asked: a model behind its endpoints, and the replies that it has given before."""

import hashlib
import logging
import re
from dataclasses import dataclass, field
from typing import Any

from synth.client import Client
from synth.errors import RequestRejected, SynthError
from synth.qa import Message
from synth.records import Reply, Request
from synth.replies import Replies
from synth.slots import Priority

log = logging.getLogger(__name__)

_TOO_LONG = re.compile(
    r"context.(length|window|size)|max_model_len|too (long|many tokens)", re.IGNORECASE
)
_FORMAT = re.compile(
    r"response.format|json.(schema|object)|guided|structured|grammar", re.IGNORECASE
)


@dataclass
class Respondent:
    """A model that answers, each request once."""

    client: Client
    replies: Replies
    model: str
    """All that tells which model answers."""
    step: str = "generate"
    """Who asks, for the log."""
    formats: list[str] = field(default_factory=lambda: ["json_schema", "json_object", ""])
    """How the form of a reply can be asked for, the strictest first; what was refused is gone."""

    async def once(
        self, messages: list[Message], priority: Priority, body: dict[str, Any]
    ) -> tuple[Reply, bool]:
        """Return the reply, and whether nobody had to be asked for it.

        Args:
            body: the parameters of the request; a ``response_format`` among them is asked for in
                the strictest way that the endpoint takes.

        Raises:
            ClientError: if the endpoint does not answer, or refuses.
            ReplyError: if it answers with something that is no chat completion.
            StoreError: if the reply can't be kept.
        """
        return await self.replies.once(
            self.model,
            {"messages": messages, **body},
            lambda: self._send(messages, priority, body),
        )

    async def _send(
        self, messages: list[Message], priority: Priority, body: dict[str, Any]
    ) -> Reply:
        while True:
            form = self.formats[0]
            parameters = {name: body[name] for name in body if name != "response_format"}
            if form and "response_format" in body:
                wanted = body["response_format"]
                is_wanted = wanted["type"] == form
                parameters["response_format"] = wanted if is_wanted else {"type": form}
            try:
                return await self.client.complete(messages, priority, **parameters)
            except RequestRejected as error:
                if "response_format" not in parameters or not _FORMAT.search(error.body):
                    raise
                self._give_up(form)

    def _give_up(self, form: str) -> None:
        if form == self.formats[0]:  # others may have met the refusal before
            del self.formats[0]
            how = f"with {self.formats[0]}" if self.formats[0] else "by the prompt alone"
            log.warning("%-9s the endpoint refuses %s; it is asked %s", self.step, form, how)


def is_too_long(error: SynthError) -> bool:
    """Return whether a request was refused for its length."""
    return isinstance(error, RequestRejected) and _TOO_LONG.search(error.body) is not None


def request_seed(run_seed: int, subject: str, attempt: int = 0) -> int:
    """Return the seed of one request: the same run asks about the same in the same way."""
    return draw(f"{run_seed}/{subject}/{attempt}")


def draw(text: str) -> int:
    """Return a number of 31 bits that is the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def request_of(
    reply: Reply, chunk_id: str, attempt: int, seed: int, *, n_items: int, is_stored: bool
) -> Request:
    """Return the row of an answered request; a stored reply took no time of its own."""
    usage = reply.usage
    return Request(
        chunk_id=chunk_id,
        attempt=attempt,
        seed=seed,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        finish_reason=reply.finish_reason,
        n_items=n_items,
        queue_s=0.0 if is_stored else round(reply.queue_s, 4),
        latency_s=round(reply.latency_s, 4),
        server_s=round(reply.server_s, 6),
        n_retries=0 if is_stored else reply.n_retries,
        is_stored=is_stored,
    )
