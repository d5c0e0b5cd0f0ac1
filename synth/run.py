"""One experiment: the steps in their order, over the files of one run's folder.

Documents are read and cut while the server starts; it is waited for only when it is needed. All
that a step makes is in the run's folder before the next one begins.
"""

import contextlib
import logging
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from synth import chunk, external, ingest
from synth.config import Config
from synth.errors import IngestError
from synth.export import export
from synth.generate import Tally, generate
from synth.io import JsonlWriter, read_jsonl, read_text, write_text
from synth.progress import show_progress
from synth.qa_config import Layout, write_qa_config
from synth.records import Chunk, Document, Endpoint, Failure, Pair
from synth.tokens import Tokenizer
from synth.tracking import Tracker

log = logging.getLogger(__name__)

COUNTS = ("n_documents", "n_chunks", "n_pairs", "n_failures")


@dataclass
class Outcome:
    """What a run has made so far: counts (``n_…``) and the seconds of its steps (``…_s``)."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    timings: dict[str, float] = field(default_factory=dict)


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


class Experiment:
    """The steps of one run; ``outcome`` is true at any time, also after a failure."""

    def __init__(self, inputs: Inputs, folder: Path, tracker: Tracker) -> None:
        self._inputs = inputs
        self._config = inputs.config
        self._folder = folder
        self._tracker = tracker
        self._endpoint: Endpoint | None = None
        self._chunks: list[Chunk] = []
        self._documents: dict[str, Document] = {}
        self.outcome = Outcome()

    async def run(self) -> None:
        """Run the configured steps.

        Raises:
            SynthError: what stops a run; failures of single items are rows of a file instead.
        """
        steps = set(self._config.steps)
        with JsonlWriter(self._folder / "failures.jsonl") as self._failures:
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
        with (
            self._timed("ingest"),
            show_progress("read documents", len(paths)) as advance,
            JsonlWriter(self._folder / "documents.jsonl") as writer,
        ):
            for result in ingest.read_documents(paths):
                advance(1)
                if isinstance(result, Failure):
                    self._fail(result)
                    continue
                document = result.document
                write_text(self._folder / document.text_path, result.text)
                writer.write(asdict(document))
                self._documents[document.id] = document
                self.outcome.counts["n_documents"] += 1
        if not self._documents:
            first = next(iter(read_jsonl(self._folder / "failures.jsonl")))
            raise IngestError(
                f"none of the {len(paths)} files could be read; the first, {first['id']}, "
                f"{first['detail']}",
                first["id"],
            )
        self._log_step("ingest", {"documents": len(self._documents)})

    def _chunk(self) -> None:
        config = self._config
        with (
            self._timed("chunk"),
            show_progress("cut documents", len(self._documents)) as advance,
            JsonlWriter(self._folder / "chunks.jsonl") as writer,
        ):
            tokenizer = self._inputs.load_tokenizer()
            for document in self._documents.values():
                text = read_text(self._folder / document.text_path)
                for piece in chunk.cut(
                    document, text, tokenizer, size=config.chunk_size, overlap=config.chunk.overlap
                ):
                    if len(self._chunks) == config.chunk.limit:
                        break
                    write_text(self._folder / piece.path, text[piece.start : piece.end])
                    writer.write(asdict(piece))
                    self._chunks.append(piece)
                advance(1)
        self.outcome.counts["n_chunks"] = len(self._chunks)
        tokens = sum(piece.n_tokens for piece in self._chunks)
        self._log_step("chunk", {"chunks": len(self._chunks), "tokens": tokens})

    async def _serve(self) -> None:
        with self._timed("serve"), show_progress("wait for the server", None):
            self._endpoint = await self._inputs.connect()
        self._log_step("serve", {})

    def _write_config(self) -> None:
        layout = Layout(self._folder / external.QA_CONFIG, self._folder / "data")
        longest = max((piece.end - piece.start for piece in self._chunks), default=0)
        with self._timed("config"):
            write_qa_config(self._config, self._endpoint, layout, longest)

    async def _generate(self) -> None:
        if self._endpoint is None:
            self._endpoint = await self._inputs.connect()
        tally = Tally()
        try:
            with (
                self._timed("generate"),
                show_progress("generate pairs", len(self._chunks)) as advance,
                JsonlWriter(self._folder / "pairs.jsonl") as writer,
            ):
                async for result in self._ask(self._endpoint, tally):
                    advance(1)
                    if isinstance(result, Failure):
                        self._fail(result)
                        continue
                    for pair in result:
                        writer.write(asdict(pair))
                    self.outcome.counts["n_pairs"] += len(result)
        finally:
            self._log_generation(tally)

    def _ask(self, endpoint: Endpoint, tally: Tally) -> AsyncIterator[list[Pair] | Failure]:
        if self._config.qa.engine == "synthetic-data-kit":
            tool = self._inputs.tool
            return external.generate(self._chunks, self._folder, tool, endpoint, self._config)
        return generate(self._chunks, self._read_chunk, endpoint, self._config, tally)

    def _export(self) -> None:
        with self._timed("export"):
            export(
                lambda: read_jsonl(self._folder / "pairs.jsonl"),
                self._config.export.formats,
                self._folder / "export",
            )
        self._log_step("export", {"files": len(self._config.export.formats)})

    def _read_chunk(self, piece: Chunk) -> str:
        return read_text(self._folder / piece.path)

    def _fail(self, failure: Failure) -> None:
        log.warning("%s: %s %s", failure.stage, failure.id, failure.detail)
        self._failures.write(asdict(failure))
        self.outcome.counts["n_failures"] += 1

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.outcome.timings[f"{step}_s"] = time.monotonic() - begin

    def _log_step(self, step: str, counts: dict[str, int]) -> None:
        seconds = self.outcome.timings[f"{step}_s"]
        made = ", ".join(f"{n:,} {name}" for name, n in counts.items())
        log.info("%-9s %s in %.1f s", step, made or "ready", seconds)
        self._tracker.log_metrics(
            {f"{step}/n_{name}": float(n) for name, n in counts.items()}
            | {f"{step}/duration_s": seconds}
        )

    def _log_generation(self, tally: Tally) -> None:
        seconds = self.outcome.timings["generate_s"]
        counts = {"pairs": self.outcome.counts["n_pairs"]}
        rates = {
            "generate/pairs_per_s": counts["pairs"] / seconds,
            "generate/pairs_per_chunk": counts["pairs"] / max(1, len(self._chunks)),
        }
        if tally.latencies_s:  # nobody counts what an external tool does
            counts |= {
                "requests": tally.n_requests,
                "retries": tally.n_retries,
                "cut_off": tally.n_cut_off,
                "prompt_tokens": tally.prompt_tokens,
                "output_tokens": tally.completion_tokens,
            }
            rates["generate/output_tokens_per_s"] = tally.completion_tokens / seconds
            rates["generate/latency_median_s"] = statistics.median(tally.latencies_s)
            rates["generate/latency_max_s"] = max(tally.latencies_s)
        self._log_step("generate", counts)
        self._tracker.log_metrics(rates)
