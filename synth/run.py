"""One experiment: the steps in their order, over the files of one run's folder.

Documents are read and cut while the server starts; it is waited for only when it is needed. All
that a step makes is in the run's folder before the next one begins. What there is much of is read
from there again as it is needed, and not kept.
"""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from synth import chunk, external
from synth.config import Config
from synth.errors import IngestError
from synth.export import export
from synth.harvest import Asking, Harvest
from synth.ingest import ingest
from synth.io import JsonlWriter, read_jsonl, read_text, write_text
from synth.measure import measure_run
from synth.progress import show_progress
from synth.qa_config import Layout, write_qa_config
from synth.records import Chunk, Failure
from synth.salvage import CHUNKS, DOCUMENTS, FAILURES, PAIRS, Salvage, read_chunks
from synth.shared import Shared
from synth.tokens import Tokenizer
from synth.tracking import Tracker
from synth.traffic import Route

log = logging.getLogger(__name__)

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
    documents: Sequence[Path]
    load_tokenizer: Callable[[], Tokenizer]
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
        self._longest = 0
        self._documents = {document.id: document for document in inputs.before.documents}
        self.outcome = Outcome(steps=list(inputs.before.steps))
        self._count("n_documents", len(self._documents))
        self._count("n_pairs", inputs.before.n_pairs)
        self._count("n_failures", inputs.before.n_failures)

    async def run(self) -> None:
        """Run the configured steps, but not what earlier attempts have done.

        Raises:
            SynthError: what stops a run; failures of single items are rows of a file instead.
        """
        steps = set(self._config.steps)
        with JsonlWriter(self._folder / FAILURES):
            pass  # it is there, even if there is nothing to say
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
        n_tokens = 0
        for piece in read_chunks(self._folder):
            self._count("n_chunks", 1)
            n_tokens += piece.n_tokens
            self._longest = max(self._longest, piece.end - piece.start)
        self._complete("chunk", {"chunks": self.outcome.counts["n_chunks"], "tokens": n_tokens})

    def _cut(self, advance: Callable[[int], None]) -> Iterator[tuple[Chunk, str]]:
        config, tokenizer = self._config, self._inputs.load_tokenizer()
        n_chunks = 0
        for document in self._documents.values():
            text = read_text(self._folder / document.text_path)
            for piece in chunk.cut(
                document, text, tokenizer, size=config.chunk_size, overlap=config.chunk.overlap
            ):
                if n_chunks == config.chunk.limit:
                    return
                n_chunks += 1
                yield piece, text[piece.start : piece.end]
            advance(1)

    async def _serve(self) -> None:
        with self._timed("serve"), show_progress("wait for the server", None):
            self._route = await self._inputs.connect()
        self._complete("serve", {})

    def _write_config(self) -> None:
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
                n_chunks = self.outcome.counts["n_chunks"]
                await harvest.gather(route, self._inputs.before, n_chunks)
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
        log.warning("%s: %s %s", failure.stage, failure.id, failure.detail)
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
