"""The step of curation: what is found out about each pair, by rules and by models, and its verdict.

In a shard it ends before the verdicts: the run that the shard is of compares all pairs, and decides.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass
from pathlib import Path

from synth.config import Config
from synth.curation import Aids, Curation
from synth.examination import Group, OpenJudge, Panel, examine
from synth.filters import agrees
from synth.harvest import Asking
from synth.io import JsonlWriter
from synth.progress import show_progress
from synth.rows import CURATE_REQUESTS, FINDINGS
from synth.tally import Tally
from synth.texts import Texts
from synth.tracking import Tracker
from synth.traffic import Route

log = logging.getLogger(__name__)


@dataclass
class Curator:
    """Curates the pairs of the run in ``folder``."""

    config: Config
    folder: Path
    aids: Aids
    asking: Asking
    open_judge: OpenJudge
    tracker: Tracker

    async def curate(self, n_pairs: int, route: Route | None) -> int:
        """Give all pairs their verdicts; return how many are kept.

        Args:
            n_pairs: how many there are.
            route: to the model that has made them; None if it is not to be asked.

        Raises:
            SynthError: what ends a run.
        """
        curation = Curation(self.folder, self.config, self.aids)
        try:
            with show_progress("inspect pairs", n_pairs) as bar:
                await _in_thread(curation.inspect, bar)
            await asyncio.to_thread(curation.compare)
            if self._asks and (curation.n_due or not curation.n_asked):
                await self._examine(curation, route)
            told = await asyncio.to_thread(curation.settle)
        finally:
            curation.close()
        self._tell(told, n_pairs)
        return told["kept"]

    async def curate_shard(self, n_pairs: int, route: Route | None) -> int:
        """Find out about the pairs of a shard what needs no other; return how many were asked about.

        Args:
            n_pairs: how many there are.
            route: as for :meth:`curate`.

        Raises:
            SynthError: what ends a run.
        """
        (self.folder / FINDINGS).unlink(missing_ok=True)
        curation = Curation(self.folder, self.config, self.aids)
        try:
            with show_progress("inspect pairs", n_pairs) as bar:
                await _in_thread(curation.inspect, bar)
            if self._asks:
                await self._examine(curation, route)
            await asyncio.to_thread(curation.set_down)
        finally:
            curation.close()
        return len(curation.opinions)

    @property
    def _asks(self) -> bool:
        return self.config.curate.judge != "none" or self.config.curate.closed_book

    async def _examine(self, curation: Curation, route: Route | None) -> None:
        """Have the pairs that are good so far judged and asked about."""
        judge, closed_book = self.config.curate.judge, self.config.curate.closed_book
        if not curation.n_asked:
            (self.folder / CURATE_REQUESTS).unlink(missing_ok=True)
        async with AsyncExitStack() as stack:
            served = self.asking.respondent(route, self.config, "curate") if route else None
            judging = served if judge == "served" else None
            if judge == "endpoint":
                judging = await stack.enter_async_context(self.open_judge())
            writer = stack.enter_context(JsonlWriter(self.folder / CURATE_REQUESTS))
            panel = Panel(
                config=self.config,
                judge=judging,
                served=served if closed_book else None,
                tally=Tally(
                    writer,
                    n_gpus=0 if judge == "endpoint" else self.asking.n_gpus,
                    cost=self.config.cost,
                ),
                read_text=Texts(self.folder).read,
                agrees=agrees,
                priority=self.asking.lane.priority,
            )
            with show_progress("examine pairs", n_due := curation.n_due) as bar:
                async with aclosing(examine(_each(curation.due()), panel)) as opinions:
                    async for pair_id, opinion in opinions:
                        curation.opinions[pair_id] = opinion
                        bar(1)
        figures = panel.tally.figures(n_due) | asdict(panel.counts)
        figures.pop("pairs_per_s", None)
        self.tracker.log_metrics({f"curate/{name}": float(n) for name, n in figures.items()})

    def _tell(self, told: Counter[str], n_pairs: int) -> None:
        n_kept = told["kept"]
        faults = ", ".join(
            f"{n:,} {name}"
            for name, n in told.most_common()
            if n and name not in ("kept", "by_hand")
        )
        by_hand = self._tell_by_hand(told["by_hand"])
        log.info(
            "curate    %d of %d pairs kept%s; noted: %s",
            n_kept,
            n_pairs,
            by_hand,
            faults or "nothing",
        )
        figures = {f"curate/n_{name}": float(n) for name, n in told.items()}
        if n_pairs:
            figures["curate/kept_frac"] = n_kept / n_pairs
        self.tracker.log_metrics(figures)

    def _tell_by_hand(self, n_used: int) -> str:
        if not (n_verdicts := len(self.aids.verdicts)):
            return ""
        if n_used < n_verdicts:
            log.warning(
                "curate    %d of %d verdicts by hand are of pairs that this run has not: with other "
                "settings other pairs are made",
                n_verdicts - n_used,
                n_verdicts,
            )
        return f", {n_used} of the verdicts by hand"


class _StoppedError(Exception):
    """Nobody waits for the work any more."""


async def _in_thread(
    work: Callable[[Callable[[int], None]], None], told: Callable[[int], None]
) -> None:
    """Await work in another thread, which is told to stop when it is no longer waited for."""
    is_stopped = threading.Event()

    def note(n: int) -> None:
        if is_stopped.is_set():
            raise _StoppedError
        told(n)

    try:
        await asyncio.to_thread(work, note)
    finally:
        is_stopped.set()


async def _each(groups: Iterator[Group]) -> AsyncIterator[Group]:
    for group in groups:
        yield group
