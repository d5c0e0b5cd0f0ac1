"""Write the pairs as datasets that trainers read."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from synth.io import write_jsonl
from synth.records import Pair

Row = dict[str, Any]


def export(
    read_pairs: Callable[[], Iterable[Row]], formats: Iterable[str], folder: Path
) -> list[Path]:
    """Write the pairs once in each format into ``folder``; return the files.

    Args:
        read_pairs: returns the rows of ``pairs.jsonl`` anew at each call.
    """
    written = []
    for name in formats:
        path = folder / f"{name}.jsonl"
        path.unlink(missing_ok=True)
        write_jsonl(path, FORMATS[name](read_pairs()))
        written.append(path)
    return written


def _to_jsonl(pairs: Iterable[Row]) -> Iterator[Row]:
    """``{"question", "answer"}``, and what else the kind of the pairs asks for."""
    for pair in pairs:
        own = {name: value for name, value in pair.items() if name not in Pair.COLUMNS}
        yield {"question": pair["question"], **own, "answer": pair["answer"]}


def _to_chatml(pairs: Iterable[Row]) -> Iterator[Row]:
    """``{"messages": [{"role", "content"}, …]}``, which TRL and OpenAI read.

    The reasoning, where there is one, stands before the answer.
    """
    for pair in pairs:
        reply = "\n\n".join(filter(None, (pair.get("reasoning"), pair["answer"])))
        yield {
            "messages": [
                {"role": "user", "content": pair["question"]},
                {"role": "assistant", "content": reply},
            ]
        }


FORMATS: dict[str, Callable[[Iterable[Row]], Iterator[Row]]] = {
    "jsonl": _to_jsonl,
    "chatml": _to_chatml,
}
