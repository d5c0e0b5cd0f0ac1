"""Take the documents of a run in: read and cut by workers, in the order of their sources.

Several sources are at work at once, each in a process of its own; what comes of them is taken in
their order, so results do not depend on how many there are. Of documents that are alike, the first
one is used.
"""

import os
import shutil
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth.config import IngestConfig
from synth.crew import Crew, Limits
from synth.errors import TaskError
from synth.io import link, read_jsonl, write_jsonl
from synth.prepare import CutOnly, Cutting, Found, Message, Read, Skipping, Task, fail
from synth.reading import is_plain
from synth.reading.alike import Library
from synth.records import Chunk, Document, Failure
from synth.shared import Shared
from synth.sources import Location
from synth.texts import Texts, text_path

SCRATCH = ".reading"
"""Where workers write what is not whole yet, in the run's folder."""

_MOST_PROCESSES = 8
_AHEAD = 4
"""Sources for each worker that may be at work, or done, before they are taken."""
_AT_ONCE_BYTES = 4 * 1024 * 1024
"""Plain text up to here, in all, is read by this process: workers take half a second to start."""
_TOGETHER_CHARS = 1024 * 1024
"""Documents that were read before are cut in tasks of so much text."""


@dataclass
class Batch:
    """What was taken in: rows of the run's files, in the order of the documents."""

    documents: list[Document] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """What is to be taken in."""

    folder: Path
    """Of the run."""
    ingest: IngestConfig
    sources: Sequence[Location] = ()
    """What is to be read; none if that was done before."""
    documents: Sequence[Document] = ()
    """Documents that were read before and are to be cut only."""
    cutting: Cutting | None = None
    """How they are cut; None = not at all."""
    cache: Path | None = None
    """Where texts are kept for later runs."""
    limit: int | None = None
    """Chunks after which it ends; documents that are not needed for them are not read."""


class Intake:
    """Carries an order out, in the thread that takes its batches."""

    def __init__(self, order: Order, shared: Shared) -> None:
        self._order, self._shared = order, shared
        self._texts = Texts(order.folder)
        self._crew: Crew | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have the batches end soon, whatever the workers are at; may be called by any thread."""
        self._stopped.set()
        if (crew := self._crew) is not None:
            crew.stop()

    def batches(self) -> Generator[Batch]:
        """Read and cut, and yield what comes of it.

        The jobs of a sweep have the texts that the first of them has read, even if a file has
        changed since: they are compared.
        """
        order = self._order
        names = [source.name for source in order.sources]
        once = self._shared.once("documents", *names) if names else nullcontext()
        with once as kept:
            if self._stopped.is_set():  # while another job has read
                return
            if kept is not None and kept.exists():
                messages = self._take_known(kept)
            elif order.sources:
                messages = self._take_sources(kept)
            else:
                messages = self._run(self._cuts(order.documents))
            for some in _limit(messages, order.limit):
                if self._stopped.is_set():
                    return
                batch = _to_batch(some)
                self._write_files(batch.chunks)
                yield batch

    def _take_sources(self, kept: Path | None) -> Iterator[list[Message]]:
        order, rows = self._order, list[dict[str, Any]]()
        reads = (
            Read(one, order.folder, order.ingest, order.cutting, cache=order.cache)
            for one in order.sources
        )
        for messages in _use_once(self._run(reads), order):
            if kept is not None:
                rows += filter(None, map(self._row, messages))
            yield messages
        if kept is not None and not self._stopped.is_set():
            write_jsonl(kept, rows)

    def _take_known(self, kept: Path) -> Iterator[list[Message]]:
        """Take what another job has read: it is linked, and cut anew."""
        order, known, documents = self._order, list[Message](), list[Document]()
        for row in read_jsonl(kept):
            if "failure" in row:
                known.append(Failure(**row["failure"]))
                continue
            documents.append(document := Document.from_row(row["document"]))
            known.append(Found(document, b""))
            link(Path(row["text"]), order.folder / document.text_path)
        yield known
        if order.cutting is not None:
            yield from self._run(self._cuts(documents))

    def _row(self, message: Message) -> dict[str, Any] | None:
        if isinstance(message, Failure):
            return {"failure": asdict(message)}
        if isinstance(message, Found):
            text = self._order.folder.absolute() / message.document.text_path
            return {"document": message.document.row(), "text": str(text)}
        return None

    def _cuts(self, documents: Sequence[Document]) -> Iterator[CutOnly]:
        assert self._order.cutting is not None
        together, n_chars = list[Document](), 0
        for document in documents:
            together.append(document)
            n_chars += document.n_chars
            if n_chars >= _TOGETHER_CHARS:
                yield CutOnly(together, self._order.folder, self._order.cutting)
                together, n_chars = [], 0
        if together:
            yield CutOnly(together, self._order.folder, self._order.cutting)

    def _run(self, tasks: Iterable[Task]) -> Iterator[list[Message]]:
        """Yield what the tasks tell, in their order."""
        order, scratch = self._order, self._order.folder / SCRATCH
        shutil.rmtree(scratch, ignore_errors=True)  # of an attempt that was killed
        if _is_little(order):
            try:
                for task in tasks:
                    yield from task(scratch)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            return
        n_processes = order.ingest.processes or min(os.cpu_count() or 1, _MOST_PROCESSES)
        limits = Limits(order.ingest.timeout_s, order.ingest.max_memory_gib)
        with Crew(n_processes, limits, scratch) as self._crew:
            ahead = deque[tuple[Task, Iterable[list[Message]]]]()
            for task in tasks:
                recovery = Skipping(task) if isinstance(task, Read) else None
                ahead.append((task, self._crew.submit(task, recovery)))
                if len(ahead) > _AHEAD * n_processes:
                    yield from self._results(*ahead.popleft())
            while ahead:
                yield from self._results(*ahead.popleft())

    def _results(self, task: Task, stream: Iterable[list[Message]]) -> Iterator[list[Message]]:
        try:
            yield from stream
        except TaskError as error:
            if not self._stopped.is_set():
                yield [fail(task.name, error)]

    def _write_files(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            if chunk.path:
                path = self._order.folder / chunk.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._texts.read(chunk).encode())


def _use_once(lists: Iterable[list[Message]], order: Order) -> Iterator[list[Message]]:
    """Leave out documents that are like an earlier one, with a failure in their place.

    Their texts go at the end: until then a worker may be at another one with the same text.
    """
    library, paths = Library(order.ingest.similarity), dict[str, str]()
    is_used, unused = True, set[str]()
    for messages in lists:
        used: list[Message] = []
        for message in messages:
            if isinstance(message, Found):
                document = message.document
                found = library.find(document.id, message.signature)
                is_used = found is None
                if found is not None:
                    unused.add(document.text_path)
                    used.append(_leave_out(document, paths, *found))
                    continue
                paths[document.id] = document.path
            if is_used or isinstance(message, Failure):
                used.append(message)
        yield used
    for path in unused - set(map(text_path, paths)):
        (order.folder / path).unlink(missing_ok=True)


def _leave_out(
    document: Document, paths: Mapping[str, str], other: str, similarity: float
) -> Failure:
    if document.id == other:
        return Failure(document.path, "ingest", "Duplicate", f"same content as {paths[other]}")
    detail = f"{similarity:.0%} the same as {paths[other]} (ingest.similarity)"
    return Failure(document.path, "ingest", "NearDuplicate", detail)


def _limit(lists: Iterable[list[Message]], limit: int | None) -> Iterator[list[Message]]:
    """End with the chunk number ``limit``."""
    left = limit
    for messages in lists:
        if left is None:
            yield messages
            continue
        for number, message in enumerate(messages):
            left -= isinstance(message, Chunk)
            if not left:
                yield messages[: number + 1]
                return
        yield messages


def _to_batch(messages: Iterable[Message]) -> Batch:
    batch = Batch()
    for message in messages:
        if isinstance(message, Found):
            batch.documents.append(message.document)
        elif isinstance(message, Failure):
            batch.failures.append(message)
        elif isinstance(message, Chunk):
            batch.chunks.append(message)
    return batch


def _is_little(order: Order) -> bool:
    """Return whether the work is harmless, and done before a worker has started."""
    if not order.sources:
        return sum(document.n_chars for document in order.documents) <= _AT_ONCE_BYTES
    n_bytes = 0
    for source in order.sources:
        if not is_plain(source):
            return False
        n_bytes += _size_of(source.name)
        if n_bytes > _AT_ONCE_BYTES:
            return False
    return True


def _size_of(source: str) -> int:
    try:
        return Path(source).stat().st_size
    except OSError:
        return 0  # what is wrong with it is found when it is read
