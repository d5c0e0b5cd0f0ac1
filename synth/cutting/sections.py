"""The sections of a text: which of them are one chunk together, and what they stand under."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

_STANDS_ALONE = 1 / 2
"""Share of a chunk from which on a section is one by itself."""
_IS_SMALL = 1 / 4
"""Share of a chunk up to which a section goes with the one before it, whatever that has."""


class Heading(NamedTuple):
    """A heading, and how deep it is."""

    level: int
    title: str


class Section(NamedTuple):
    """A heading with the text up to the next one."""

    start: int
    heading: Heading
    """Of level 0 for the text before the first one."""
    is_bare: bool
    """Whether there is no text behind the heading, before the next one."""


Trail = tuple[Heading, ...]
"""The headings of a section and of those around it, the outermost first."""


def find_trails(sections: Sequence[Section], around: Trail) -> list[Trail]:
    """Return the trail of each section; ``around`` is that of the text before the first heading."""
    trail, trails = around, []
    for _, heading, _ in sections:
        if heading.level:
            trail = (*(above for above in trail if above.level < heading.level), heading)
        trails.append(trail)
    return trails


def group_sections(sections: Sequence[Section], n_before: Sequence[int], size: int) -> list[int]:
    """Return the indices of the sections that begin a stretch, which is cut by itself.

    A section is kept together with all that is below it if that fits. If not, its parts are taken
    one by one: one of half a chunk or more is a stretch, smaller ones are put together with those
    behind them until there is half a chunk, and a quarter more if that fits. A heading without text
    stays with the first section below it.

    Args:
        sections: the first has level 0.
        n_before: tokens before each section, and those of all.
        size: tokens of the longest chunk.
    """
    followers = _find_followers([section.heading.level for section in sections])
    group = _Grouping(sections, n_before, size, followers)
    return list(group.split(0, 0, len(sections)))


class _Grouping(NamedTuple):
    sections: Sequence[Section]
    n_before: Sequence[int]
    size: int
    followers: Sequence[int]
    """The first section behind each that is not below it."""

    def split(self, lead: int, top: int, end: int) -> Iterator[int]:
        """Yield where the stretches of a section begin; headings from ``lead`` on are its own."""
        if self._count(lead, end) <= self.size:
            yield lead
            return
        begun: int | None = None
        for first, index, behind in self._parts(lead, top, end):
            n_tokens = self._count(first, behind)
            if n_tokens > self.size:
                begun = None
                is_divided = behind > index + 1 and index > top
                yield from self.split(first, index, behind) if is_divided else [first]
            elif begun is None or not self._joins(begun, first, behind):
                begun = first
                yield first

    def _parts(self, lead: int, top: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield the section without what is below it, and each of those next below it.

        As the first section that it has to itself, the one with its heading, and that behind it.
        """
        index = top + 1
        if self.sections[top].is_bare and index < end:
            behind = min(self.followers[index], end)
            yield lead, index, behind
            index = behind
        else:
            yield lead, top, index
        while index < end:
            behind = min(self.followers[index], end)
            yield index, index, behind
            index = behind

    def _joins(self, begun: int, first: int, behind: int) -> bool:
        if self._count(begun, behind) > self.size:
            return False
        is_open = self._count(begun, first) < _STANDS_ALONE * self.size
        return is_open or self._count(first, behind) < _IS_SMALL * self.size

    def _count(self, first: int, behind: int) -> int:
        return self.n_before[behind] - self.n_before[first]


def _find_followers(levels: Sequence[int]) -> list[int]:
    followers = [len(levels)] * len(levels)
    open_sections: list[int] = []
    for index, level in enumerate(levels):
        while open_sections and levels[open_sections[-1]] >= level:
            followers[open_sections.pop()] = index
        open_sections.append(index)
    return followers
