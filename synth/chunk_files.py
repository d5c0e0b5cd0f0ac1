"""Chunks as files beside their document, named as Unsloth's kit names them: ``{stem}_{i}{suffix}``.

A note for each document, in the hidden folder ``.synth-chunks`` beside it, says which files are its
chunks and what was in them. So they can be told from the user's own files: chunks of an earlier
call are replaced or removed, and nothing else is.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from synth.io import read_json, write_json, write_text

_FOLDER = ".synth-chunks"
_NUMBERED = re.compile(r"(.+?)_+\d+")


def is_chunk(path: Path) -> bool:
    """Return whether the file is a chunk that :func:`write_chunks` has written."""
    match = _NUMBERED.fullmatch(path.stem)
    stems = [] if match is None else [match[1], path.stem.rpartition("_")[0]]
    return any(path in _chunks_of(path.with_name(f"{stem}{path.suffix}")) for stem in stems)


def write_chunks(source: Path, texts: Sequence[str]) -> list[Path]:
    """Write the chunks of ``source`` beside it and return their paths in order.

    Where a file of the user's has the name of a chunk, all chunks of the document get a stem with
    another ``_``.
    """
    before, stem = _chunks_of(source), source.stem
    paths = _paths(source, stem, len(texts))
    while not all(
        path in before or not path.exists() or _holds(path, text)
        for path, text in zip(paths, texts, strict=True)
    ):
        stem += "_"
        paths = _paths(source, stem, len(texts))
    for path, text in zip(paths, texts, strict=True):
        write_text(path, text)
    for stale in before - set(paths):
        stale.unlink()
    note = {path.name: _digest(text.encode()) for path, text in zip(paths, texts, strict=True)}
    write_json(_note(source), note)
    return paths


def _paths(source: Path, stem: str, count: int) -> list[Path]:
    return [source.with_name(f"{stem}_{number}{source.suffix}") for number in range(count)]


def _chunks_of(source: Path) -> set[Path]:
    """Return the chunk files of ``source`` that still are what was written."""
    if not _note(source).exists():
        return set()
    paths = {source.with_name(name): digest for name, digest in read_json(_note(source)).items()}
    return {
        path
        for path, digest in paths.items()
        if path.is_file() and _digest(path.read_bytes()) == digest
    }


def _note(source: Path) -> Path:
    return source.parent / _FOLDER / f"{source.name}.json"


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
