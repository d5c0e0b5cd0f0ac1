"""The values that stages pass to each other and write, one per line, as JSON.

document → chunk → pair. ``Chunk.start`` and ``Chunk.end`` count characters (code points) of the
document's text, so ``text[chunk.start:chunk.end]`` is the chunk, always.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read. ``id`` comes from the text, so that spans in it stay true."""

    id: str
    path: str
    """Where it is from: a file, a URL, ``archive.zip!member`` or ``table.csv#row``."""
    sha256: str
    """Of the bytes that it was read from."""
    n_chars: int
    text_path: str
    """The text as UTF-8, relative to the run's folder; read it with ``newline=""``."""
    format: str = "text"
    pages: tuple[int, ...] = ()
    """Character at which each page begins, where the format has pages."""

    def row(self) -> dict[str, Any]:
        """Return the document as it stands in ``documents.jsonl``, without what is empty."""
        return _without_empty(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the document of a row of ``documents.jsonl``."""
        return cls(**{**row, "pages": tuple(row.get("pages", ()))})

    def pages_of(self, start: int, end: int) -> tuple[int, ...]:
        """Return the first and last page, counted from 1, of a span; nothing if it has no pages."""
        if not self.pages:
            return ()
        first, last = bisect_right(self.pages, start), bisect_left(self.pages, end)
        return (max(1, first), max(1, first, last))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Characters ``start`` to ``end`` (exclusive) of the document ``doc_id``."""

    id: str
    doc_id: str
    start: int
    end: int
    n_tokens: int
    path: str = ""
    """The chunk as a file of its own for external tools, relative to the run's folder."""
    headings: tuple[str, ...] = ()
    """Titles of the sections that it stands in, the outermost first (``chunk.mode=markdown``)."""
    pages: tuple[int, ...] = ()
    """Its first and last page, counted from 1, where the document has pages."""

    def row(self) -> dict[str, Any]:
        """Return the chunk as it stands in ``chunks.jsonl``, without what is empty."""
        return _without_empty(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the chunk of a row of ``chunks.jsonl``."""
        lists = {name: tuple(row.get(name, ())) for name in ("headings", "pages")}
        return cls(**{**row, **lists})


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer, made from the chunk ``chunk_id``."""

    VERDICT: ClassVar[tuple[str, ...]] = (
        *("kept", "reasons", "support", "evidence", "duplicate_of"),
        *("score", "scores", "closed_book", "by_hand"),
    )
    """Names of what curation adds to its row."""
    COLUMNS: ClassVar[tuple[str, ...]] = (
        *("id", "chunk_id", "chunk_ids", "doc_id", "pages", "question", "answer"),
        *VERDICT,
    )
    """Names of its row that are synth's own, those of later stages included."""

    id: str
    chunk_id: str
    doc_id: str
    question: str
    answer: str
    chunk_ids: tuple[str, ...] = ()
    """All chunks that it was made from, ``chunk_id`` first, where there are several."""
    pages: tuple[int, ...] = ()
    """The first and last page of the chunk ``chunk_id``, where its document has pages."""
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What else its kind asks for, such as ``reasoning``, by column."""

    def row(self) -> dict[str, Any]:
        """Return the pair as it stands in ``pairs.jsonl``."""
        row: dict[str, Any] = {
            "id": self.id,
            "chunk_id": self.chunk_id,
            "doc_id": self.doc_id,
            "question": self.question,
            "answer": self.answer,
        }
        if self.chunk_ids:
            row["chunk_ids"] = list(self.chunk_ids)
        if self.pages:
            row["pages"] = list(self.pages)
        return {**row, **self.fields}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the pair of a row."""
        return cls(
            row["id"],
            row["chunk_id"],
            row["doc_id"],
            row["question"],
            row["answer"],
            tuple(row.get("chunk_ids", ())),
            tuple(row.get("pages", ())),
            {name: value for name, value in row.items() if name not in cls.COLUMNS},
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A document or chunk that gave nothing, and why."""

    id: str
    stage: str
    error: str
    detail: str


@dataclass(frozen=True)
class Usage:
    """Tokens that the endpoint counted for one request."""

    prompt_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Tokens of the prompt that it found in its prefix cache, if it says so."""


@dataclass(frozen=True)
class Reply:
    """What the model said; ``finish_reason`` is ``length`` when it was cut off."""

    text: str
    finish_reason: str
    usage: Usage
    queue_s: float = 0.0
    latency_s: float = 0.0
    server_s: float = 0.0
    n_retries: int = 0
    """What it took, as in :class:`Request`."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """An answered request for the chunk ``chunk_id``, whether there were pairs in it or not.

    A row of an older version lacks the fields with defaults.
    """

    chunk_id: str
    attempt: int = 0
    """How often the chunk had been asked about before, with replies that gave too little."""
    seed: int = 0
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    finish_reason: str
    queue_s: float = 0.0
    """From when it was due until it was sent."""
    latency_s: float
    """From when it was sent until its reply was there."""
    server_s: float
    """Its share of the server's time: :class:`synth.slots.Turn`."""
    n_items: int | None = None
    """What could be read in its reply; None if that is not known."""
    n_begun: int | None = None
    """Items that its reply begins, those that can't be read included."""
    n_retries: int = 0
    """How often it was sent again, after errors that may pass."""
    is_stored: bool = False
    """It was not sent: the reply was there. Tokens and seconds are those of when it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was said to the model and by it in one request, and when."""

    chunk_id: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]
    """What was sent beside the messages; no secret is in it."""
    reply: str
    finish_reason: str
    usage: Usage
    began_s: float
    """Seconds since 1970."""
    latency_s: float
    error: str | None = None
    """Why there is no reply, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server: ``base_url`` ends in ``/v1``, ``model`` is the name to ask for."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    n_slots: int | None = None
    """Requests that it works on at a time, if that is known."""


def _without_empty(record: Document | Chunk) -> dict[str, Any]:
    values = ((name, getattr(record, name)) for name in record.__slots__)
    return {name: value for name, value in values if value not in ((), "")}
