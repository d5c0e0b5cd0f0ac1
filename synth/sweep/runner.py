"""Run the jobs of a sweep: those that want the same server side by side, server after server."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from synth.config import Config
from synth.errors import REPORTED, ConfigError, SynthError
from synth.job import Job, Preparation, Surroundings, refuse
from synth.models import cache_dir
from synth.place import Place
from synth.progress import labelled, logged_to, share_progress
from synth.record import Summary
from synth.replies import NAME, Replies
from synth.server.fleet import Launches
from synth.server.lease import Session
from synth.shared import Shared
from synth.sweep.book import Book
from synth.sweep.plan import Request
from synth.tracking import Tracker, Worker
from synth.traffic import Traffic

log = logging.getLogger(__name__)

Result = Summary | Exception


@dataclass(frozen=True)
class Ready:
    """A job that was prepared, or what keeps it from being run."""

    request: Request
    job: Job | ConfigError


def prepare(requests: Sequence[Request], session: Session) -> list[Ready]:
    """Check the jobs; one that can't be run does not keep the others from it.

    Raises:
        ConfigError: if none can be run.
    """
    preparation, ready = Preparation(session), []
    for request in requests:
        try:
            ready.append(Ready(request, preparation.prepare(request.config)))
        except ConfigError as error:
            ready.append(Ready(request, error))
    problems = [one.job.problems for one in ready if isinstance(one.job, ConfigError)]
    if len(problems) == len(ready):
        raise ConfigError(list(dict.fromkeys(text for texts in problems for text in texts)))
    return ready


def groups(ready: Sequence[Ready]) -> Iterator[list[Ready]]:
    """Yield the jobs that want the same server together, in the order of their first ones."""
    found: dict[str, list[Ready]] = {}
    for one in ready:
        found.setdefault(_server_of(one), []).append(one)
    yield from found.values()


class Runner:
    """Runs prepared jobs in this process."""

    def __init__(self, book: Book, session: Session, tracker: Tracker, worker: Worker) -> None:
        self._book = book
        self._tracker = tracker
        self._session = session
        self._worker = worker
        self._gate = asyncio.Semaphore(book.n_at_once)
        self._tool = asyncio.Lock()  # an external tool takes the whole server
        self._results: dict[int, Result] = {}

    async def run(self, ready: Sequence[Ready]) -> Mapping[int, Result]:
        """Run the jobs and return, by their numbers, what they made or what ended them."""
        launches = Launches(self._session)
        shared = Shared(self._session.folder / "shared")
        with share_progress(), Replies(cache_dir() / NAME) as replies:
            for group in groups(ready):
                async with Traffic() as traffic, asyncio.TaskGroup() as tasks:
                    around = Surroundings(
                        self._session, launches, traffic, replies, shared, self._worker
                    )
                    for one in group:
                        tasks.create_task(self._run_one(one, around))
        return self._results

    async def _run_one(self, one: Ready, around: Surroundings) -> None:
        request, place = one.request, self._place(one.request.number)
        async with self._gate:
            with labelled(f"#{request.number} "), logged_to(request.folder / "synth.log"):
                log.info("starts    %s", place.name)
                try:
                    if isinstance(one.job, ConfigError):
                        await refuse(request.config, request.folder, around, place, one.job)
                        return
                    async with self._alone(request.config):
                        work = one.job.run(request.folder, around, request.overrides, place)
                        self._results[request.number] = await work
                except Exception as error:  # noqa: BLE001  (the others go on)
                    self._results[request.number] = error
                    _log_failure(error)

    def _place(self, number: int) -> Place:
        return self._book.place(number, self._tracker.known_run_id)

    def _alone(self, config: Config) -> AbstractAsyncContextManager[None]:
        return self._tool if config.qa.engine == "synthetic-data-kit" else nullcontext()


def _log_failure(error: Exception) -> None:
    is_expected = isinstance(error, SynthError | OSError)
    log.error("%s", error, exc_info=None if is_expected else error)
    error.add_note(REPORTED)


def _server_of(one: Ready) -> str:
    if isinstance(one.job, ConfigError):
        return ""
    if one.job.serving is not None:
        return one.job.serving.key
    server = one.job.config.server
    return " ".join(server.api_bases) or str(server.endpoints_file)
