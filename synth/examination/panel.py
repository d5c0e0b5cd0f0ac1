"""Who examines the pairs of a run, and what that takes."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from synth.config import Config
from synth.errors import SynthError
from synth.examination.rubric import Scores
from synth.qa import Message, join_texts
from synth.records import Chunk, Pair, Reply
from synth.respondent import Respondent, request_of, request_seed
from synth.slots import Priority
from synth.tally import Tally

log = logging.getLogger(__name__)

Agrees = Callable[[str, str, str], bool]
"""Returns whether a reply says what a pair's answer says; takes reply, answer and question."""

OpenJudge = Callable[[], AbstractAsyncContextManager[Respondent]]
"""Opens the judge of ``curate.judge=endpoint``."""

_LEAST = 10
"""So many requests that all have failed tell of the one who was asked."""


@dataclass(frozen=True)
class Group:
    """Pairs that were made from the same chunks."""

    chunks: Sequence[Chunk]
    """A chunk or, for some kinds, several of a document: ``chunk_ids`` of each pair."""
    pairs: Sequence[Pair]
    position: int = 0
    """The number of the first chunk among all chunks of the run."""
    beside: frozenset[str] = frozenset()
    """Ids of those of the pairs that nobody is asked about: they only stand beside others, so that
    what a judge is shown of a chunk does not depend on other chunks."""

    def is_wanted(self, pair: Pair) -> bool:
        """Return whether an opinion of the pair is wanted."""
        return pair.id not in self.beside


@dataclass(frozen=True)
class Topic:
    """What requests about pairs of a group are about."""

    group: Group
    text: str
    priority: Priority


@dataclass(frozen=True)
class Opinion:
    """What is said of a pair; None: nobody was asked, could be asked, or could tell."""

    scores: Scores | None = None
    closed_book: dict[str, bool] | None = None
    """``known``: it is answered without the text; ``answerable``: with it."""


@dataclass
class Counts:
    """What came of the questions; complete when the examination has ended."""

    n_judged: int = 0
    """Pairs with a score."""
    n_abstained: int = 0
    """Pairs that the judge was to score and has not."""
    n_judge_requests: int = 0
    """Answered requests to the judge."""
    n_judge_reasked: int = 0
    """Those of them about pairs of which an earlier reply said too little."""
    n_checked: int = 0
    """Pairs that were answered without and with the text."""
    n_unchecked: int = 0
    """Pairs of which that was not possible."""


@dataclass
class Panel:
    """Who is asked about the pairs of a run, and with what."""

    config: Config
    judge: Respondent | None
    """Scores; None: nobody does."""
    served: Respondent | None
    """Answers the questions without and with their text; None: nobody does."""
    tally: Tally
    read_text: Callable[[Chunk], str]
    """Returns a chunk's text; called when its pairs are due."""
    agrees: Agrees
    priority: Callable[[int], Priority] = lambda position: (position,)
    """Returns when requests about the chunk at a position are due: the lowest go first."""
    counts: Counts = field(default_factory=Counts)

    def topic(self, group: Group) -> Topic:
        """Return the group with the text that its pairs were made from."""
        text = join_texts([self.read_text(chunk) for chunk in group.chunks])
        return Topic(group, text, self.priority(group.position))

    def sampling(self, *, is_served: bool) -> dict[str, Any]:
        """Return the parameters that all requests have which the served model gets, or another."""
        template = self.config.model.chat_template_kwargs
        return {"chat_template_kwargs": template} if template and is_served else {}


@dataclass
class Exchange:
    """The requests of one purpose, and how many gave nothing."""

    panel: Panel
    respondent: Respondent
    what: str
    """What it is that fails, for the log."""
    n: int = 0
    n_failed: int = 0
    first: str = ""
    """The first failure."""

    async def ask(
        self,
        topic: Topic,
        subject: str,
        messages: list[Message],
        body: dict[str, Any],
        attempt: int,
    ) -> tuple[Reply, Callable[[int], None]]:
        """Return a reply, and what is to be told how many items were read in it.

        Args:
            topic: what it is about.
            subject: what it has its seed of.
            messages: the conversation.
            body: the parameters beside the seed.
            attempt: how often it was asked about before.

        Raises:
            ClientError: if the endpoint does not answer, or refuses.
            ReplyError: if it answers with something that is no chat completion.
        """
        panel, chunk_id = self.panel, topic.group.chunks[0].id
        seed = request_seed(panel.config.seed, subject, attempt)
        body = body | {"seed": seed}
        reply, is_stored = await self.respondent.once(messages, topic.priority, body)

        def note(n_items: int) -> None:
            panel.tally.add(
                request_of(reply, chunk_id, attempt, seed, n_items=n_items, is_stored=is_stored)
            )

        return reply, note

    def fail(self, error: SynthError, *, has_result: bool = False) -> None:
        """Note that a request got no answer; the first time is told.

        Args:
            error: why.
            has_result: whether others about the same did.
        """
        self.n_failed += not has_result
        if not self.first:
            self.first = str(error)
            log.warning("curate    %s failed: %s", self.what, self.first)

    def conclude(self) -> None:
        """Say so if nothing was answered at all."""
        if self.n_failed == self.n >= _LEAST:
            log.warning(
                "curate    %s failed all %d times; the pairs are kept without. The first: %s",
                self.what,
                self.n,
                self.first,
            )
