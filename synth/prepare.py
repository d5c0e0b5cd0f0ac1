"""What worker processes do for a run: read a source, cut what it holds.

A task yields, in batches, for each document a :class:`Found`, then its chunks; and for what can't
be read a failure. All of it is told in the order of the documents in their source.
"""

import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synth.config import IngestConfig
from synth.cutting import Cut, cut
from synth.errors import TaskError
from synth.reading import Member, read, show
from synth.reading.alike import sign
from synth.records import Chunk, Document, Failure
from synth.shared import Shared
from synth.sources import Location
from synth.texts import TextFile
from synth.tokens import Tokenizer

_BATCH = 256
_BATCH_S = 0.2
"""A batch is told when it has so many messages, or is so old."""


@dataclass(frozen=True)
class Found:
    """A document, of which the text is in the run's folder."""

    document: Document
    signature: bytes
    """By which it is known whether another one is alike."""


Message = Found | Failure | Chunk | Member


@dataclass(frozen=True)
class Cutting:
    """How documents are cut, and where the tokenizer and its memory are."""

    cut: Cut
    tokenizer: Path
    cache: Path | None = None

    def chunks_of(self, document: Document, folder: Path) -> Iterator[Chunk]:
        """Yield the chunks of a document whose text is in the run's ``folder``."""
        tokenizer = _load_tokenizer(self.tokenizer, self.cache)
        yield from cut(document, TextFile(folder / document.text_path), tokenizer, self.cut)


@dataclass(frozen=True)
class Read:
    """A task: read a source, and cut the documents in it."""

    location: Location
    folder: Path
    ingest: IngestConfig
    cutting: Cutting | None
    n_skipped: int = 0
    """Members of an archive there that were read before."""
    cache: Path | None = None

    def __call__(self, scratch: Path) -> Iterator[list[Message]]:
        """Work on it; what is written in between is in ``scratch``."""
        return _in_batches(self._messages(scratch))

    @property
    def name(self) -> str:
        """What fails if the task does."""
        return show(self.location.name)

    def _messages(self, scratch: Path) -> Iterator[Message]:
        results = read(self.location, self.folder, scratch, self.ingest, self.n_skipped, self.cache)
        for result in results:
            if isinstance(result, Failure):
                yield replace(result, detail=show(result.detail))
                continue
            if isinstance(result, Member):
                yield result
                continue
            yield Found(result, sign(TextFile(self.folder / result.text_path)))
            if self.cutting is not None:
                yield from self.cutting.chunks_of(result, self.folder)


@dataclass(frozen=True)
class CutOnly:
    """A task: cut documents that were read before, of which nothing is told again."""

    documents: Sequence[Document]
    folder: Path
    cutting: Cutting

    def __call__(self, scratch: Path) -> Iterator[list[Message]]:
        """Work on it."""
        del scratch
        return _in_batches(self._messages())

    @property
    def name(self) -> str:
        """What fails if the task does."""
        return self.documents[0].path

    def _messages(self) -> Iterator[Message]:
        for document in self.documents:
            yield from self.cutting.chunks_of(document, self.folder)


Task = Read | CutOnly


class Skipping:
    """Goes on with an archive behind the member that a worker has died of."""

    def __init__(self, task: Read) -> None:
        self._task = task
        self._latest: Member | None = None

    def note(self, messages: Sequence[Message]) -> None:
        """Hear of a batch; a member is the last one of its batch."""
        if messages and isinstance(messages[-1], Member):
            self._latest = messages[-1]

    def recover(self, error: TaskError) -> tuple[list[Message], Read] | None:
        """Return the failure of the member, and what is left of the archive."""
        member, self._latest = self._latest, None
        if member is None:
            return None
        left = replace(self._task, n_skipped=member.number)
        return [fail(member.path, error)], left


def fail(path: str, error: TaskError) -> Failure:
    """Return the row of what a worker has failed at."""
    return Failure(path, "ingest", type(error).__name__, show(str(error)))


def _in_batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    due_s = time.monotonic() + _BATCH_S
    for message in messages:
        batch.append(message)
        is_full = len(batch) == _BATCH or time.monotonic() > due_s
        if is_full or isinstance(message, Member):  # it may be the last thing that is told
            yield batch
            batch, due_s = [], time.monotonic() + _BATCH_S
    if batch:
        yield batch


@functools.lru_cache(maxsize=1)
def _load_tokenizer(path: Path, cache: Path | None) -> Tokenizer:
    return Tokenizer(path, Shared(cache))
