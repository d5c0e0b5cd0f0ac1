"""The stub of vLLM as a judge of pairs, and as one who is asked a question: good and bad replies.

A score depends on question and criterion alone, so it is the same in any batch. Misbehaviour hits a
request with a question that has not been asked about before; with ``--judge-always`` each one.
"""

import argparse
import hashlib
import json
import re

KINDS = {
    "reorder": "the last pair first",
    "drop": "nothing about the first pair",
    "repeat": "all of it twice",
    "contradict": "the first pair twice, with other scores",
    "rename": "another id for the first pair",
    "prose": "words and a code fence around it",
    "cut": "it ends in the middle of the last pair",
    "broken": "almost JSON",
    "echo": "question and answer as well, changed",
    "range": "scores out of range",
    "text": 'scores such as "8/10"',
    "null": "no score",
    "half": "the first criterion alone, of the first pair",
    "chatter": "no scores at all",
}
_PAIR = re.compile(r"^(p\d+)\nQuestion: (.*)\nAnswer: ", re.MULTILINE)
_NAME = re.compile(r'"([^"]+)":')
_EXAMPLE = re.compile(r'\{"scores": \[(\{.*?\})\]\}')


def add_switches(parser: argparse.ArgumentParser) -> None:
    told = "; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items())
    parser.add_argument("--judge-fault", default="", choices=["", *KINDS], help=told)
    parser.add_argument("--judge-always", action="store_true")


class Judge:
    """Scores what a prompt shows, if it asks for scores."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._fault, self._is_stubborn = options.judge_fault, options.judge_always
        self._met: set[str] = set()

    def reply(self, prompt: str) -> tuple[str, bool] | None:
        """Return what to say and whether it is cut off; None if no scores are asked for."""
        example, pairs = _EXAMPLE.search(prompt), _PAIR.findall(prompt)
        if not example or not pairs:
            return None
        criteria = [name for name in _NAME.findall(example[1]) if name != "id"]
        is_new = any(question not in self._met for _, question in pairs)
        self._met.update(question for _, question in pairs)
        items = [
            {"id": name} | {criterion: score(question, criterion) for criterion in criteria}
            for name, question in pairs
        ]
        return spoil(items, self._fault if is_new or self._is_stubborn else "")


def score(question: str, criterion: str) -> int:
    digest = hashlib.sha256(f"{question}/{criterion}".encode()).digest()
    return 1 + digest[0] % 10


def spoil(items: list[dict], fault: str) -> tuple[str, bool]:
    first, *others = items
    name, *criteria = first
    changed = {
        "reorder": items[::-1],
        "drop": others,
        "repeat": items + items,
        "contradict": [*items, {**first, criteria[0]: first[criteria[0]] % 10 + 1}],
        "rename": [{**first, "id": "p99"}, *others],
        "echo": [{**one, "question": "Rewritten?", "answer": "Better."} for one in items],
        "range": [{**one, criteria[0]: 11, criteria[-1]: True} for one in items],
        "text": [{name: _in_words(value) for name, value in one.items()} for one in items],
        "null": [{**one, **dict.fromkeys(criteria)} for one in items],
        "half": [{name: first[name], criteria[0]: first[criteria[0]]}, *others],
    }.get(fault, items)
    text = json.dumps({"scores": changed})
    words = {
        "prose": f"Let me see {{so}}.\n```json\n{text}\n```\nThat is [all].",
        "cut": text[:-6],
        "broken": text.replace('"', "'").replace("}", ",}"),
        "chatter": "All of them are fine.",
    }
    return words.get(fault, text), fault == "cut"


def _in_words(value: int | str) -> str:
    return f"{value}/10" if isinstance(value, int) else value


def answer(system: str, prompt: str) -> str | None:
    """Return what is known of a question that may be answered by "I don't know"; None for others.

    With a text: all that it says. Without: what the question says, if everyone knows that.
    """
    if "I don't know" not in system:
        return None
    text, mark, _ = prompt.rpartition("\n\nQuestion: ")
    return text if mark else prompt if "everyone" in prompt else "I don't know."
