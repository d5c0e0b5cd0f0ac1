"""A first look at all pairs of a run: how many of which document are kept, and what they hold."""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.export.columns import type_of, type_of_all
from synth.filters import guess
from synth.records import Pair
from synth.rows import DOCUMENTS, PAIRS, Row, is_kept, read_rows

FAULTS_OF_ANSWERS = ("cut_off", "repetitive", "unsupported", "low_score", "leaked", "echo")
"""What makes an answer worse than another one to the same question."""

NOTED = ("pages", "evidence", "support", "score")
"""What is known of only some pairs of where they are from, and how good they are."""

_MOST_LOOKED_AT, _BEGINNING = 200, 2000
"""Documents, and characters of each, by which their language is told."""


@dataclass
class Survey:
    """What there is."""

    n_kept: Counter[str] = field(default_factory=Counter)
    """Pairs that are kept, by the id of their document."""
    own: dict[str, str] = field(default_factory=dict)
    """Types of the columns that the kind of the pairs adds."""
    noted: tuple[str, ...] = ()
    """Those of :data:`NOTED` that any kept pair has."""
    n_worse: int = 0
    """Pairs that are not kept and have a worse answer."""


def survey_pairs(folder: Path) -> Survey:
    """Read all pairs of the run in ``folder``."""
    survey, noted = Survey(), set[str]()
    types: defaultdict[str, set[str]] = defaultdict(set)
    for row in read_pairs(folder):
        if not is_kept(row):
            survey.n_worse += bool(answer_faults(row))
            continue
        survey.n_kept[row["doc_id"]] += 1
        noted.update(name for name in NOTED if row.get(name) is not None)
        for name, value in own_fields(row).items():
            if value is not None:
                types[name].add(type_of(value))
    survey.own = {name: type_of_all(found) for name, found in types.items()}
    survey.noted = tuple(name for name in NOTED if name in noted)
    return survey


def read_pairs(folder: Path) -> Iterator[Row]:
    """Yield the rows of ``pairs.jsonl``; halves of characters, which no table holds, are replaced."""
    if not (folder / PAIRS).exists():
        return
    with (folder / PAIRS).open("rb") as file:
        for line in file:
            row = json.loads(line)
            yield _without_halves(row) if b"\\ud" in line else row


def read_documents(folder: Path) -> Iterator[Row]:
    """Yield the rows of ``documents.jsonl``."""
    return read_rows(folder / DOCUMENTS)


def find_languages(folder: Path) -> list[str]:
    """Return the codes of the languages that the documents are in, the most frequent first.

    Told by the beginnings of the first documents; what is in fewer than one in ten is left out.
    """
    found = Counter[str]()
    documents = list(itertools.islice(read_documents(folder), _MOST_LOOKED_AT))
    for row in documents:
        path = folder / row["text_path"]
        if not path.exists():
            continue
        with path.open(encoding="utf-8", newline="") as file:
            found[guess(file.read(_BEGINNING)).best] += 1
    return [code for code, n in found.most_common() if code and 10 * n >= len(documents)]


def answer_faults(row: Row) -> list[str]:
    """Return what is wrong with the answer itself."""
    return [fault for fault in FAULTS_OF_ANSWERS if fault in row.get("reasons", ())]


def own_fields(row: Row) -> Row:
    """Return what the kind of the pairs adds."""
    return {name: value for name, value in row.items() if name not in Pair.COLUMNS}


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_halves(part) for part in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(part) for name, part in value.items()}
    return value
