"""One job whose settings were found good, to its last line: record, tracker, server, steps.

This is where the parts with a life of their own are opened and, whatever happens, closed: the
run's record (``run.json``), its tracker, its server.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from synth.address import ui_command
from synth.config import Config
from synth.connection import Connection, open_judge
from synth.curation import Aids
from synth.delivery import Desk
from synth.errors import ConfigError
from synth.generate import Lane
from synth.harvest import Asking
from synth.inputs import Disperse, Inputs
from synth.models import Model, cache_dir
from synth.place import Place, describe
from synth.qa import describe_shortage
from synth.record import Summary, hold, read_record
from synth.replies import NAME, Replies, store_in
from synth.run import Experiment
from synth.salvage import Salvage, salvage
from synth.server.fleet import Fleet, Launches
from synth.server.lease import Session
from synth.serving import Serving
from synth.shared import Shared
from synth.sources import Location
from synth.tracking import Tracker, open_tracker
from synth.traffic import Traffic
from synth.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What a job finds, and shares with the jobs that run beside it."""

    session: Session
    launches: Launches
    traffic: Traffic | None = None
    """Of the jobs that share a server; None: the job's own."""
    replies: Replies | None = None
    """What all jobs may use that reuse replies; None: the job opens it."""
    shared: Shared = field(default_factory=Shared)
    worker: Worker | None = None
    """The thread that writes to the tracker's store; None: one of the job's own."""
    disperse: Disperse | None = None
    """Has the shards of a job asked; None: it may have none."""


@dataclass(frozen=True)
class Job:
    """A job whose settings have been found good."""

    config: Config
    sources: Sequence[Location]
    tool: Sequence[str]
    model: Model | None
    serving: Serving | None
    aids: Aids

    async def run(
        self,
        folder: Path,
        around: Surroundings,
        overrides: Sequence[str] = (),
        place: Place | None = None,
    ) -> Summary:
        """Run it in ``folder``; go on where an earlier attempt has ended there.

        Raises:
            InUse: if another process is at work there.
            SynthError: what ended the run; ``run.json`` and the tracker say so, too. A tracker
                that fails does not end it, but stands in the summary.
        """
        with hold(folder):
            summary = Summary.begin(folder)
            await self._run(summary, around, overrides, place)
            return summary

    async def _run(
        self, summary: Summary, around: Surroundings, overrides: Sequence[str], place: Place | None
    ) -> None:
        folder = summary.folder
        before = salvage(folder, read_record(folder).get("steps", ()))
        summary.ui_command = ui_command(self.config.tracking.uri)
        summary.outcome.steps = list(before.steps)
        summary.write("RUNNING")  # with its key, before there is an MLflow run that has it
        info = describe(self.config, summary, place, overrides)
        desk = Desk(folder, around.worker, summary.note_run)
        async with open_tracker(self.config.tracking, info, desk) as tracker:
            summary.metrics = tracker.metrics
            try:
                with summary.recorded():
                    try:
                        await self._work(summary, before, around, tracker, place)
                    finally:
                        await tracker.run_id()  # a record has it unless the store is away
            finally:
                counts = summary.outcome.counts
                tracker.log_metrics({f"run/{name}": n for name, n in counts.items()})
                tracker.log_artifacts(folder)
        if tracker.error is not None:
            summary.tracking_error = tracker.error
            summary.write("FINISHED")

    async def _work(
        self,
        summary: Summary,
        before: Salvage,
        around: Surroundings,
        tracker: Tracker,
        place: Place | None,
    ) -> None:
        if "generate" in self.config.steps and (shortage := describe_shortage(self.config)):
            log.warning("generate  %s", shortage)
        fleet, is_shared = self._launch(summary.folder, around)
        connection = Connection(self.config.server, fleet, tracker, is_shared=is_shared)
        summary.server = connection.facts
        try:
            async with self._asking(summary.folder, around, place) as asking:
                inputs = Inputs(
                    config=self.config,
                    sources=self.sources,
                    find_tokenizer=self._find_tokenizer,
                    cache=cache_dir(),
                    connect=connection.open,
                    asking=asking,
                    aids=self.aids,
                    open_judge=lambda: open_judge(self.config, asking.replies),
                    shared=around.shared,
                    disperse=around.disperse,
                    before=before,
                    save=lambda: summary.write("RUNNING"),
                )
                experiment = Experiment(inputs, summary.folder, tracker)
                summary.outcome = experiment.outcome
                await connection.guard(experiment.run())
                await connection.report_use()
        finally:
            if fleet is not None:
                fleet.link_logs(summary.folder / "server.log")

    @asynccontextmanager
    async def _asking(
        self, folder: Path, around: Surroundings, place: Place | None
    ) -> AsyncIterator[Asking]:
        """Open what requests go out with, unless it is shared with other jobs."""
        async with AsyncExitStack() as stack:
            traffic = around.traffic
            if traffic is None:
                traffic = await stack.enter_async_context(Traffic())
            replies = around.replies if self.config.gen.reuse else None
            if replies is None:
                own = folder / f".{NAME}"
                path = store_in(cache_dir()) if self.config.gen.reuse else own
                replies = stack.enter_context(Replies(path))
            rank, number = (place.rank, place.number) if place else (0, 0)
            yield Asking(
                Lane(traffic, rank, number),
                replies,
                self.serving.answerer if self.serving else "",
                self.tool,
                self.serving.n_gpus if self.serving else 0,
            )
        (folder / f".{NAME}").unlink(missing_ok=True)  # the run is complete

    def _launch(self, folder: Path, around: Surroundings) -> tuple[Fleet | None, bool]:
        if self.serving is None:
            return None, False
        fleet, is_shared = around.launches.get(
            self.serving.ladders, self.config.server, folder / "server.log"
        )
        if not fleet.was_reused and not is_shared:
            paths = [str(one.server.log_path) for one in fleet.launches]
            who = "vLLM" if len(paths) == 1 else f"{len(paths)} servers of vLLM"
            are = "is starting; its log:" if len(paths) == 1 else "are starting; their logs:"
            log.info("serve     %s %s %s", who, are, " ".join(paths))
        return fleet, is_shared

    def _find_tokenizer(self) -> Path:
        assert self.model is not None
        return self.model.tokenizer_path()


async def refuse(
    config: Config, folder: Path, around: Surroundings, place: Place, error: ConfigError
) -> NoReturn:
    """Record a job of a sweep that can't be run, and raise ``error``."""
    summary = Summary.begin(folder)
    info = describe(config, summary, place)
    desk = Desk(folder, around.worker, summary.note_run)
    async with open_tracker(config.tracking, info, desk) as tracker:
        with summary.recorded():
            await tracker.run_id()
            raise error
