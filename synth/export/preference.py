"""Pairs of answers to one question, of which one is better: rows for DPO."""

import hashlib
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from synth.export.survey import FAULTS_OF_ANSWERS, answer_faults
from synth.export.words import Talk, message
from synth.rows import Row, is_kept

_WORD = re.compile(r"\w+")
_COLUMNS = (
    "number INTEGER PRIMARY KEY, id TEXT, split TEXT, question BLOB, answer BLOB, duplicate_of TEXT, "
    "faults INTEGER, opening TEXT, reply TEXT"
)
_TABLES = ("chosen", "worse")
_INDICES = ("question", "id", "duplicate_of")
_MATCHES = """
WITH same (worse, chosen) AS (
  SELECT worse.number, chosen.number FROM worse CROSS JOIN chosen USING (question)
  UNION ALL
  SELECT worse.number, chosen.number FROM worse CROSS JOIN chosen ON chosen.id = worse.duplicate_of
  UNION ALL
  SELECT worse.number, chosen.number FROM worse CROSS JOIN chosen ON chosen.duplicate_of = worse.id
), best (worse, chosen) AS (
  SELECT worse.number, min(chosen.number)
  FROM same JOIN worse ON worse.number = same.worse JOIN chosen ON chosen.number = same.chosen
  WHERE chosen.split = worse.split AND chosen.answer <> worse.answer
    AND worse.faults & ~chosen.faults
  GROUP BY worse.number
)
SELECT chosen.split, chosen.opening, chosen.reply, worse.reply, chosen.id, worse.id
FROM best JOIN worse ON worse.number = best.worse JOIN chosen ON chosen.number = best.chosen
ORDER BY worse.number
"""
"""Each worse answer with the first good one.

``CROSS JOIN`` makes SQLite look up the good answers, which are many, by an index.
"""


class Preferences:
    """Collects answers in a scratch file, and finds those to the same question.

    Two questions are the same if their words are, or if one was found to repeat the other. The worse
    answer has a fault that the chosen one has not, and says something else.
    """

    def __init__(self, scratch: Path) -> None:
        self._store = sqlite3.connect(scratch, isolation_level=None)
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute("PRAGMA synchronous = OFF")
        for table in _TABLES:
            self._store.execute(f"CREATE TABLE {table} ({_COLUMNS})")
        self._store.execute("BEGIN")

    @staticmethod
    def takes(row: Row) -> bool:
        """Return whether an answer may be a chosen one, or a worse one."""
        return is_kept(row) or bool(answer_faults(row))

    def add(self, row: Row, talk: Talk, split: str) -> None:
        """Take an answer, which is of a document of that split."""
        faults = answer_faults(row)
        bits = sum(1 << FAULTS_OF_ANSWERS.index(fault) for fault in faults)
        table = "chosen" if is_kept(row) else "worse"
        self._store.execute(
            f"INSERT INTO {table} VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                row["id"],
                split,
                _digest(row["question"]),
                _digest(row["answer"]),
                row.get("duplicate_of"),
                bits,
                json.dumps(talk.opening()),
                talk.reply,
            ),
        )

    def rows(self, *, provenance: bool) -> Iterator[tuple[str, Row]]:
        """Yield the split and the row of each worse answer that has a better one.

        Source: TRL's conversational preference form with an explicit prompt.
        """
        for column in _INDICES:
            self._store.execute(f"CREATE INDEX by_{column} ON chosen ({column})")
        for split, opening, chosen, worse, chosen_id, worse_id in self._store.execute(_MATCHES):
            ids = {"chosen_id": chosen_id, "rejected_id": worse_id} if provenance else {}
            yield (
                split,
                {
                    "prompt": json.loads(opening),
                    "chosen": [message("assistant", chosen)],
                    "rejected": [message("assistant", worse)],
                    **ids,
                },
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._store.close()


def _digest(text: str) -> bytes:
    """Return what is equal for texts with the same words; a text without any is like no other."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return hashlib.sha256(" ".join(words or [text]).encode()).digest()[:12]
