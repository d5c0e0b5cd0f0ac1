"""Go on with a run or a sweep: with its own configuration, and only with what is missing."""

import os
from pathlib import Path

from synth.config import (
    configure_saved_log,
    is_saved,
    open_saved,
    saved_cwd,
    saved_launcher,
    saved_overrides,
)
from synth.errors import ConfigError
from synth.jobs import resume_job
from synth.loop import run_async
from synth.progress import tell
from synth.record import read_record
from synth.server.lease import Session
from synth.settle import settle
from synth.sweep.book import NAME, Book, read_book
from synth.sweep.dispersal import Dispersal, run_in_shards
from synth.sweep.plan import Request
from synth.sweep.slurm import check_slurm
from synth.sweep.sweep import Sweep


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
    config, overrides = open_saved(folder), saved_overrides(folder)
    os.chdir(saved_cwd(folder))
    if read_record(folder).get("status") == "FINISHED":
        if not run_async(lambda: settle(config, folder, overrides=overrides)):
            raise ConfigError([f"resume={folder}: the run is finished"])
        tell("The run was finished; MLflow has all of it now.")
        return
    configure_saved_log(folder, folder)
    if config.shards is None:
        summary = resume_job(config, folder, session, overrides)
    else:
        dispersal = Dispersal.by(saved_launcher(folder), session)
        summary = run_in_shards(config, folder, overrides, dispersal)
    summary.tell()
    if summary.tracking_error is not None:
        raise summary.tracking_error


def _resume_sweep(book: Book, session: Session) -> bool:
    if book.cluster is not None:
        check_slurm(book.cluster)
    with Sweep(book, session) as sweep:
        configs = [open_saved(book.folder / entry.folder) for entry in book.jobs.values()]
        any_folder = book.folder / next(iter(book.jobs.values())).folder
        os.chdir(saved_cwd(any_folder))
        configure_saved_log(any_folder, book.folder)
        left = sweep.go_on(
            [
                Request(entry.number, entry.overrides, book.folder / entry.folder, config)
                for entry, config in zip(book.jobs.values(), configs, strict=True)
            ]
        )
        if left:
            sweep.run(sweep.prepare(left))
    return sweep.is_complete
