"""One experiment: the steps in their order, over the files of one run's folder.

Documents are read and cut while the server starts; it is waited for only when it is needed. All
that a step makes is in the run's folder before the next one begins.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from synth import chunk, external
from synth.config import Config
from synth.errors import IngestError
from synth.export import export
from synth.generate import Lane, Task, generate
from synth.ingest import ingest
from synth.io import JsonlWriter, read_jsonl, read_text, write_text
from synth.measure import measure_run
from synth.pool import FailureBudget
from synth.progress import show_progress
from synth.qa_config import Layout, write_qa_config
from synth.records import Chunk, Endpoint, Failure, Pair
from synth.salvage import CHUNKS, DOCUMENTS, FAILURES, PAIRS, REQUESTS, Salvage
from synth.shared import Shared
from synth.slots import Slots
from synth.tally import Tally
from synth.tokens import Tokenizer
from synth.tracking import Tracker

log = logging.getLogger(__name__)

COUNTS = ("n_documents", "n_chunks", "n_pairs", "n_failures")

_TOLD = ("n_requests", "n_retries", "n_cut_off", "n_output_tokens", "output_tokens_per_s")


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
    documents: Sequence[Path]
    load_tokenizer: Callable[[], Tokenizer]
    connect: Callable[[], Awaitable[Endpoint]]
    """Returns the endpoint when it is ready for requests."""
    tool: Sequence[str] = ()
    """Starts synthetic-data-kit, if that is the engine."""
    lane: Lane = field(default_factory=lambda: Lane(Slots()))
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
        self._endpoint: Endpoint | None = None
        self._chunks = list(inputs.before.chunks)
        self._documents = {document.id: document for document in inputs.before.documents}
        self.outcome = Outcome(steps=list(inputs.before.steps))
        self._count("n_documents", len(self._documents))
        self._count("n_chunks", len(self._chunks))
        self._count("n_pairs", inputs.before.n_pairs)
        self._count("n_failures", inputs.before.n_failures)

    async def run(self) -> None:
        """Run the configured steps, but not what earlier attempts have done.

        Raises:
            SynthError: what stops a run; failures of single items are rows of a file instead.
        """
        steps = set(self._config.steps)
        with JsonlWriter(self._folder / FAILURES) as self._failures:
            if "ingest" in steps:
                self._ingest()
            if "chunk" in steps:
                self._chunk()
            if "serve" in steps:
                await self._serve()
            if "config" in steps:
                self._write_config()
            if "generate" in steps:
                await self._generate()
            if "export" in steps:
                self._export()

    def _ingest(self) -> None:
        paths = self._inputs.documents
        if "ingest" not in self.outcome.steps:
            with (
                self._timed("ingest"),
                show_progress("read documents", len(paths)) as advance,
                JsonlWriter(self._folder / DOCUMENTS) as writer,
            ):
                for result in ingest(paths, self._folder, self._inputs.shared):
                    advance(1)
                    if isinstance(result, Failure):
                        self._fail(result)
                        continue
                    writer.write(asdict(result))
                    self._documents[result.id] = result
                    self._count("n_documents", 1)
        if not self._documents:
            first = next(iter(read_jsonl(self._folder / FAILURES)))
            raise IngestError(
                f"none of the {len(paths)} files could be read; the first, {first['id']}, "
                f"{first['detail']}",
                first["id"],
            )
        self._complete("ingest", {"documents": len(self._documents)})

    def _chunk(self) -> None:
        if "chunk" not in self.outcome.steps:
            with (
                self._timed("chunk"),
                show_progress("cut documents", len(self._documents)) as advance,
                JsonlWriter(self._folder / CHUNKS) as writer,
            ):
                for piece, text in self._cut(advance):
                    write_text(self._folder / piece.path, text)
                    writer.write(asdict(piece))
                    self._chunks.append(piece)
                    self._count("n_chunks", 1)
        tokens = sum(piece.n_tokens for piece in self._chunks)
        self._complete("chunk", {"chunks": len(self._chunks), "tokens": tokens})

    def _cut(self, advance: Callable[[int], None]) -> Iterator[tuple[Chunk, str]]:
        config, tokenizer = self._config, self._inputs.load_tokenizer()
        for document in self._documents.values():
            text = read_text(self._folder / document.text_path)
            for piece in chunk.cut(
                document, text, tokenizer, size=config.chunk_size, overlap=config.chunk.overlap
            ):
                if len(self._chunks) == config.chunk.limit:
                    return
                yield piece, text[piece.start : piece.end]
            advance(1)

    async def _serve(self) -> None:
        with self._timed("serve"), show_progress("wait for the server", None):
            self._endpoint = await self._inputs.connect()
        self._complete("serve", {})

    def _write_config(self) -> None:
        layout = Layout(self._folder / external.QA_CONFIG, self._folder / "data")
        longest = max((piece.end - piece.start for piece in self._chunks), default=0)
        with self._timed("config"):
            write_qa_config(self._config, self._endpoint, layout, longest)

    async def _generate(self) -> None:
        if self._endpoint is None:
            self._endpoint = await self._inputs.connect()
        before = self._inputs.before
        left = [piece for piece in self._chunks if piece.id not in before.answered]
        budget = FailureBudget(len(self._chunks), self._config.gen.max_failed_frac)
        with JsonlWriter(self._folder / REQUESTS) as requests:
            tally = Tally(requests, cost=self._config.cost)
            for request in before.requests:
                tally.add(request, is_new=False)
            try:
                with (
                    self._timed("generate"),
                    show_progress("generate pairs", len(self._chunks)) as advance,
                    JsonlWriter(self._folder / PAIRS) as writer,
                ):
                    advance(len(self._chunks) - len(left))
                    async for result in self._ask(Task(left, self._read_chunk, budget), tally):
                        advance(1)
                        if isinstance(result, Failure):
                            self._fail(result)
                            continue
                        writer.write(*(pair.row() for pair in result))
                        self._count("n_pairs", len(result))
            finally:
                self._log_generation(tally)
        self._tracker.log_metrics(measure_run(self._folder, self._config.qa.num_pairs))
        self._complete("generate", {"pairs": self.outcome.counts["n_pairs"]})

    def _ask(self, task: Task, tally: Tally) -> AsyncIterator[list[Pair] | Failure]:
        assert self._endpoint is not None
        config, inputs = self._config, self._inputs
        if config.qa.engine == "synthetic-data-kit":
            return external.generate(
                task.chunks, self._folder, inputs.tool, self._endpoint, config, task.budget
            )
        return generate(task, self._endpoint, config, tally, inputs.lane)

    def _export(self) -> None:
        with self._timed("export"):
            export(
                lambda: read_jsonl(self._folder / PAIRS),
                self._config.export.formats,
                self._folder / "export",
            )
        self._complete("export", {"files": len(self._config.export.formats)})

    def _read_chunk(self, piece: Chunk) -> str:
        return read_text(self._folder / piece.path)

    def _fail(self, failure: Failure) -> None:
        log.warning("%s: %s %s", failure.stage, failure.id, failure.detail)
        self._failures.write(asdict(failure))
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

    def _log_generation(self, tally: Tally) -> None:
        n_pairs = self.outcome.counts["n_pairs"]
        figures = tally.figures(n_pairs)
        if figures:
            log.info(
                "generate  %d requests, %d retries, %d cut off, %d output tokens (%.1f/s), "
                "%.0f %% of the prompts in the prefix cache",
                *(figures.get(name, 0) for name in _TOLD),
                100 * figures["prefix_cache_hit_frac"],
            )
        elif seconds := self.outcome.timings["generate_s"]:
            figures = {"pairs_per_s": n_pairs / seconds}
        self._tracker.log_metrics({f"generate/{name}": n for name, n in figures.items()})
