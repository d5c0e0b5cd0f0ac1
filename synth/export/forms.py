"""One pair as a row of each format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from synth.export.columns import Types, fit
from synth.export.survey import Survey, own_fields
from synth.export.words import Talk
from synth.rows import Row

_TYPES: Types = {
    **dict.fromkeys(("question", "answer", "instruction", "input", "output", "system"), "text"),
    **dict.fromkeys(("id", "document", "doc_id", "chunk_id"), "text"),
    **dict.fromkeys(("pages", "evidence"), "ints"),
    **dict.fromkeys(("support", "score"), "float"),
    **dict.fromkeys(("messages", "prompt", "chosen", "rejected"), "messages"),
    **dict.fromkeys(("chosen_id", "rejected_id"), "text"),
    "conversations": "turns",
}
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that is kept, as it goes into a dataset; every one has the same columns."""

    question: str
    answer: str
    talk: Talk
    own: Row
    """What the kind of the pairs adds."""
    origin: Row
    """Where it is from, unless that is left out."""

    def shown(self) -> Row:
        """Return the words of the pair, without where they are from."""
        return {"question": self.question, **self.own, "answer": self.answer}


class Examples:
    """Makes examples of a run's pairs."""

    def __init__(self, survey: Survey, *, provenance: bool) -> None:
        self._survey = survey
        self._provenance = provenance

    def make(self, row: Row, talk: Talk, document: str) -> Example:
        """Return the example that a row of ``pairs.jsonl`` makes."""
        own = own_fields(row)
        return Example(
            question=row["question"],
            answer=row["answer"],
            talk=talk,
            own={name: fit(own.get(name), kind) for name, kind in self._survey.own.items()},
            origin=self._origin(row, document) if self._provenance else {},
        )

    def _origin(self, row: Row, document: str) -> Row:
        return {
            "id": row["id"],
            "document": document,
            "doc_id": row["doc_id"],
            "chunk_id": row["chunk_id"],
            **{name: row.get(name) for name in self._survey.noted},
        }

    def types(self, form: "Form", system: str) -> Types:
        """Return the columns of a format, in which all rows agree."""
        blank = dict.fromkeys(("id", "doc_id", "chunk_id", "question", "answer"), "")
        columns = form(self.make(blank, Talk(system, "", ""), ""))
        types = {**self._survey.own, **_TYPES}
        return {name: types[name] for name in columns}


Form = Callable[[Example], Row]


def _to_jsonl(example: Example) -> Row:
    """``question``, what the kind of the pairs adds, ``answer``."""
    return {**example.shown(), **example.origin}


def _to_alpaca(example: Example) -> Row:
    """Source: the columns of tatsu-lab/alpaca; ``system`` is what LLaMA-Factory and Axolotl add."""
    talk = example.talk
    said = {"instruction": talk.prompt, "input": "", "output": talk.reply}
    return {**said, **({"system": talk.system} if talk.system else {}), **example.origin}


def _to_chatml(example: Example) -> Row:
    """``messages`` with ``role`` and ``content``: TRL's conversational form."""
    return {"messages": example.talk.messages(), **example.origin}


def _to_ft(example: Example) -> Row:
    """``messages`` alone: OpenAI's fine-tuning refuses other keys."""
    return {"messages": example.talk.messages()}


def _to_sharegpt(example: Example) -> Row:
    """``conversations`` with ``from`` and ``value``."""
    turns = [
        {"from": _SPEAKERS[said["role"]], "value": said["content"]}
        for said in example.talk.messages()
    ]
    return {"conversations": turns, **example.origin}


def to_table(example: Example) -> Row:
    """``question``, ``answer``, what the kind of the pairs adds, ``messages``."""
    words = {"question": example.question, "answer": example.answer}
    return {**words, **example.own, "messages": example.talk.messages(), **example.origin}


LINES: Mapping[str, Form] = {
    "jsonl": _to_jsonl,
    "alpaca": _to_alpaca,
    "chatml": _to_chatml,
    "ft": _to_ft,
    "sharegpt": _to_sharegpt,
}
"""The formats that are files of JSON lines with a row for each pair."""


def preference_types(*, provenance: bool) -> Types:
    """Return the columns of ``dpo``."""
    names = ("prompt", "chosen", "rejected", *(("chosen_id", "rejected_id") if provenance else ()))
    return {name: _TYPES[name] for name in names}
