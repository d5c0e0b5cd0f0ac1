"""Documents and chunks of a run, as rows of its files: read and cut anew, or those that it has."""

import asyncio
import contextlib
import itertools
from collections.abc import Generator, Sequence
from contextlib import aclosing
from pathlib import Path

from synth.cutting import Cut
from synth.errors import IngestError
from synth.feed import Feed
from synth.ingest import Batch, Intake, Order
from synth.inputs import Inputs
from synth.io import JsonlWriter, read_jsonl
from synth.ledger import Ledger
from synth.loop import iterate_in_thread
from synth.prepare import Cutting
from synth.progress import show_progress
from synth.records import Chunk
from synth.rows import CHUNKS, DOCUMENTS, FAILURES, read_chunks
from synth.shared import Shared

_READ_TOGETHER = 1000
_MOST_CACHED_BYTES = 8 * 2**30
"""Of texts, and of tokens; what was not used for longest goes."""


class Supply:
    """Reads and cuts for the run in ``folder``; ``feed`` is told of each chunk that there is."""

    def __init__(self, inputs: Inputs, folder: Path, ledger: Ledger, feed: Feed) -> None:
        self._inputs, self._config = inputs, inputs.config
        self._folder, self._ledger, self._feed = folder, ledger, feed
        self._n_chars = sum(document.n_chars for document in inputs.before.documents)
        self._n_tokens = 0
        self.longest = 0
        """Characters of the longest chunk so far."""

    async def take_in(self) -> None:
        """Read and cut; rows are written here, as they come, so that no two threads write."""
        steps, done = self._config.steps, self._ledger.outcome.steps
        due = [step for step in ("ingest", "chunk") if step in steps and step not in done]
        if due:
            with contextlib.ExitStack() as stack:
                for step in due:
                    stack.enter_context(self._ledger.timed(step))
                await self._take_due(due)
            await asyncio.to_thread(self._shrink_caches)
        if "chunk" in done:
            await self._take_chunks()
        for step, counts in (
            (
                "ingest",
                {"documents": self._ledger.outcome.counts["n_documents"], "chars": self._n_chars},
            ),
            ("chunk", {"chunks": self._feed.total.n, "tokens": self._n_tokens}),
        ):
            if step in steps:
                self._ledger.complete(step, counts)
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
                    counts = self._ledger.outcome.counts
                    bar.say(f"{counts['n_documents']:,} read, {counts['n_chunks']:,} chunks")
        if "ingest" in due and not self._ledger.outcome.counts["n_documents"]:
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
            self._ledger.fail(failure)
        self._n_chars += sum(document.n_chars for document in batch.documents)
        self._ledger.count("n_documents", len(batch.documents))
        self._ledger.count("n_chunks", len(batch.chunks))
        for chunk in batch.chunks:
            self._n_tokens += chunk.n_tokens
            self.longest = max(self.longest, chunk.end - chunk.start)
        self._feed.grow(len(batch.chunks))


def _read_known(folder: Path) -> Generator[list[Chunk]]:
    chunks = read_chunks(folder)
    while some := list(itertools.islice(chunks, _READ_TOGETHER)):
        yield some
