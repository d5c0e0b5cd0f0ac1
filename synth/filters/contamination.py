"""Questions of evaluations, which a pair may not hold: compared by words in a row.

As in the GPT-3 paper (Brown et al. 2020, appendix C), by sequences of words; theirs have thirteen,
which most questions don't.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from synth.errors import ConfigError
from synth.filters.words import words_of
from synth.io import read_jsonl

COLUMNS = ("question", "prompt", "instruction", "query", "input", "problem", "text")
"""Names by which the column of the questions is found, in this order."""
_LEAST_WORDS = 4
"""Of a question that is compared as a whole, since it has not enough for a sequence."""


class Evaluations:
    """Hashes of the word sequences of all questions: eight bytes and a place in a set for each."""

    def __init__(self, questions: Iterable[str], n_words: int) -> None:
        self._n_words = n_words
        self._sequences = set[int]()
        self._whole = set[int]()
        for question in questions:
            words = words_of(question)
            if len(words) >= n_words:
                self._sequences.update(_hashes(words, n_words))
            elif len(words) >= _LEAST_WORDS:
                self._whole.update(_hashes(words, len(words)))

    def __bool__(self) -> bool:
        return bool(self._sequences or self._whole)

    def hold(self, words: Sequence[str]) -> bool:
        """Return whether words in normal form have a sequence of a question's, or are a short one."""
        if not self:
            return False
        if len(words) < self._n_words:
            return bool(words) and not self._whole.isdisjoint(_hashes(words, len(words)))
        return not self._sequences.isdisjoint(_hashes(words, self._n_words))


def read_questions(paths: Sequence[str]) -> Iterator[str]:
    """Yield the questions of files: JSON, JSON lines, CSV, Parquet, or text with one on each line.

    Raises:
        ConfigError: if a file is not there, or has no column of questions.
    """
    for name in paths:
        path = Path(name).expanduser()
        try:
            yield from _read(path)
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ConfigError([f"curate.contamination={name}: {error}"]) from error


def _read(path: Path) -> Iterator[str]:
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        yield from _column(read_jsonl(path))
    elif suffix == ".json":
        value = json.loads(path.read_bytes())
        lists = (
            (one for one in value.values() if isinstance(one, list))
            if isinstance(value, dict)
            else [value]
        )
        yield from _column(next(iter(lists), []))
    elif suffix in (".csv", ".tsv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _column(csv.DictReader(file, delimiter="," if suffix == ".csv" else "\t"))
    elif suffix == ".parquet":
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as table:
            rows = (row for batch in table.iter_batches() for row in batch.to_pylist())
            yield from _column(rows)
    else:
        with path.open(encoding="utf-8") as file:
            yield from (line.strip() for line in file if line.strip())


def _column(rows: Iterable[object]) -> Iterator[str]:
    column = None
    for row in rows:
        if not isinstance(row, dict):
            raise TypeError("expected rows with columns")
        if column is None:
            column = next((name for name in COLUMNS if name in row), None)
            if column is None:
                raise ValueError(
                    f"has no column of questions ({', '.join(COLUMNS)}) but {', '.join(map(str, row))}"
                )
        if isinstance(text := row.get(column), str):
            yield text


def _hashes(words: Sequence[str], n: int) -> Iterator[int]:
    for start in range(len(words) - n + 1):
        data = "\0".join(words[start : start + n]).encode()
        yield int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
