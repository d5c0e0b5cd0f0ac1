"""Have the served model answer a question without the text and with it.

What it knows without needs no training; what it can't say with the text before it is not in there,
or is wrong.
"""

from synth.errors import ClientError, ReplyError
from synth.examination.panel import Exchange, Panel, Topic
from synth.qa import Message
from synth.records import Pair
from synth.respondent import Respondent

_ALONE = 'Answer in one or two sentences. If you do not know, say: "I don\'t know."'
_WITH_TEXT = (
    'Answer in one or two sentences, by the text alone. If it does not say, say: "I don\'t know."'
)
_MOST_TOKENS = 128


class ClosedBook:
    """Asks each question twice."""

    def __init__(self, panel: Panel, respondent: Respondent) -> None:
        self._panel = panel
        self.exchange = Exchange(panel, respondent, "a question without and with its text")
        self._body = panel.sampling(is_served=True)
        self._body |= {"temperature": 0.0, "max_tokens": _MOST_TOKENS}

    async def check(self, topic: Topic, pair: Pair) -> dict[str, bool] | None:
        """Return whether the pair's answer is ``known``, and ``answerable``; None if nobody says.

        Raises:
            ServerError: if the managed server has died for good.
            StoreError: if replies can't be kept.
        """
        counts = self._panel.counts
        self.exchange.n += 1
        try:
            known = await self._agrees(topic, pair, "closed", without_text(pair))
            answerable = await self._agrees(topic, pair, "open", with_text(topic.text, pair))
        except (ClientError, ReplyError) as error:
            self.exchange.fail(error)
            counts.n_unchecked += 1
            return None
        counts.n_checked += 1
        return {"known": known, "answerable": answerable}

    async def _agrees(self, topic: Topic, pair: Pair, book: str, messages: list[Message]) -> bool:
        subject = f"{book}/{pair.id}"
        reply, note = await self.exchange.ask(topic, subject, messages, self._body, 0)
        said = reply.text.strip()
        note(1 if said else 0)
        return bool(said) and self._panel.agrees(said, pair.answer, pair.question)


def without_text(pair: Pair) -> list[Message]:
    """Return the conversation that asks a pair's question alone."""
    return _conversation(_ALONE, pair.question)


def with_text(text: str, pair: Pair) -> list[Message]:
    """Return the conversation that asks it about the text."""
    return _conversation(_WITH_TEXT, f"Text:\n{text}\n\nQuestion: {pair.question}")


def _conversation(system: str, prompt: str) -> list[Message]:
    return [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
