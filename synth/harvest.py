"""The generation of one run: who is asked, and what comes of it as rows of the run's files."""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from synth import external
from synth.ask import Desk
from synth.client import Client
from synth.config import Config
from synth.feed import Feed
from synth.generate import Lane, Task, generate
from synth.io import JsonlWriter, read_jsonl
from synth.meter import Extent, Meter, metering
from synth.order import Positions, arrange
from synth.pool import FailureBudget, Total
from synth.qa import Kind
from synth.records import Call, Failure, Pair, Request
from synth.replies import Replies
from synth.respondent import Respondent
from synth.rows import FAILURES, PAIRS, REQUESTS, read_chunks
from synth.salvage import Salvage
from synth.tally import Tally
from synth.texts import Texts
from synth.traces import Sample
from synth.tracking import Tracker
from synth.traffic import Route

log = logging.getLogger(__name__)

_TOLD = ("n_retries", "n_cut_off", "n_output_tokens", "output_tokens_per_s")


@dataclass(frozen=True)
class Asking:
    """What the requests of a run go out with."""

    lane: Lane
    replies: Replies
    model: str
    """All that tells which model answers; empty: an endpoint's own name for it does."""
    tool: Sequence[str] = ()
    """Starts synthetic-data-kit, if that is the engine."""
    n_gpus: int = 0

    def respondent(self, route: Route, config: Config, step: str = "generate") -> Respondent:
        """Return the model at the end of ``route``, to which requests may go from now on."""
        gen, traffic = config.gen, self.lane.traffic
        traffic.open(route, gen.concurrency)
        client = Client(
            traffic,
            timeout_s=gen.timeout_s,
            max_retries=gen.max_retries,
            concurrency=gen.concurrency,
        )
        model = self.model or _name_external(route, config)
        return Respondent(client, self.replies, model, step)


@dataclass
class Harvest:
    """Generates, into the files of the run in ``folder``."""

    config: Config
    folder: Path
    asking: Asking
    tracker: Tracker
    fail: Callable[[Failure], None]
    """Gets what gave no pairs."""
    n_pairs: int
    """Pairs of the run so far."""

    async def gather(self, route: Route, before: Salvage, feed: Feed) -> None:
        """Ask about all chunks that have no pairs yet; each has a row then, in the chunks' order.

        Chunks may still be to come.

        Raises:
            SynthError: what ends a run.
        """
        whole = self.config.shard_of  # what a shard may lose is what the whole run may
        total = feed.total if whole is None else Total(whole, is_final=True)
        budget = FailureBudget(total, self.config.gen.max_failed_frac)
        task = Task(feed.read(), before.answered, Texts(self.folder).read, budget)
        extent = Extent(feed.total, len(before.answered), before.n_pairs)
        slots, begin = self.asking.lane.traffic.slots, time.monotonic()
        with JsonlWriter(self.folder / REQUESTS) as requests:
            tally = self._tally(requests)
            results = self._results(task, route, before, tally)
            try:
                async with metering(
                    tally, self.tracker, lambda: (slots.n_busy, slots.capacity), extent
                ) as meter:
                    await self._write(results, meter)
            finally:
                self._log_figures(tally, time.monotonic() - begin)
        self._arrange()

    async def _write(self, results: AsyncGenerator[list[Pair] | Failure], meter: Meter) -> None:
        async with aclosing(results):
            with JsonlWriter(self.folder / PAIRS) as writer:
                async for result in results:
                    if isinstance(result, Failure):
                        self.fail(result)
                        meter.count(0)
                    else:
                        writer.write(*(pair.row() for pair in result))
                        self.n_pairs += len(result)
                        meter.count(len(result))

    def _results(
        self, task: Task, route: Route, before: Salvage, tally: Tally
    ) -> AsyncGenerator[list[Pair] | Failure]:
        config, asking = self.config, self.asking
        if config.qa.engine == "synthetic-data-kit":
            chunks = [one for one in read_chunks(self.folder) if one.id not in before.answered]
            return external.generate(
                chunks, self.folder, asking.tool, route.endpoints[0], config, task.budget
            )
        desk = Desk(
            config,
            Kind(config.qa),
            asking.respondent(route, config),
            tally,
            before.asked,
            self._note(Sample(config.tracking.traces, config.seed)),
        )
        return generate(task, desk, asking.lane)

    def _note(self, sample: Sample) -> Callable[[int, Call], None]:
        def note(position: int, call: Call) -> None:
            if sample.has(position):
                self.tracker.log_call(call)

        return note

    def _tally(self, requests: JsonlWriter) -> Tally:
        tally = Tally(requests, n_gpus=self.asking.n_gpus, cost=self.config.cost)
        for row in read_jsonl(self.folder / REQUESTS):
            tally.add(Request(**row), is_new=False)
        return tally

    def _log_figures(self, tally: Tally, seconds: float) -> None:
        figures = tally.figures(self.n_pairs)
        if figures:
            before = f" ({n:.0f} answered before)" if (n := figures["n_stored"]) else ""
            log.info(
                "generate  %d requests%s, %d retries, %d cut off, %d output tokens (%.1f/s), "
                "%.0f %% of the prompts in the prefix cache",
                figures["n_requests"],
                before,
                *(figures.get(name, 0) for name in _TOLD),
                100 * figures["prefix_cache_hit_frac"],
            )
        else:
            figures = {"pairs_per_s": self.n_pairs / seconds}
        self.tracker.log_metrics({f"generate/{name}": n for name, n in figures.items()})

    def _arrange(self) -> None:
        """Put the rows, which were written as they came, in the order of the chunks."""
        positions = Positions(chunk.id for chunk in read_chunks(self.folder))
        for name, column in ((PAIRS, "chunk_id"), (REQUESTS, "chunk_id"), (FAILURES, "id")):
            arrange(self.folder / name, column, positions)


def _name_external(route: Route, config: Config) -> str:
    revision = config.model.revision
    return f"{route.endpoints[0].model}{f'@{revision}' if revision else ''} (external)"
