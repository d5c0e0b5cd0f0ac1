"""Which files of a run's folder go to MLflow.

Each of them is a request to an MLflow server. A large corpus has a text a document and a file a
chunk; all that is in them can be had from the documents by ``chunks.jsonl``, so many are left out.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from synth.outbox import NAME
from synth.rows import FINDINGS, SHARDS_FOLDER

_MOST_DATA_FILES = 500
_DATA = "data"
_LEFT_OUT = (NAME, SHARDS_FOLDER, FINDINGS)  # what shards have made is in the run's pairs
_HIDDEN = (".hydra",)
"""Of hidden folders, those that tell something; other hidden ones are scratch."""


def choose_files(folder: Path) -> Iterator[Path]:
    """Yield the files to be copied, in a fixed order."""
    files = list(_files(folder))
    of_data = sum(path.relative_to(folder).parts[0] == _DATA for path in files)
    for path in files:
        if of_data <= _MOST_DATA_FILES or path.relative_to(folder).parts[0] != _DATA:
            yield path


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_shown(name))
        for name in sorted(names):
            path = Path(place) / name
            if _is_shown(name) and path.is_file():
                yield path


def _is_shown(name: str) -> bool:
    return name not in _LEFT_OUT and (not name.startswith(".") or name in _HIDDEN)
