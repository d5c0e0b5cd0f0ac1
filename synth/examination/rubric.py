"""The contract with the judge, both sides: the prompt that goes out, the scores that come in. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.config import CurateConfig
from synth.errors import ConfigError, ReplyError
from synth.qa import Message
from synth.qa.reply import find_items
from synth.qa.template import Template, TemplateFault
from synth.records import Pair

Scores = dict[str, float | None]
"""By criterion; None where the judge can't tell, or has said what is no score."""

_LOWEST, _HIGHEST = 1, 10
_NUMBER = re.compile(r"\s*(\d{1,2}(?:\.\d{1,9})?)\s*(?:/\s*10)?\s*")
_NAMES = ("text", "pairs", "criteria")
_TAKEN = ("id", "question", "answer")
_CRITERION_TOKENS = 12
_PAIR_TOKENS = 16
"""Of a name with its score, and of what is around those of a pair; half as many are usual."""
_LEAST_TOKENS = 64


@dataclass(frozen=True)
class Mark:
    """What a reply says of one pair."""

    scores: Scores
    is_clear: bool
    """All criteria are there, and it says nothing else of the same pair."""


class Rubric:
    """What is scored; checked once and used for every request."""

    def __init__(self, config: CurateConfig) -> None:
        """Compile the prompt.

        Raises:
            ConfigError: with what is wrong with the settings of the judge.
        """
        self.criteria = tuple(config.criteria)
        self._system = config.system
        if problems := list(_find_problems(self.criteria)):
            raise ConfigError(problems)
        try:
            self._prompt = Template(config.prompt, _NAMES)
            self._fill("text", [Pair("", "", "", "question", "answer")])
        except TemplateFault as error:
            raise ConfigError([f"curate.prompt: {error}"]) from error

    def messages(self, text: str, pairs: Sequence[Pair]) -> list[Message]:
        """Return the conversation that asks for the scores of pairs that were made from ``text``.

        Raises:
            ReplyError: if the prompt can't be filled with them.
        """
        try:
            prompt = self._fill(text, pairs)
        except TemplateFault as error:
            raise ReplyError(f"curate.prompt can't be filled: {error}") from error
        system = [{"role": "system", "content": self._system}] if self._system else []
        return [*system, {"role": "user", "content": prompt}]

    def reply_format(self, n_pairs: int) -> dict[str, Any]:
        """Return the ``response_format`` that holds a reply to one item for each pair."""
        score = {"type": ["integer", "null"], "enum": [*range(_LOWEST, _HIGHEST + 1), None]}
        which = {"type": "string", "enum": [_name(number) for number in range(n_pairs)]}
        item = _closed({"id": which, **dict.fromkeys(self.criteria, score)})
        items = {"type": "array", "items": item, "minItems": n_pairs, "maxItems": n_pairs}
        schema = _closed({"scores": items})
        return {
            "type": "json_schema",
            "json_schema": {"name": "scores", "strict": True, "schema": schema},
        }

    def tokens_for(self, n_pairs: int) -> int:
        """Return how many tokens a reply about so many pairs may take, with some to spare."""
        names = sum(_CRITERION_TOKENS + len(name) // 4 for name in self.criteria)
        return max(_LEAST_TOKENS, n_pairs * (_PAIR_TOKENS + names) + _PAIR_TOKENS)

    def parse(self, text: str, n_pairs: int, *, is_cut_off: bool) -> dict[int, Mark]:
        """Return what a reply says of the pairs, by their number in the request.

        Only ids of the request count, and the first that is said of each. What else stands in an
        item, such as a question or an answer, is not looked at.

        Args:
            text: the reply.
            n_pairs: of the request.
            is_cut_off: whether the judge had to stop before it was done.
        """
        is_cut_off |= text.rfind("{") > text.rfind("}")  # its last number may be half of one
        names = ("id", *self.criteria)
        numbers = {_name(number): number for number in range(n_pairs)}
        marks: dict[int, Mark] = {}
        for item in find_items(text, names, is_cut_off=is_cut_off, array=("scores",)):
            name = item.get("id") if isinstance(item, Mapping) else None
            number = numbers.get(name.strip().lower()) if isinstance(name, str) else None
            if number is None:
                continue
            mark = self._mark(item)
            first = marks.setdefault(number, mark)
            if first.scores != mark.scores:
                marks[number] = replace(first, is_clear=False)
        return marks

    def _mark(self, item: Mapping[str, Any]) -> Mark:
        scores = {name: read_score(item.get(name)) for name in self.criteria}
        return Mark(scores, is_clear=all(name in item for name in self.criteria))

    def _fill(self, text: str, pairs: Sequence[Pair]) -> str:
        shown = [
            {"id": _name(number), "question": pair.question, "answer": pair.answer}
            for number, pair in enumerate(pairs)
        ]
        return self._prompt.fill({"text": text, "pairs": shown, "criteria": list(self.criteria)})


def read_score(value: Any) -> float | None:
    """Return a score from 1 to 10 (``8``, ``"8"``, ``"8/10"``); None if it is none."""
    if isinstance(value, str) and (found := _NUMBER.fullmatch(value)):
        value = float(found[1])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if _LOWEST <= value <= _HIGHEST else None


def _find_problems(criteria: Sequence[str]) -> Iterator[str]:
    for name in _TAKEN:
        if name in criteria:
            yield f"curate.criteria: a criterion can't be named {name!r}: synth itself uses that name"
    if len(set(criteria)) < len(criteria):
        yield "curate.criteria: expected each name once"


def _name(number: int) -> str:
    """Return the id that a pair has in a request: ids of ours are long, and would be misread."""
    return f"p{number + 1}"


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
