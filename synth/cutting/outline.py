"""Cut a text by its outline: its sections, and the places where it may be cut."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from synth.cutting.breaks import INNER, PARAGRAPH, Breaks
from synth.cutting.ending import Endings
from synth.cutting.fill import Filler
from synth.cutting.sections import Section, Trail, find_trails, group_sections
from synth.cutting.span import Span
from synth.texts import Text
from synth.tokens import Tokenizer

PART_CHARS = 4 * 1024 * 1024
"""Longest part of a text that is held: the syntax tree of one in Markdown takes some 100 MiB."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What a text, or a part of one, is made of."""

    breaks: Breaks
    sections: list[Section]
    """The first has level 0; there is none in a blank text."""

    def divide(self, length: int) -> int:
        """Return where the last section, paragraph, sentence or line begins, whichever there is.

        The first half of the ``length`` characters is not looked at.
        """
        breaks = self.breaks
        pairs = itertools.pairwise(self.sections)
        for places in (
            np.array([section.start for before, section in pairs if not before.is_bare], np.int64),
            breaks.at[breaks.penalty == PARAGRAPH],
            breaks.at[breaks.penalty < INNER],
            breaks.at,
        ):
            if len(places) and places[-1] > length // 2:
                return int(places[-1])
        return length

    def up_to(self, length: int) -> "Outline":
        """Return the outline of the first characters; breaks behind them do no harm."""
        return Outline(self.breaks, [one for one in self.sections if one.start < length])


@dataclass(frozen=True)
class OutlineCutter:
    """Cuts texts by their outlines."""

    tokenizer: Tokenizer
    size: int
    """Tokens of the longest chunk, counted in it alone."""
    overlap: int
    """Most tokens that neighbours share; less than ``size``."""
    read: Callable[[str], Outline]
    part_chars: int = PART_CHARS

    def cut(self, text: Text) -> Iterator[Span]:
        """Yield the chunks of a text in order; they cover all of it but white space.

        A long text is taken in parts, so that memory is bounded.
        """
        begin, around = 0, Trail()
        while begin < len(text):
            part = text[begin : begin + self.part_chars]
            outline = self.read(part)
            if begin + len(part) < len(text):
                part = part[: outline.divide(len(part))]
                outline = outline.up_to(len(part))
            trails = find_trails(outline.sections, around)
            for span in self._cut_part(part, outline, trails):
                yield span._replace(start=begin + span.start, end=begin + span.end)
            begin += len(part)
            around = trails[-1] if trails else around

    def _cut_part(self, part: str, outline: Outline, trails: list[Trail]) -> Iterator[Span]:
        if not outline.sections:
            return
        starts = np.array([section.start for section in outline.sections], np.int64)
        endings = Endings(part, self.tokenizer.tokenize(part).ends, outline.breaks)
        n_before = endings.n_before(np.append(starts, len(part))).tolist()
        first = starts[group_sections(outline.sections, n_before, self.size)].tolist()
        filler = Filler(part, endings, self.tokenizer, self.size, self.overlap)
        for span in filler.fill(list(itertools.pairwise([*first, len(part)]))):
            index = int(np.searchsorted(starts, span.start, "right")) - 1
            section, trail = outline.sections[index], trails[index]
            if section.start == span.start and section.heading.level:
                trail = trail[:-1]  # that heading stands in the chunk itself
            yield span._replace(headings=tuple(above.title for above in trail if above.title))
