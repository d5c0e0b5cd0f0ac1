"""One experiment: its steps, over the files of one run's folder.

Documents are read and cut while the server starts, and while the chunks that there are already are
asked about; every other step begins when the one before it has ended. What a step makes is in the
run's folder; the next one reads it there as it needs it, so nothing that there is much of is kept.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from synth import external
from synth.config import Config
from synth.cutting import Cut
from synth.errors import IngestError
from synth.export import export
from synth.feed import Feed
from synth.harvest import Asking, Harvest
from synth.ingest import Batch, Intake, Order
from synth.io import JsonlWriter, read_jsonl
from synth.loop import iterate_in_thread, together
from synth.measure import measure_run
from synth.prepare import Cutting
from synth.progress import show_progress
from synth.qa_config import Layout, write_qa_config
from synth.records import Chunk, Failure
from synth.salvage import CHUNKS, DOCUMENTS, FAILURES, PAIRS, Salvage, read_chunks
from synth.shared import Shared
from synth.sources import Location
from synth.tracking import Tracker
from synth.traffic import Route

log = logging.getLogger(__name__)

_READ_TOGETHER = 1000
_MOST_TOLD = 20
"""Failures of a step that the terminal shows; all of them are rows of a file."""
_MOST_CACHED_BYTES = 8 * 2**30
"""Of texts, and of tokens; what was not used for longest goes."""

COUNTS = ("n_documents", "n_chunks", "n_pairs", "n_failures")


@dataclass
class Outcome:
    """What a run has made so far: counts (``n_…``), the seconds of its steps (``…_s``)."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    timings: dict[str, float] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    """Steps that are complete."""


@dataclass(frozen=True)
class Inputs:
    """What a run is given."""

    config: Config
    sources: Sequence[Location]
    find_tokenizer: Callable[[], Path]
    """Returns the model's ``tokenizer.json``, when something is cut."""
    cache: Path
    """Folder in which texts and their tokens are kept for later runs."""
    connect: Callable[[], Awaitable[Route]]
    """Returns where requests may go when they can be answered there."""
    asking: Asking
    shared: Shared = field(default_factory=Shared)
    before: Salvage = field(default_factory=Salvage)
    """What earlier attempts have left."""
    save: Callable[[], None] = lambda: None
    """Called when a step is complete."""


class Experiment:
    """The steps of one run; ``outcome`` is true at any time, also after a failure."""

    def __init__(self, inputs: Inputs, folder: Path, tracker: Tracker) -> None:
        self._inputs = inputs
        self._config = inputs.config
        self._folder = folder
        self._tracker = tracker
        self._route: Route | None = None
        self._feed = Feed(folder)
        self._n_chars = sum(document.n_chars for document in inputs.before.documents)
        self._n_tokens = self._longest = 0
        self._n_failed = Counter[str]()
        self.outcome = Outcome(steps=list(inputs.before.steps))
        self._count("n_documents", len(inputs.before.documents))
        self._count("n_pairs", inputs.before.n_pairs)
        self._count("n_failures", inputs.before.n_failures)

    async def run(self) -> None:
        """Run the configured steps, but not what earlier attempts have done.

        Raises:
            SynthError: what stops a run; failures of single items are rows of a file instead.
        """
        with JsonlWriter(self._folder / FAILURES):
            pass  # it is there, even if there is nothing to say
        await together(self._take_in(), self._go_on())

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
        if "export" in steps:
            self._export()

    async def _take_in(self) -> None:
        """Read and cut; rows are written here, as they come, so that no two threads write."""
        steps, done = self._config.steps, self.outcome.steps
        due = [step for step in ("ingest", "chunk") if step in steps and step not in done]
        if due:
            with contextlib.ExitStack() as stack:
                for step in due:
                    stack.enter_context(self._timed(step))
                await self._take_due(due)
            await asyncio.to_thread(self._shrink_caches)
        if "chunk" in done:
            await self._take_chunks()
        for step, counts in (
            ("ingest", {"documents": self.outcome.counts["n_documents"], "chars": self._n_chars}),
            ("chunk", {"chunks": self._feed.total.n, "tokens": self._n_tokens}),
        ):
            if step in steps:
                self._complete(step, counts)
        self._feed.close()

    async def _take_chunks(self) -> None:
        """Count the chunks of an earlier attempt."""
        async with aclosing(iterate_in_thread(_read_known(self._folder), lambda: None)) as known:
            async for chunks in known:
                self._note(Batch(chunks=chunks))

    async def _take_due(self, due: Sequence[str]) -> None:
        intake = Intake(self._order(due), self._inputs.shared)
        with (
            show_progress("read documents", None) as bar,
            JsonlWriter(self._folder / DOCUMENTS) as documents,
            JsonlWriter(self._folder / CHUNKS) as chunks,
        ):
            async with aclosing(iterate_in_thread(intake.batches(), intake.stop)) as batches:
                async for batch in batches:
                    documents.write(*(document.row() for document in batch.documents))
                    chunks.write(*(chunk.row() for chunk in batch.chunks))
                    self._note(batch)
                    counts = self.outcome.counts
                    bar.say(f"{counts['n_documents']:,} read, {counts['n_chunks']:,} chunks")
        if "ingest" in due and not self.outcome.counts["n_documents"]:
            first = next(iter(read_jsonl(self._folder / FAILURES)))
            raise IngestError(
                f"none of the {len(self._inputs.sources)} files could be read; the first, "
                f"{first['id']}, {first['detail']}",
                first["id"],
            )

    def _shrink_caches(self) -> None:
        for name in ("texts", "tokens"):
            Shared(self._inputs.cache / name).shrink(_MOST_CACHED_BYTES)

    def _order(self, due: Sequence[str]) -> Order:
        config, inputs = self._config, self._inputs
        cutting = None
        if "chunk" in due:
            chunk = config.chunk
            cut = Cut(chunk.mode, config.chunk_size, chunk.overlap, files=chunk.files)
            cutting = Cutting(cut, inputs.find_tokenizer(), inputs.cache / "tokens")
        return Order(
            folder=self._folder,
            ingest=config.ingest,
            sources=inputs.sources if "ingest" in due else (),
            documents=() if "ingest" in due else inputs.before.documents,
            cutting=cutting,
            cache=inputs.cache / "texts",
            limit=config.chunk.limit,
        )

    def _note(self, batch: Batch) -> None:
        for failure in batch.failures:
            self._fail(failure)
        self._n_chars += sum(document.n_chars for document in batch.documents)
        self._count("n_documents", len(batch.documents))
        self._count("n_chunks", len(batch.chunks))
        for chunk in batch.chunks:
            self._n_tokens += chunk.n_tokens
            self._longest = max(self._longest, chunk.end - chunk.start)
        self._feed.grow(len(batch.chunks))

    async def _serve(self) -> None:
        with self._timed("serve"), show_progress("wait for the server", None):
            self._route = await self._inputs.connect()
        self._complete("serve", {})

    async def _write_config(self) -> None:
        if "config" not in self._config.steps:
            return
        await self._feed.wait_for_all()  # it says how long chunks are
        layout = Layout(self._folder / external.QA_CONFIG, self._folder / "data")
        endpoint = self._route.endpoints[0] if self._route else None
        with self._timed("config"):
            write_qa_config(self._config, endpoint, layout, self._longest)

    async def _generate(self) -> None:
        route = self._route or await self._inputs.connect()
        harvest = Harvest(
            config=self._config,
            folder=self._folder,
            asking=self._inputs.asking,
            tracker=self._tracker,
            fail=self._fail,
            n_pairs=self._inputs.before.n_pairs,
        )
        try:
            with self._timed("generate"):
                await harvest.gather(route, self._inputs.before, self._feed)
        finally:
            self.outcome.counts["n_pairs"] = harvest.n_pairs
        self._tracker.log_metrics(measure_run(self._folder, self._config.qa.num_pairs))
        self._complete("generate", {"pairs": harvest.n_pairs})

    def _export(self) -> None:
        with self._timed("export"):
            export(
                lambda: read_jsonl(self._folder / PAIRS),
                self._config.export.formats,
                self._folder / "export",
            )
        self._complete("export", {"files": len(self._config.export.formats)})

    def _fail(self, failure: Failure) -> None:
        self._n_failed[failure.stage] += 1
        is_told = self._n_failed[failure.stage] <= _MOST_TOLD
        level = logging.WARNING if is_told else logging.DEBUG
        log.log(level, "%s: %s %s", failure.stage, failure.id, failure.detail)
        with JsonlWriter(self._folder / FAILURES) as writer:
            writer.write(asdict(failure))
        self._count("n_failures", 1)

    def _count(self, name: str, n: int) -> None:
        self.outcome.counts[name] += n

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.outcome.timings[f"{step}_s"] = time.monotonic() - begin

    def _complete(self, step: str, counts: dict[str, int]) -> None:
        made = ", ".join(f"{n:,} {name}" for name, n in counts.items())
        if n_failed := self._n_failed[step]:
            made += f" ({n_failed:,} not used: {FAILURES})"
        figures = {f"{step}/n_{name}": float(n) for name, n in counts.items()}
        seconds = self.outcome.timings.get(f"{step}_s")
        if seconds is None:
            log.info("%-9s %s, done before", step, made)
        else:
            log.info("%-9s %s in %.1f s", step, made or "ready", seconds)
            figures[f"{step}/duration_s"] = seconds
        self._tracker.log_metrics(figures)
        if step not in self.outcome.steps:
            self.outcome.steps.append(step)
        self._inputs.save()


def _read_known(folder: Path) -> Generator[list[Chunk]]:
    chunks = read_chunks(folder)
    while some := list(itertools.islice(chunks, _READ_TOGETHER)):
        yield some
