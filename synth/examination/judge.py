"""Ask the judge about pairs of one text until each has its scores, as far as that goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synth.errors import ClientError, ReplyError, SynthError
from synth.examination.panel import Exchange, Panel, Topic
from synth.examination.rubric import Mark, Rubric, Scores
from synth.qa import CHARS_PER_TOKEN, Message
from synth.records import Pair
from synth.respondent import Respondent, is_too_long

Batch = Sequence[Pair]


class Judge:
    """Scores pairs, some of one text in a request."""

    def __init__(self, panel: Panel, respondent: Respondent) -> None:
        self._panel, self._rubric = panel, Rubric(panel.config.curate)
        self.exchange = Exchange(panel, respondent, "a request to the judge")
        self._is_served = panel.config.curate.judge == "served"
        self._common = panel.sampling(is_served=self._is_served)
        self._common["temperature"] = panel.config.curate.temperature

    def batches(self, topic: Topic) -> Iterator[Batch]:
        """Yield the pairs of a group, as many together as one request takes.

        Only those are left out that stand in a request without one that is asked about.
        """
        most, left = self._panel.config.curate.batch_size, list(topic.group.pairs)
        while left:
            n = min(most, len(left))
            while n > 1 and not self._fits(topic, left[:n]):
                n -= 1
            if any(map(topic.group.is_wanted, left[:n])):
                yield left[:n]
            left = left[n:]

    async def score(self, topic: Topic, batch: Batch) -> dict[str, Scores | None]:
        """Return the scores of each wanted pair by its id; None where the judge gives none.

        Raises:
            ServerError: if the managed server has died for good.
            StoreError: if replies can't be kept.
        """
        hearing = _Hearing(self, topic, {}, set())
        self.exchange.n += 1
        try:
            await hearing.hear(batch, 0)
        except (ClientError, ReplyError) as error:
            self.exchange.fail(error, has_result=bool(hearing.found))
        wanted = filter(topic.group.is_wanted, batch)
        scores = {pair.id: _given(hearing.found.get(pair.id)) for pair in wanted}
        n_judged, counts = sum(one is not None for one in scores.values()), self._panel.counts
        counts.n_judged += n_judged
        counts.n_abstained += len(scores) - n_judged
        return scores

    async def ask(self, topic: Topic, batch: Batch, attempt: int) -> dict[str, Mark]:
        """Send one request and return what its reply says, by the pairs' ids."""
        messages = self._rubric.messages(topic.text, batch)
        body = self._common | {"max_tokens": self._room(topic, messages, len(batch), attempt)}
        if self._panel.config.gen.structured:
            body["response_format"] = self._rubric.reply_format(len(batch))
        reply, note = await self.exchange.ask(
            topic, f"judge/{batch[0].id}", messages, body, attempt
        )
        is_cut_off = reply.finish_reason == "length"
        marks = self._rubric.parse(reply.text, len(batch), is_cut_off=is_cut_off)
        note(len(marks))
        self._panel.counts.n_judge_requests += 1
        self._panel.counts.n_judge_reasked += attempt > 0
        return {batch[number].id: mark for number, mark in marks.items()}

    @property
    def n_attempts(self) -> int:
        """How often a pair may be asked about."""
        return 1 + self._panel.config.gen.max_reasks

    def _fits(self, topic: Topic, batch: Batch) -> bool:
        if not self._is_served:  # nobody knows what another endpoint takes, until it refuses
            return True
        try:
            n_tokens = _count_tokens(topic, self._rubric.messages(topic.text, batch))
        except ReplyError:
            return True  # it fails when it is asked
        longest = self._panel.config.model.max_seq_length
        return n_tokens + self._rubric.tokens_for(len(batch)) <= longest

    def _room(self, topic: Topic, messages: list[Message], n_pairs: int, attempt: int) -> int:
        """Return the longest reply; twice as long each time, for a judge that says more."""
        least = self._rubric.tokens_for(n_pairs)
        wanted = least << attempt
        if not self._is_served:
            return wanted
        left = self._panel.config.model.max_seq_length - _count_tokens(topic, messages)
        return max(least, min(wanted, left))


@dataclass
class _Hearing:
    """The requests about the pairs of one batch."""

    judge: Judge
    topic: Topic
    found: dict[str, Scores]
    doubted: set[str]
    """Pairs of which a reply has said two things, or half of one, and that were asked about again."""

    async def hear(self, batch: Batch, first: int) -> None:
        """Ask about a batch, from the attempt ``first`` on, and then about what a reply lacks.

        Raises:
            ClientError: if a request got no answer. What was found before stays.
            ReplyError: likewise.
        """
        left = list(batch)
        for attempt in range(first, self.judge.n_attempts):
            try:
                marks = await self.judge.ask(self.topic, left, attempt)
            except ClientError as error:
                if len(left) == 1 or not is_too_long(error):
                    raise
                await self._hear_halves(left, attempt)
                return
            again = self._take(marks)
            left = [pair for pair in left if pair.id not in self.found or pair.id in again]
            if not left:
                return

    async def _hear_halves(self, batch: Batch, attempt: int) -> None:
        middle = (len(batch) + 1) // 2
        errors = list[SynthError]()
        for half in (batch[:middle], batch[middle:]):
            try:
                await self.hear(half, attempt)
            except (ClientError, ReplyError) as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _take(self, marks: dict[str, Mark]) -> set[str]:
        """Keep what was said, and return the pairs that are to be asked about once more."""
        again = set()
        for pair_id, mark in marks.items():
            if mark.is_clear or pair_id not in self.found:
                self.found[pair_id] = mark.scores
            if not mark.is_clear and pair_id not in self.doubted:
                again.add(pair_id)
        self.doubted |= again
        return again


def _given(scores: Scores | None) -> Scores | None:
    """Return the scores if there is one among them."""
    has_any = scores is not None and any(one is not None for one in scores.values())
    return scores if has_any else None


def _count_tokens(topic: Topic, messages: list[Message]) -> int:
    """Return about how many tokens a prompt has, by those of the chunks that stand in it."""
    n_text_tokens = sum(chunk.n_tokens for chunk in topic.group.chunks)
    n_chars = sum(len(message["content"]) for message in messages)
    each = min(CHARS_PER_TOKEN, len(topic.text) / n_text_tokens) if n_text_tokens else 0
    return round(n_chars / (each or CHARS_PER_TOKEN))
