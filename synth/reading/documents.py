"""Read what is at a location as documents: the file, its rows, or the files in it.

Whatever happens to one of them is one row of failures; only a full disk of the run itself is
raised. Results come as they are there, and nothing is left in scratch.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from synth.config.dataset import IngestConfig
from synth.errors import IngestError
from synth.reading.archives import Budget, open_budget, read_archive
from synth.reading.formats import find_format
from synth.reading.office import MEDIA_TYPES, read_office
from synth.reading.plain import read_plain
from synth.reading.source import Result, Source, Target, failure, is_of_writing, show
from synth.reading.tables import READERS, read_table
from synth.reading.web import fetch, redact
from synth.reading.youtube import is_video, read_transcript
from synth.records import Failure
from synth.shared import Shared
from synth.sources import Location

_log = logging.getLogger(__name__)

ARCHIVES = frozenset({"zip", "tar", "gz", "bz2", "xz", "zst"})


def read(
    location: Location,
    folder: Path,
    scratch: Path,
    config: IngestConfig,
    n_skipped: int = 0,
    cache: Path | None = None,
) -> Iterator[Result]:
    """Yield the documents at a location, and what there can't be read; their texts are stored.

    Args:
        folder: the run's.
        scratch: for what is in between; nobody else writes there.
        n_skipped: members of the archive there that were read before.
        cache: where texts are kept that took long to read; None = nowhere.
    """
    target = Target(folder, scratch, config, Shared(cache))
    if location.is_url:
        yield from _read_url(location.name, target, n_skipped)
    else:
        yield from _read(_source_of(location), target, n_skipped=n_skipped)


def is_plain(location: Location) -> bool:
    """Return whether a location is a file of plain text by its content and name."""
    try:
        kind = None if location.is_url else find_format(_source_of(location))
    except IngestError:
        return True  # and the reason is found in no time
    return kind in ("text", "markdown")


def _source_of(location: Location) -> Source:
    file = Path(location.name)
    return Source(file, show(location.name), file.name, is_named=location.is_named)


def _read_url(url: str, target: Target, n_skipped: int) -> Iterator[Result]:
    try:
        if is_video(url):
            yield target.save(read_transcript(url), show(redact(url)), "transcript")
            return
        found = fetch(url, target.scratch, target.config)
    except IngestError as error:
        yield failure(error)
        return
    source = Source(found.path, show(found.url), found.name, found.media_type, is_named=True)
    try:
        yield from _read(source, target, n_skipped=n_skipped)
    finally:
        found.path.unlink(missing_ok=True)


def _read(
    source: Source, target: Target, budget: Budget | None = None, n_skipped: int = 0
) -> Iterator[Result]:
    n_results = n_skipped
    try:
        kind = find_format(source)
        if budget is None and kind in ARCHIVES:
            budget = open_budget(source, target, n_skipped)
        for result in _read_as(kind, source, target, budget):
            n_results += 1
            yield result
        if not n_results:
            yield failure(IngestError("holds no documents", source.path))
    except IngestError as error:
        yield failure(error)
    except Exception as error:  # no file may end the reading of the others
        if is_of_writing(error):
            raise
        _log.debug("%s", source.path, exc_info=True)
        yield Failure(source.path, "ingest", type(error).__name__, f"can't be read: {error}")


def _read_as(kind: str, source: Source, target: Target, budget: Budget | None) -> Iterator[Result]:
    if budget is not None and kind in ARCHIVES:
        yield from read_archive(
            source, kind, target, budget, lambda member, rest: _read(member, target, rest)
        )
    elif kind in READERS:
        yield from read_table(source, kind, target)
    elif kind in MEDIA_TYPES:
        yield read_office(source, kind, target)
    else:
        yield read_plain(source, kind, target)
