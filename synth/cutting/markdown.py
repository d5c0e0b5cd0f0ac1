"""Chunks of whole sections, paragraphs, tables, lists and blocks of code of Markdown."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from synth.cutting.blocks import Blocks, Kind, find_blocks
from synth.cutting.breaks import DEEP, INNER, PARAGRAPH, Breaks, find_breaks
from synth.cutting.outline import Outline, OutlineCutter
from synth.cutting.sections import Heading, Section
from synth.cutting.span import Span
from synth.texts import Text
from synth.tokens import Tokenizer

_COLON = 0.3
"""Penalty between a line that ends in a colon and the list, table or code that it announces."""
_ITEM, _BLANK_LINE, _ROW = INNER, INNER, INNER + 0.2
"""Penalties within lists, code and tables."""
_INDENT_CHARS = 32
"""Deeper indentation of a chunk's first line is left out."""


def cut_markdown(text: Text, tokenizer: Tokenizer, size: int, overlap: int) -> Iterator[Span]:
    """Yield the spans of chunks in order; they cover all of ``text`` but white space.

    Args:
        size: tokens of the longest chunk, counted in it alone.
        overlap: most tokens that neighbours in one section share, in whole sentences; less than
            ``size``.
    """
    return OutlineCutter(tokenizer, size, overlap, read_markdown).cut(text)


def read_markdown(text: str) -> Outline:
    """Return the outline of a text in Markdown."""
    blocks = find_blocks(text)
    return Outline(_weigh(find_breaks(text), blocks), _find_sections(text, blocks))


def _find_sections(text: str, blocks: Blocks) -> list[Section]:
    blank = len(text) - len(text.lstrip())
    if blank == len(text):
        return []
    is_heading = blocks.kinds == Kind.HEADING
    # The text of the last one may be in the next part.
    is_bare = is_heading & np.append(is_heading[1:], False)
    starts = blocks.starts[is_heading].tolist()
    first = int(blocks.line_of(np.array([blank]))[0])
    top = Section(first, Heading(0, ""), is_bare=first in starts[:1])
    return [top, *map(Section, starts, blocks.headings, is_bare[is_heading].tolist())]


def _weigh(breaks: Breaks, blocks: Blocks) -> Breaks:
    """Return the breaks with the penalties that they have in their blocks."""
    starts, all_kinds = np.append(-1, blocks.starts), np.append(Kind.TEXT, blocks.kinds)
    lines = blocks.line_of(breaks.at)
    is_line = (breaks.n_lines > 0) & (lines >= breaks.stop)
    index = np.searchsorted(starts, np.where(is_line, lines, breaks.at), "right") - 1
    kinds = all_kinds[index]
    is_start = is_line & (starts[index] == lines)
    is_behind_heading = is_start & (all_kinds[index - 1] == Kind.HEADING)
    is_announced = np.isin(kinds, [Kind.CODE, Kind.TABLE, Kind.LIST]) & breaks.has_colon
    is_glued = ~is_start & is_line & np.isin(lines, blocks.glued)
    is_code, is_row = kinds == Kind.CODE, is_line & (kinds == Kind.TABLE)
    penalty = np.select(
        [
            is_start & is_announced,
            is_start,
            kinds == Kind.TEXT,
            is_line & np.isin(lines, blocks.items),
            is_code & (breaks.n_lines > 1),
            is_code | is_row,
        ],
        [_COLON, PARAGRAPH, breaks.penalty, _ITEM, _BLANK_LINE, _ROW],
        DEEP + breaks.penalty,
    )
    at = np.where(is_line & (breaks.at - lines <= _INDENT_CHARS), lines, breaks.at)
    chosen = ~(is_behind_heading | is_glued | (is_code & ~is_line))
    return replace(breaks, at=at, penalty=penalty).select(chosen)
