"""All that can be told of one pair without the others and without a model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.config import Config
from synth.filters.contamination import Evaluations
from synth.filters.duplicates import Key, key_of
from synth.filters.evidence import Passage, Support, find_support, is_copied
from synth.filters.form import Parts, Prompt, find_faults
from synth.filters.language import Guess, differ, guess
from synth.filters.words import analyse, dictionary, words_of
from synth.records import Chunk

_DEFAULT_LANGUAGE = "en"
_MOST_CHARS = 12_000
"""Of a question or answer that is looked at; a model that runs away writes half a megabyte."""
_LEAST_CHARS = 40
"""Of an answer that tells by itself in which language it is."""
_ITEM = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
"""The number of an item in a list, which is no number that the answer says."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a pair."""

    faults: tuple[str, ...]
    support: Support
    key: Key


@dataclass(frozen=True)
class Ground:
    """The chunks that pairs were made from, looked at once for all of them."""

    passages: Sequence[Passage]
    text: str
    guess: Guess

    @property
    def language(self) -> str:
        """The language in which words are compared."""
        return self.passages[0].language


class Inspector:
    """Looks at pairs, with what was prepared once for all of them."""

    def __init__(self, config: Config, evaluations: Evaluations) -> None:
        self._min_support = config.curate.min_support
        self._evaluations = evaluations
        self._prompt = Prompt(config.qa.system, config.qa.prompt)

    def survey(self, chunks: Sequence[Chunk], texts: Sequence[str]) -> Ground:
        """Look at the chunks that some pairs were made from."""
        text = "\n\n".join(texts)
        found = guess(text)
        language = found.best or _DEFAULT_LANGUAGE
        passages = [
            Passage(one, language, chunk.start) for chunk, one in zip(chunks, texts, strict=True)
        ]
        return Ground(passages, text, found)

    def inspect(self, pair: Row, ground: Ground) -> Finding:
        """Return what can be told of a pair."""
        holds_text = len(pair["question"]) > len(ground.text)
        question, answer = _bounded(pair["question"]), _bounded(pair["answer"])
        asked, said = (analyse(_ITEM.sub("", text), ground.language) for text in (question, answer))
        support = find_support(asked, said, ground.passages)
        language = dictionary(ground.language)
        parts = Parts(question, answer, asked, said, ground.text, language, holds_text)
        faults = list(find_faults(parts, self._prompt))
        if "empty" not in faults:
            faults += self._compare(parts, ground, support)
        place = (pair["doc_id"], *support.evidence) if support.evidence else None
        key = key_of(words_of(_ITEM.sub("", pair["question"])), asked, said, place)
        return Finding(tuple(faults), support, key)

    def _compare(self, parts: Parts, ground: Ground, support: Support) -> Iterator[str]:
        """Yield the faults that a pair has beside its text."""
        said = parts.answer if parts.holds_text else f"{parts.question} {parts.answer}"
        is_supported = support.share >= self._min_support
        is_foreign = differ(guess(said), ground.guess)
        if not is_supported and len(parts.answer) >= _LEAST_CHARS:
            is_foreign |= differ(guess(parts.answer), ground.guess)
        if is_foreign:
            yield "language"
        copied = (is_copied(parts.question, parts.question_words, one) for one in ground.passages)
        if not parts.holds_text and any(copied):
            yield "copied"
        if not is_supported and not is_foreign:
            yield "unsupported"
        if any(self._evaluations.hold(words) for words in (parts.asked, parts.said)):
            yield "contaminated"


def _bounded(text: str) -> str:
    """Return a text, or the beginning and the end of a very long one."""
    if len(text) <= _MOST_CHARS:
        return text
    return f"{text[: _MOST_CHARS // 2]} {text[-_MOST_CHARS // 2 :]}"
