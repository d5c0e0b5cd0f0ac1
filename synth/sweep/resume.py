"""Go on with a run or a sweep: with its own configuration, and only with what is missing."""

import os
from collections.abc import Sequence
from pathlib import Path

from synth.config import configure_saved_log, is_saved, open_saved, saved_cwd, saved_overrides
from synth.errors import ConfigError
from synth.job import resume_job
from synth.record import read_record
from synth.server.lease import Session
from synth.sweep.book import NAME, Book, Entry, read_book
from synth.sweep.plan import Request
from synth.sweep.sweep import Sweep, missing

_SIDE_BY_SIDE = 8


def resume(folder: Path, session: Session) -> bool:
    """Go on with what is in ``folder``; return whether all of it is finished now.

    Raises:
        ConfigError: if there is nothing to go on with, or another process is at work on it.
        SynthError: what ended a run that is no sweep.
    """
    folder = folder.absolute()
    if (folder / NAME).is_file():
        return _resume_sweep(read_book(folder), session)
    if not is_saved(folder):
        raise ConfigError([f"resume={folder}: there is neither a run nor a sweep"])
    _resume_run(folder, session)
    return True


def _resume_run(folder: Path, session: Session) -> None:
    if read_record(folder).get("status") == "FINISHED":
        raise ConfigError([f"resume={folder}: the run is finished"])
    config = open_saved(folder)
    os.chdir(saved_cwd(folder))
    configure_saved_log(folder, folder)
    summary = resume_job(config, folder, session, saved_overrides(folder))
    summary.tell()
    if summary.tracking_error is not None:
        raise summary.tracking_error


def _resume_sweep(book: Book, session: Session) -> bool:
    sweep = Sweep(book, session)
    status = "KILLED"
    try:
        configs = [open_saved(book.folder / entry.folder) for entry in book.jobs.values()]
        any_folder = book.folder / next(iter(book.jobs.values())).folder
        os.chdir(saved_cwd(any_folder))
        configure_saved_log(any_folder, book.folder)
        requests = [
            Request(entry.number, entry.overrides, book.folder / entry.folder, config)
            for entry, config in zip(book.jobs.values(), configs, strict=True)
        ]
        _run_missing(sweep, requests, missing(book))
        status = "FINISHED"
    finally:
        is_complete = sweep.finish(status)
    return is_complete


def _run_missing(sweep: Sweep, requests: Sequence[Request], left: Sequence[Entry]) -> None:
    sweep.open_tracker(requests)
    numbers = {entry.number for entry in left}
    if ready := [request for request in requests if request.number in numbers]:
        sweep.run(sweep.prepare(ready), _SIDE_BY_SIDE)
