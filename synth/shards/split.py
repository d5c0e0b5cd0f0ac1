"""Deal the chunks of a run out to shards, each in the folder of a run that can be gone on with."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any

import pydantic_core

from synth.config import Config, is_saved, open_saved, save_changed
from synth.errors import ConfigError
from synth.io import replacing, write_json
from synth.record import NAME
from synth.rows import CHUNKS, DOCUMENTS, SHARDS_FOLDER, is_split, read_rows
from synth.shards.assign import assign
from synth.shards.book import Book, Shard, read_book
from synth.texts import FOLDER as TEXTS

log = logging.getLogger(__name__)

_MOST_OPEN = 256
"""Files that are written at a time; of more shards, rows are read more than once."""


def split(folder: Path, n_shards: int) -> list[Path]:
    """Deal the documents of the run in ``folder`` out to shards, and return their folders.

    How many tokens the shards have differs by at most those of the largest document. A shard has the
    rows of its documents and chunks, the configuration of the run for asking alone, and links to the
    run's folders of texts: not a file for each of them. What was dealt out already is left as it is,
    whatever ``n_shards``. Ids and numbers of documents are in memory, and no rows.

    Raises:
        ConfigError: if the run's configuration was not saved, or it was divided when it had other
            chunks.
    """
    if is_split(folder):
        book = read_book(folder)
        if book.chunks != _digest(folder / CHUNKS):
            raise ConfigError(
                [
                    f"{folder}: its shards are of other chunks; remove {SHARDS_FOLDER} and shards.json there"
                ]
            )
        return book.folders
    if not is_saved(folder):
        raise ConfigError([f"{folder}: there is no .hydra/config.yaml that shards could go by"])
    n_tokens, n_chunks, linked = _survey(folder)
    if (n_documents := len(n_tokens)) < n_shards:
        log.info("shards    %d documents make %d shards, not %d", *[n_documents] * 2, n_shards)
        n_shards = max(1, n_documents)
    number_of = assign(n_tokens, n_shards)
    book = Book(folder, _digest(folder / CHUNKS), _describe(number_of, n_tokens, n_chunks))
    save_changed(folder, book.folders, _changes(open_saved(folder), n_chunks.total()))
    for target in book.folders:
        for path in linked:
            _link(folder / path, target / path)
        # As if an earlier attempt had been interrupted behind its chunks.
        write_json(target / NAME, {"status": "KILLED", "steps": ["ingest", "chunk"]})
    _deal(folder / DOCUMENTS, "id", number_of, book.folders)
    _deal(folder / CHUNKS, "doc_id", number_of, book.folders)
    book.write()  # the last thing: without it the next attempt begins anew
    sizes = [shard.n_tokens for shard in book.shards]
    log.info("shards    %d of %d to %d tokens", len(sizes), min(sizes), max(sizes))
    return book.folders


def _survey(folder: Path) -> tuple[dict[str, int], Counter[str], set[PurePath]]:
    """Return tokens and chunks of each document, and the folders in which their files are."""
    n_tokens = {row["id"]: 0 for row in read_rows(folder / DOCUMENTS)}
    n_chunks, linked = Counter[str](), {PurePath(TEXTS)}
    for row in read_rows(folder / CHUNKS):
        n_tokens[row["doc_id"]] += row["n_tokens"]
        n_chunks[row["doc_id"]] += 1
        if path := row.get("path"):
            linked.add(PurePath(path).parent)
    return n_tokens, n_chunks, linked


def _describe(
    number_of: Mapping[str, int], n_tokens: Mapping[str, int], n_chunks: Mapping[str, int]
) -> list[Shard]:
    n_shards = max(number_of.values(), default=0) + 1
    width = len(str(n_shards - 1))
    shards = [Shard(f"{SHARDS_FOLDER}/{number:0{width}}", 0, 0, 0) for number in range(n_shards)]
    for id_, number in number_of.items():
        shards[number].n_documents += 1
        shards[number].n_chunks += n_chunks[id_]
        shards[number].n_tokens += n_tokens[id_]
    return shards


def _changes(config: Config, n_chunks: int) -> dict[str, Any]:
    """Return what is different in the configuration of a shard.

    It is told to nobody but the run, which logs what all of them have made.
    """
    steps = {"serve", "generate", "curate"}
    if config.qa.engine == "synthetic-data-kit":
        steps.add("config")
    return {
        "steps": [step for step in config.steps if step in steps],
        "shards": None,
        "shard_of": max(1, n_chunks),
        "report": False,
        "tracking.kind": "none",
    }


def _link(source: Path, target: Path) -> None:
    """Make ``target`` a way to the folder ``source``, by a path that stays true if both are moved."""
    source.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_symlink():
        target.symlink_to(os.path.relpath(source, target.parent))


def _deal(source: Path, column: str, number_of: Mapping[str, int], targets: Sequence[Path]) -> None:
    """Write each row of a file to that of the shard whose document's id stands in ``column``."""
    for first in range(0, len(targets), _MOST_OPEN):
        with ExitStack() as stack:
            files = {
                first + number: stack.enter_context(replacing(target / source.name))
                for number, target in enumerate(targets[first : first + _MOST_OPEN])
            }
            with source.open("rb") as rows:
                for line in rows:
                    number = number_of[pydantic_core.from_json(line)[column]]
                    if number in files:
                        files[number].write(line)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
