"""Bring the rows of shards back to the run, in the order of its chunks."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic_core

from synth.config import Config
from synth.errors import BudgetExceeded
from synth.io import read_json, write_json
from synth.order import Positions, arrange
from synth.pool import FailureBudget, Total
from synth.record import NAME
from synth.rows import FAILURES, PAIRS, read_chunks, read_rows
from synth.salvage import find_torn_chunk
from synth.shards.book import MERGED, Book, Shard, look, read_book

log = logging.getLogger(__name__)

_TOGETHER = 10_000


@dataclass(frozen=True)
class Merged:
    """What a run has of its shards."""

    n_pairs: int
    n_failures: int
    """Rows of ``failures.jsonl``, those of reading included."""
    n_shards: int
    n_new: int
    """Shards of which rows were taken this time."""
    unfinished: Sequence[Path]
    """Those that are not complete: there may be more of them later."""


def merge(folder: Path) -> Merged:
    """Bring what is new in the shards of the run in ``folder`` into its own files.

    Shards may be at work, or have been killed: of these, whole rows are taken. One that was merged
    and has not changed is not read again; its rows, and the verdicts on them, stay, and its folder may
    be gone. Where a shard has changed, all its rows are taken anew; the pairs of the run need another
    curation then. Each file is replaced as a whole; what is in memory is 24 bytes a chunk.
    """
    book = read_book(folder)
    seen = [(shard, look(folder / shard.folder)) for shard in book.shards]
    changed = []
    for shard, found in seen:
        if found is not None:
            state, shard.record = found
            if state != shard.merged:
                changed.append((shard, state))
    if changed:
        _take(folder, [folder / shard.folder for shard, _ in changed])
    for shard, state in changed:
        shard.merged = state
    book.write()
    unfinished = [folder / shard.folder for shard in book.shards if not shard.is_finished]
    n_pairs, n_failures = (_count(folder / name) for name in (PAIRS, FAILURES))
    return Merged(n_pairs, n_failures, len(book.shards), len(changed), unfinished)


def check_losses(folder: Path, config: Config) -> None:
    """Check that no more of a run's chunks have failed than may; it is for all of its shards.

    Otherwise what failed is asked about again, by those who go on with its shards.

    Raises:
        BudgetExceeded: if there are more.
    """
    book = read_book(folder)
    total = Total(sum(shard.n_chunks for shard in book.shards), is_final=True)
    budget = FailureBudget(total, config.gen.max_failed_frac)
    try:
        for row in read_rows(folder / FAILURES):
            if row["stage"] == "generate":
                budget.spend(row["detail"])
    except BudgetExceeded:
        for shard in book.shards:
            _reopen(book, shard)
        raise


def _reopen(book: Book, shard: Shard) -> None:
    """Have a shard's failures asked about again when it is gone on with."""
    folder = book.folder / shard.folder
    if shard.is_finished and any(read_rows(folder / FAILURES)):
        write_json(folder / NAME, read_json(folder / NAME) | {"status": "FAILED"})


def _take(folder: Path, shards: Sequence[Path]) -> None:
    """Put the rows of shards in the place of those that the run has of them."""
    theirs = Positions(chunk.id for shard in shards for chunk in read_chunks(shard))
    positions = Positions(chunk.id for chunk in read_chunks(folder))
    for name, column in MERGED.items():
        path, scratch = folder / name, folder / f".merged.{name}"
        sources = [shard / name for shard in shards]
        if not any(one.exists() for one in (path, *sources)):
            continue
        try:
            with scratch.open("wb") as file:
                file.writelines(_rows_of_others(path, column, theirs))
                for source in sources:
                    file.writelines(_whole_rows(source, column))
            arrange(scratch, column, positions)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def _rows_of_others(path: Path, column: str, theirs: Positions) -> Iterator[bytes]:
    """Yield the rows of a run's file that are of no chunk of those."""
    lines = _lines(path)
    while some := list(itertools.islice(lines, _TOGETHER)):
        found = theirs.find(_value_of(line, column) for line in some)
        yield from (line for line, position in zip(some, found, strict=True) if position < 0)


def _whole_rows(path: Path, column: str) -> Iterator[bytes]:
    """Yield the rows of a shard's file; none of the chunk of which one was torn."""
    torn = find_torn_chunk(path) if path.name == PAIRS else None
    for line in _lines(path):
        if torn is None or _value_of(line, column) != torn:
            yield line


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def _value_of(line: bytes, column: str) -> str:
    value: str = pydantic_core.from_json(line)[column]
    return value


def _count(path: Path) -> int:
    return sum(1 for _ in _lines(path))
