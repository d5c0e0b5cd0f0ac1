"""One experiment: its steps, over the files of one run's folder.

Documents are read and cut while the server starts, and while the chunks that there are already are
asked about; every other step begins when the one before it has ended. What a step makes is in the
run's folder; the next one reads it there as it needs it, so nothing that there is much of is kept.

A run that was divided into shards (:mod:`synth.shards`) has them asked, and takes what they have made
in place of asking. In a shard, what needs the pairs of all of them is left to that run.
"""

import asyncio
from pathlib import Path

from synth import external
from synth.appraise import appraise, prepare
from synth.curate import Curator
from synth.errors import SynthError
from synth.export import export
from synth.feed import Feed
from synth.harvest import Harvest
from synth.inputs import Inputs
from synth.io import JsonlWriter
from synth.ledger import Ledger
from synth.loop import together
from synth.progress import show_progress
from synth.qa_config import Layout, write_qa_config
from synth.rows import FAILURES
from synth.shards import check_losses, merge, summarise
from synth.supply import Supply
from synth.tracking import Tracker
from synth.traffic import Route


class Experiment:
    """The steps of one run; ``outcome`` is true at any time, also after a failure."""

    def __init__(self, inputs: Inputs, folder: Path, tracker: Tracker) -> None:
        self._inputs = inputs
        self._config = inputs.config
        self._folder = folder
        self._tracker = tracker
        self._route: Route | None = None
        self._feed = Feed(folder)
        self._ledger = Ledger(folder, tracker, inputs.save, inputs.before.steps)
        self._supply = Supply(inputs, folder, self._ledger, self._feed)
        self.outcome = self._ledger.outcome
        self._ledger.count("n_documents", len(inputs.before.documents))
        self._ledger.count("n_pairs", inputs.before.n_pairs)
        self._ledger.count("n_failures", inputs.before.n_failures)

    async def run(self) -> None:
        """Run the configured steps, but not what earlier attempts have done.

        Raises:
            SynthError: what stops a run; failures of single items are rows of a file instead.
        """
        with JsonlWriter(self._folder / FAILURES):
            pass  # it is there, even if there is nothing to say
        await together(self._supply.take_in(), self._go_on())

    async def _go_on(self) -> None:
        """Run the steps behind reading and cutting."""
        steps = self._config.steps
        asks_itself = "generate" in steps and self._config.qa.engine == "synth"
        if not asks_itself:
            await self._feed.wait_for_all()
        if "serve" in steps:
            await self._serve()
        if asks_itself:
            await together(self._generate(), self._write_config())
        else:
            await self._write_config()
            if "generate" in steps:
                await self._generate()
        if "generate" in steps:
            if "curate" in steps:
                await self._curate()
            await self._appraise()
        if "export" in steps:
            await self._export()

    async def _serve(self) -> None:
        if self._config.shards is not None:
            return  # they have servers
        with self._ledger.timed("serve"), show_progress("wait for the server", None):
            loading = asyncio.create_task(self._load())
            try:
                self._route = await self._inputs.connect()
            finally:
                await loading
        self._ledger.complete("serve", {})

    async def _load(self) -> None:
        """Load what the end of the run needs, while the server starts."""
        if self._config.report and "generate" in self._config.steps:
            await asyncio.to_thread(prepare)

    async def _write_config(self) -> None:
        if "config" not in self._config.steps:
            return
        await self._feed.wait_for_all()  # it says how long chunks are
        layout = Layout(self._folder / external.QA_CONFIG, self._folder / "data")
        endpoint = self._route.endpoints[0] if self._route else None
        with self._ledger.timed("config"):
            write_qa_config(self._config, endpoint, layout, self._supply.longest)

    async def _generate(self) -> None:
        if self._config.shards is not None:
            await self._have_shards_asked(self._config.shards)
            return
        self._route = self._route or await self._inputs.connect()
        harvest = Harvest(
            config=self._config,
            folder=self._folder,
            asking=self._inputs.asking,
            tracker=self._tracker,
            fail=self._ledger.fail,
            n_pairs=self._inputs.before.n_pairs,
        )
        try:
            with self._ledger.timed("generate"):
                await harvest.gather(self._route, self._inputs.before, self._feed)
        finally:
            self.outcome.counts["n_pairs"] = harvest.n_pairs
        self._ledger.complete("generate", {"pairs": harvest.n_pairs})

    async def _have_shards_asked(self, n_shards: int) -> None:
        """Have shards asked, and take what they have made.

        Raises:
            SynthError: if one of them is not finished, or too many chunks have failed in all.
        """
        await self._feed.wait_for_all()
        assert self._inputs.disperse is not None
        with self._ledger.timed("generate"):
            await self._inputs.disperse(self._folder, n_shards)
            merged = await asyncio.to_thread(merge, self._folder)
            figures = await asyncio.to_thread(summarise, self._folder, self._config)
        self._tracker.log_metrics(figures.metrics)
        self.outcome.server = figures.server
        self.outcome.counts |= {"n_pairs": merged.n_pairs, "n_failures": merged.n_failures}
        await asyncio.to_thread(check_losses, self._folder, self._config)
        if left := merged.unfinished:
            raise SynthError(
                f"{len(left)} of {merged.n_shards} shards not finished, the first is {left[0]}: go on "
                "by resume="
            )
        self._ledger.complete("generate", {"pairs": merged.n_pairs})

    async def _curate(self) -> None:
        inputs, n_pairs = self._inputs, self.outcome.counts["n_pairs"]
        curator = Curator(
            config=self._config,
            folder=self._folder,
            aids=inputs.aids,
            asking=inputs.asking,
            open_judge=inputs.open_judge,
            tracker=self._tracker,
        )
        if self._config.shard_of is not None:
            with self._ledger.timed("curate"):
                n_asked = await curator.curate_shard(n_pairs, self._route)
            del self.outcome.counts["n_kept"]  # it is for the whole run to say
            asked = {"examined": n_asked} if n_asked else {}
            self._ledger.complete("curate", {"pairs": n_pairs} | asked)
            return
        with self._ledger.timed("curate"):
            n_kept = await curator.curate(n_pairs, self._route)
        self.outcome.counts["n_kept"] = n_kept
        self._ledger.complete("curate", {"pairs": n_pairs, "kept": n_kept})

    async def _appraise(self) -> None:
        if self._config.shard_of is not None:
            return
        metrics = await asyncio.to_thread(appraise, self._folder, self._config)
        self._tracker.log_metrics(metrics)

    async def _export(self) -> None:
        with self._ledger.timed("export"):
            figures = self._tracker.metrics
            made = await asyncio.to_thread(export, self._folder, self._config, figures)
        self._ledger.complete("export", {"datasets": len(made)})
