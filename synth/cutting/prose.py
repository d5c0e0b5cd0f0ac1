"""Chunks of whole sentences and paragraphs."""

from collections.abc import Iterator

from synth.cutting.breaks import find_breaks
from synth.cutting.outline import Outline, OutlineCutter
from synth.cutting.sections import Heading, Section
from synth.cutting.span import Span
from synth.texts import Text
from synth.tokens import Tokenizer


def cut_prose(text: Text, tokenizer: Tokenizer, size: int, overlap: int) -> Iterator[Span]:
    """Yield the spans of chunks in order; they cover all of ``text`` but white space.

    Args:
        size: tokens of the longest chunk, counted in it alone.
        overlap: most tokens that neighbours share, in whole sentences; less than ``size``.
    """
    return OutlineCutter(tokenizer, size, overlap, read_prose).cut(text)


def read_prose(text: str) -> Outline:
    """Return the outline of a text without headings."""
    start = len(text) - len(text.lstrip())
    sections = [Section(start, Heading(0, ""), is_bare=False)] if start < len(text) else []
    return Outline(find_breaks(text), sections)
