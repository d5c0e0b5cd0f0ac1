"""Cut the text of a document into chunks, at characters of its own.

``text[chunk.start:chunk.end]`` is the chunk, always. Starts and ends rise from chunk to chunk, and
together the chunks are the whole text: in the modes ``text`` and ``markdown``, but for white space
at their ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from synth.cutting.markdown import cut_markdown
from synth.cutting.prose import cut_prose
from synth.cutting.token import cut_tokens
from synth.records import Chunk, Document
from synth.texts import Text
from synth.tokens import Tokenizer

_MODES = {"token": cut_tokens, "text": cut_prose, "markdown": cut_markdown}


@dataclass(frozen=True, slots=True)
class Cut:
    """How texts are cut: plain values, so that another process can have them."""

    mode: str
    """``token``, ``text`` or ``markdown``."""
    size: int
    """Tokens of the longest chunk; 8 or more."""
    overlap: int
    """Tokens that neighbours share, exactly (``token``) or at most; less than ``size``."""
    files: bool = False
    """Whether each chunk gets a file of its own, and thus a ``path``."""


def cut(document: Document, text: Text, tokenizer: Tokenizer, cut: Cut) -> Iterator[Chunk]:
    """Yield the chunks of ``text``, which is that of ``document``, in order."""
    spans = _MODES[cut.mode](text, tokenizer, cut.size, cut.overlap)
    for number, span in enumerate(spans):
        yield Chunk(
            id=f"{document.id}-{span.start}-{span.end}",
            doc_id=document.id,
            start=span.start,
            end=span.end,
            n_tokens=span.n_tokens,
            path=f"data/parsed/{document.id}_{number}.txt" if cut.files else "",
            headings=span.headings,
            pages=document.pages_of(span.start, span.end),
        )
