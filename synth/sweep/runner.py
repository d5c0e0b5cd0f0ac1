"""Run the jobs of a sweep: those that want the same server side by side, server after server."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from synth.config import Config
from synth.errors import REPORTED, ConfigError, InUse, SynthError
from synth.job import Job, Surroundings, refuse
from synth.jobs import Preparation
from synth.models import cache_dir
from synth.progress import labelled, logged_to, share_progress
from synth.record import Summary
from synth.replies import Replies, store_in
from synth.server.fleet import Launches
from synth.server.lease import Session
from synth.shared import Shared
from synth.sweep.book import Book
from synth.sweep.plan import Request
from synth.traffic import Traffic
from synth.worker import Worker

log = logging.getLogger(__name__)

Result = Summary | Exception


@dataclass(frozen=True)
class Ready:
    """A job that was prepared, or what keeps it from being run."""

    request: Request
    job: Job | ConfigError


def prepare(request: Request, preparation: Preparation) -> Ready:
    """Check a job."""
    try:
        return Ready(request, preparation.prepare(request.config))
    except ConfigError as error:
        return Ready(request, error)


def prepare_all(requests: Sequence[Request], preparation: Preparation) -> list[Ready]:
    """Check the jobs; one that can't be run does not keep the others from it.

    Raises:
        ConfigError: if none can be run.
    """
    ready = [prepare(request, preparation) for request in requests]
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

    def __init__(
        self, book: Book, session: Session, parent: Callable[[], str | None], worker: Worker
    ) -> None:
        """Run jobs of the sweep in ``book``.

        Args:
            parent: returns the sweep's MLflow run.
        """
        self._book = book
        self._parent = parent
        self._session = session
        self._worker = worker
        self._gate = asyncio.Semaphore(book.n_at_once)
        self._tool = asyncio.Lock()  # an external tool takes the whole server
        self._results: dict[int, Result] = {}

    async def run(self, ready: Iterable[Iterable[Ready]]) -> Mapping[int, Result]:
        """Run the jobs and return, by their numbers, what they made or what ended them.

        Args:
            ready: for each server the jobs that want it; one is taken when there is room for it,
                in another thread. What another process is at work on is left to that.
        """
        launches = Launches(self._session)
        shared = Shared(self._session.folder / "shared")
        with share_progress(), Replies(store_in(cache_dir())) as replies:
            for group in ready:
                async with Traffic() as traffic, asyncio.TaskGroup() as tasks:
                    around = Surroundings(
                        self._session, launches, traffic, replies, shared, self._worker
                    )
                    jobs = iter(group)
                    while (one := await self._take(jobs)) is not None:
                        tasks.create_task(self._run_one(one, around))
        return self._results

    async def _take(self, jobs: Iterator[Ready]) -> Ready | None:
        """Return the next job when there is room for it; None: there is none."""
        await self._gate.acquire()
        one = await asyncio.to_thread(next, jobs, None)
        if one is None:
            self._gate.release()
        return one

    async def _run_one(self, one: Ready, around: Surroundings) -> None:
        request = one.request
        try:
            with labelled(f"#{request.number} "), logged_to(request.folder / "synth.log"):
                self._results[request.number] = await self._outcome_of(one, around)
        except InUse:
            log.info("#%d is another process's work", request.number)
        finally:
            self._gate.release()

    async def _outcome_of(self, one: Ready, around: Surroundings) -> Result:
        request, place = one.request, self._book.place(one.request.number, self._parent)
        log.info("starts    %s", place.name)
        try:
            if isinstance(one.job, ConfigError):
                await refuse(request.config, request.folder, around, place, one.job)
            async with self._alone(request.config):
                return await one.job.run(request.folder, around, request.overrides, place)
        except InUse:
            raise
        except Exception as error:  # noqa: BLE001  (the others go on)
            _log_failure(error)
            return error

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
