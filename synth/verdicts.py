"""Verdicts by hand: files of ``report.html`` that say which pairs to keep and which to drop."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.errors import ConfigError
from synth.io import read_jsonl

KEEP, DROP = "keep", "drop"

_COLUMNS = ("id", "verdict", "question", "answer")


class Verdicts:
    """What people have said of pairs; a pair that was written anew is another one."""

    def __init__(self, verdicts: Mapping[bytes, str]) -> None:
        self._verdicts = verdicts

    def __len__(self) -> int:
        return len(self._verdicts)

    def find(self, pair: Mapping[str, Any]) -> str | None:
        """Return ``keep`` or ``drop``; None if nobody has said anything."""
        return self._verdicts.get(_key(pair)) if self._verdicts else None


def read_verdicts(paths: Sequence[str]) -> Verdicts:
    """Return what files say; of two verdicts on a pair the later one counts.

    Raises:
        ConfigError: if a file is not there, or is no list of verdicts.
    """
    verdicts: dict[bytes, str] = {}
    for name in paths:
        try:
            verdicts |= _read(Path(name).expanduser())
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError([f"curate.verdicts={name}: {error}"]) from error
    return Verdicts(verdicts)


def _read(path: Path) -> dict[bytes, str]:
    verdicts = {}
    for number, row in enumerate(read_jsonl(path), 1):
        if missing := [name for name in _COLUMNS if not isinstance(row.get(name), str)]:
            raise ValueError(f"line {number} has no {missing[0]}; expected {', '.join(_COLUMNS)}")
        if row["verdict"] not in (KEEP, DROP):
            raise ValueError(f"line {number}: verdict is {row['verdict']!r}, expected keep or drop")
        verdicts[_key(row)] = row["verdict"]
    return verdicts


def _key(pair: Mapping[str, Any]) -> bytes:
    text = "\0".join((pair["id"], pair["question"], pair["answer"]))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
