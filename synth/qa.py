"""The contract with the model, both sides: the prompt that goes out, the pairs that come in. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import pydantic_core

from synth.config import QaConfig
from synth.errors import ConfigError, ReplyError
from synth.records import Chunk, Pair

_templates = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=False,
    autoescape=False,  # noqa: S701  (prompts are text, not HTML)
)
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*(?:```|\Z)", re.DOTALL)
CHARS_PER_TOKEN = 4
"""A usual figure for English."""


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """One pair as the model wrote it, white space at the ends removed."""

    question: str
    answer: str


class Prompt:
    """A prompt template that was checked once and is filled for every chunk."""

    def __init__(self, config: QaConfig) -> None:
        """Compile the template.

        Raises:
            ConfigError: if it is no Jinja template or uses a name that does not exist.
        """
        self._system = config.system
        self._num_pairs = config.num_pairs
        try:
            self._template = _templates.from_string(config.prompt)
            self.fill("")
        except jinja2.TemplateError as error:
            raise ConfigError(
                [f"qa.prompt: {error}; it may use {{{{ text }}}} and {{{{ num_pairs }}}}"]
            ) from error

    def fill(self, text: str, num_pairs: int | str | None = None) -> str:
        """Return the prompt for a chunk's text."""
        return self._template.render(text=text, num_pairs=num_pairs or self._num_pairs)

    @property
    def opening(self) -> tuple[str, str]:
        """The system's words, and what stands before the text: the same for every chunk."""
        mark = "\x00"
        return self._system, self.fill(mark).partition(mark)[0]

    def messages(self, text: str) -> list[dict[str, str]]:
        """Return the conversation that asks for the pairs of one chunk."""
        system = [{"role": "system", "content": self._system}] if self._system else []
        return [*system, {"role": "user", "content": self.fill(text)}]


def reply_format(num_pairs: int, max_tokens: int) -> dict[str, Any]:
    """Return the ``response_format`` that holds a reply to exactly ``num_pairs`` pairs.

    A small model may never end a string, so none may be longer than twice its share of the reply:
    enough for a long answer among short ones, and one that runs away does not take it all.
    """
    longest = max(200, 2 * CHARS_PER_TOKEN * max_tokens // num_pairs)
    pair = {
        "type": "object",
        "properties": {
            "question": {"type": "string", "minLength": 8, "maxLength": longest // 2},
            "answer": {"type": "string", "minLength": 1, "maxLength": longest},
        },
        "required": ["question", "answer"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {
            "pairs": {"type": "array", "items": pair, "minItems": num_pairs, "maxItems": num_pairs}
        },
        "required": ["pairs"],
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "pairs", "strict": True, "schema": schema},
    }


def parse(text: str) -> list[QuestionAnswer]:
    """Return the pairs of a reply, those of a cut-off one that are whole included.

    Raises:
        ReplyError: if there is no pair in it.
    """
    pairs = whole_pairs(_items(text))
    if not pairs:
        raise ReplyError(f"the reply holds no pair: {text[:200]!r}", text)
    return pairs


def whole_pairs(items: Iterable[Any]) -> list[QuestionAnswer]:
    """Return the pairs among decoded values; what is no pair, or half of one, is left out."""
    return [pair for item in items if (pair := _pair_of(item)) is not None]


def to_records(chunk: Chunk, pairs: Iterable[QuestionAnswer]) -> list[Pair]:
    """Return the pairs of a chunk as they are written."""
    return [
        Pair(f"{chunk.id}-{number}", chunk.id, chunk.doc_id, pair.question, pair.answer)
        for number, pair in enumerate(pairs)
    ]


def _items(text: str) -> list[Any]:
    fenced = _FENCE.search(text)
    body = fenced.group(1) if fenced else text
    starts = [position for mark in "{[" if (position := body.find(mark)) >= 0]
    if not starts:
        return []
    try:
        value = pydantic_core.from_json(body[min(starts) :], allow_partial=True)
    except ValueError:
        return []
    if isinstance(value, dict):
        value = value.get("pairs", value.get("qa_pairs", [value]))
    return value if isinstance(value, list) else []


def _pair_of(item: Any) -> QuestionAnswer | None:
    if not isinstance(item, Mapping):
        return None
    question, answer = item.get("question"), item.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    if not question.strip() or not answer.strip():
        return None
    return QuestionAnswer(question.strip(), answer.strip())
