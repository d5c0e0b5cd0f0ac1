"""What is asked for: a prompt, the form of its items, and the pairs that are made of them."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from synth.config import Config, QaConfig
from synth.errors import ConfigError, ReplyError
from synth.qa.form import PAIR, TEXT_NAMES, Form, Item, find_problems
from synth.qa.reply import count_items, find_items
from synth.qa.template import Template, TemplateFault, nothing
from synth.records import Chunk, Pair

Message = dict[str, str]

_MORE = """\
Write {num_pairs} more about the same text, different from all of those above. \
Reply with JSON only, in the same form: {{"pairs": [...]}}"""


class Kind:
    """A kind of pairs that was checked once and is used for every request."""

    def __init__(self, config: QaConfig) -> None:
        """Compile its templates and its schema.

        Raises:
            ConfigError: with all that is wrong with them.
        """
        schema = config.schema or PAIR
        problems = [f"qa.schema: {problem}" for problem in find_problems(schema)]
        if problems:
            raise ConfigError(problems)
        self.n_chunks = config.chunks
        self._config = config
        self._form = Form(schema)
        names = (*self._form.names, *TEXT_NAMES)
        templates = _compile(
            ("prompt", config.prompt, TEXT_NAMES),
            ("question", config.question, names),
            ("answer", config.answer, names),
        )
        self._prompt, self._question, self._answer = templates
        try:
            self.messages(["text"] * self.n_chunks, config.num_pairs)
        except TemplateFault as error:
            raise ConfigError([f"qa.prompt: {error}"]) from error

    @property
    def opening(self) -> tuple[str, str]:
        """The system's words, and what stands before the text: the same for every request."""
        mark = "\x00"
        prompt = self.messages([mark] * self.n_chunks, self._config.num_pairs)[-1]["content"]
        return self._config.system, prompt.partition(mark)[0]

    def fill(self, text: str, num_pairs: int | str | None = None) -> str:
        """Return the prompt about one text, for a tool that takes its chunks one by one.

        Args:
            num_pairs: may be a text that stands for the number; where the prompt computes with the
                number it is that of the configuration.
        """
        texts = [text] * self.n_chunks
        try:
            return self._fill(texts, text, num_pairs or self._config.num_pairs)
        except TemplateFault:
            return self._fill(texts, text, self._config.num_pairs)

    def messages(
        self, texts: Sequence[str], num_pairs: int, headings: Sequence[str] = ()
    ) -> list[Message]:
        """Return the conversation that asks for the items of some chunks of a document.

        Args:
            headings: of the sections that the first chunk stands in, the outermost first.
        """
        system = self._config.system
        prompt = self._fill(texts, join_texts(texts), num_pairs, headings)
        return [*([_message("system", system)] if system else []), _message("user", prompt)]

    def follow_up(
        self,
        texts: Sequence[str],
        items: Sequence[Item],
        num_pairs: int,
        n_asked: int | None = None,
        headings: Sequence[str] = (),
    ) -> list[Message]:
        """Return the conversation that goes on with ``items`` and asks for ``num_pairs`` more.

        It begins as :meth:`messages` does, so the server has the beginning in its prefix cache.

        Args:
            n_asked: items that were asked for at first; None = ``qa.num_pairs``.
            headings: as they were given then.
        """
        said = json.dumps({"pairs": list(items)}, ensure_ascii=False)
        return [
            *self.messages(texts, n_asked or self._config.num_pairs, headings),
            _message("assistant", said),
            _message("user", _MORE.format(num_pairs=num_pairs)),
        ]

    def reply_format(self, num_pairs: int, max_tokens: int) -> dict[str, Any]:
        """Return the ``response_format`` that holds a reply to exactly ``num_pairs`` items."""
        return self._form.reply_format(num_pairs, max_tokens)

    def tokens_for(self, num_pairs: int) -> int:
        """Return how many tokens a reply with ``num_pairs`` items takes at the least.

        A low estimate, from short items in English and the tokenizer of the bundled model.
        """
        return self._form.tokens_for(num_pairs)

    def parse(self, text: str, *, is_cut_off: bool) -> list[Item]:
        """Return the items of a reply that are whole; none if it holds none.

        Args:
            is_cut_off: whether the model had to stop before it was done.
        """
        return self.whole(find_items(text, self._form.names, is_cut_off=is_cut_off))

    def count_begun(self, text: str) -> int:
        """Return how many items a reply begins, whole or not."""
        return count_items(text, self._form.names)

    def whole(self, values: Iterable[Any]) -> list[Item]:
        """Return the items among decoded values; what is none, or half of one, is left out."""
        return self._form.whole(values)

    def to_pairs(
        self, chunks: Sequence[Chunk], texts: Sequence[str], items: Iterable[Item]
    ) -> list[Pair]:
        """Return the pairs that the items of these chunks make; one without words makes none.

        Raises:
            ReplyError: if a template can't be filled with an item.
        """
        given = {
            "texts": texts,
            "text": join_texts(texts),
            "headings": chunks[0].headings,
            "num_pairs": self._config.num_pairs,
        }
        blanks = nothing(self._form.names)
        pairs = []
        for number, item in enumerate(items):
            values = {**blanks, **item, **given}
            try:
                question, answer = (
                    template.fill(values).strip() for template in (self._question, self._answer)
                )
            except TemplateFault as error:
                message = f"qa.question and qa.answer can't be filled with {item}: {error}"
                raise ReplyError(message, json.dumps(item)) from error
            if question and answer:
                pairs.append(_pair(chunks, number, question, answer, item))
        return pairs

    def _fill(
        self,
        texts: Sequence[str],
        text: str,
        num_pairs: int | str,
        headings: Sequence[str] = (),
    ) -> str:
        values = {"texts": texts, "text": text, "headings": headings, "num_pairs": num_pairs}
        return self._prompt.fill(values)


def describe_shortage(config: Config) -> str | None:
    """Return what to say if a reply has no room for the pairs that are asked for; None if it has."""
    kind, room, asked = Kind(config.qa), config.gen.max_tokens, config.qa.num_pairs
    if (least := kind.tokens_for(asked)) <= room:
        return None
    n_fit = sum(kind.tokens_for(number) <= room for number in range(1, asked))
    return (
        f"qa.num_pairs={asked}: so many take {least} tokens or more, and gen.max_tokens={room} has "
        f"room for {n_fit or 'none'}; raise gen.max_tokens, or lower qa.num_pairs"
    )


def _compile(*given: tuple[str, str, Collection[str]]) -> list[Template]:
    templates, problems = [], []
    for key, source, names in given:
        try:
            templates.append(Template(source, names))
        except TemplateFault as error:
            problems.append(f"qa.{key}: {error}")
    if problems:
        raise ConfigError(problems)
    return templates


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def join_texts(texts: Sequence[str]) -> str:
    """Return a text as it is, and several of them each under a heading."""
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"Passage {number}:\n{text}" for number, text in enumerate(texts, 1))


def _pair(chunks: Sequence[Chunk], number: int, question: str, answer: str, item: Item) -> Pair:
    first = chunks[0]
    return Pair(
        id=f"{first.id}-{number}",
        chunk_id=first.id,
        doc_id=first.doc_id,
        question=question,
        answer=answer,
        pages=first.pages,
        chunk_ids=tuple(chunk.id for chunk in chunks) if len(chunks) > 1 else (),
        fields={name: value for name, value in item.items() if name not in ("question", "answer")},
    )
