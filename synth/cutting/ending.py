"""Where a chunk may end, and where the best place for that is.

Places are weighed by how well they fill the chunk and by what they cut through. Only where there
is none does a chunk end behind a word, a grapheme or, inside of one that is too long, a character.
"""

import math
import re
from typing import NamedTuple

import numpy as np
import regex

from synth.cutting.breaks import DEEP, INNER, Breaks, Ints

_FILL = 0.9
"""Share of a chunk that is aimed at: good places are on both sides of it."""
_SPACE = re.compile(r"\s*+")
_GRAPHEME = regex.compile(r"\X")
_GRAPHEME_CHARS = 256
"""A grapheme that is longer may be cut."""
_FLAG_HALVES = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_SIMPLE = re.compile("[!-~\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]{2}")
"""Characters that are graphemes of their own beside each other."""


class Room(NamedTuple):
    """What a chunk may take."""

    n_tokens: int
    end: int
    """The character that it may not go beyond."""


class _Window(NamedTuple):
    """Where a chunk may end: the limit is what there is room for."""

    start: int
    floor: int
    target: int
    limit: int


class Endings:
    """Chooses the ends of chunks in one text."""

    def __init__(self, text: str, ends: Ints, breaks: Breaks) -> None:
        """Take a text with its breaks.

        Args:
            ends: the character behind each token of the text.
        """
        self._text, self._ends = text, ends
        tiers = [breaks.select(breaks.penalty < bound) for bound in (INNER, DEEP)]
        self._tiers, self._outer = [*tiers, breaks], tiers[0]

    def n_before(self, places: Ints) -> Ints:
        """Return how many tokens end at or before each of some places."""
        return np.searchsorted(self._ends, places, "right")

    def n_tokens(self, start: int, end: int) -> int:
        """Return how many tokens have characters between two places."""
        return self._last(end) - self._first(start)

    def choose(self, begin: int, start: int, end: int, room: Room) -> int | None:
        """Return where the chunk behind the one that begins at ``begin`` starts.

        Args:
            begin: where the chunk begins; what is before ``start`` repeats the chunk before.
            start: where its own text starts.
            end: where the text ends that is to be cut into near-equal chunks.
            room: what the chunk may take.

        Returns:
            ``end`` if all of the text fits; None if nothing of its own would be in the chunk.
        """
        left = self.n_tokens(begin, end)
        if left <= room.n_tokens and end <= room.end:
            return end
        first = self._first(begin)
        limit = min(self._end_of(first + room.n_tokens), room.end)
        solid = self.skip(start)
        if limit <= solid:
            return None
        lead = self.n_tokens(begin, start) if begin < start else 0
        n_chunks = math.ceil((left - lead) / max(1.0, _FILL * room.n_tokens - lead))
        aim = self._end_of(first + lead + math.ceil((left - lead) / n_chunks))
        target = max(solid, min(limit, aim))
        window = _Window(solid, (solid + target) // 2, target, limit)
        for breaks in self._tiers:
            place = self._weigh(breaks, window, end, room.n_tokens)
            if place is not None:
                return place
        return self._cut_words(window)

    def repeat(self, begin: int, stop: int, n_tokens: int) -> int:
        """Return where the last whole sentences of a chunk begin that ``n_tokens`` are enough for.

        Args:
            begin: where the chunk begins; not all of it is repeated.
            stop: where it ends. Returned if not even its last sentence fits.
        """
        first = self._last(stop) - n_tokens
        lowest = max(begin + 1, self._end_of(first))
        index = int(np.searchsorted(self._outer.at, lowest))
        return min(stop, int(self._outer.at[index])) if index < len(self._outer.at) else stop

    def skip(self, place: int) -> int:
        """Return the first character from a place on that is no white space."""
        match = _SPACE.match(self._text, place)
        return match.end() if match else place

    def _weigh(self, breaks: Breaks, window: _Window, end: int, n_tokens: int) -> int | None:
        """Return the best break in the window, or one before it if what is behind it fits whole."""
        low = int(np.searchsorted(breaks.at, window.floor, "right"))
        high = int(np.searchsorted(breaks.stop, window.limit, "right"))
        if low < high:
            distance = np.abs(breaks.stop[low:high] - window.target) / (window.limit - window.start)
            return int(breaks.at[low + int(np.argmin(distance + breaks.penalty[low:high]))])
        if high and (place := int(breaks.at[high - 1])) > window.start:
            behind = int(breaks.stop[high]) if high < len(breaks.stop) else end
            if self.n_tokens(place, min(behind, end)) <= n_tokens:
                return place
        return None

    def _cut_words(self, window: _Window) -> int:
        text = self._text[window.floor : window.limit + 1]
        if text[-1].isspace():
            return self.skip(window.limit)
        if len(word := text.rsplit(None, 1)[-1]) < len(text):
            return window.limit + 1 - len(word)
        if _SIMPLE.fullmatch(self._text, window.limit - 1, window.limit + 1):
            return window.limit
        return self._cut_graphemes(window.start, window.limit)

    def _cut_graphemes(self, start: int, limit: int) -> int:
        """Return the last place up to ``limit`` that is not within a grapheme."""
        begin = max(start, limit - _GRAPHEME_CHARS)
        before = self._text[start:begin]
        begin += (len(before) - len(before.rstrip(_FLAG_HALVES))) % 2  # two of them are a flag
        for match in _GRAPHEME.finditer(self._text[begin : limit + 1]):
            place = begin + match.start()
        return place if place > begin else limit

    def _first(self, place: int) -> int:
        """Return how many tokens end at or before a place."""
        return int(np.searchsorted(self._ends, place, "right"))

    def _last(self, place: int) -> int:
        """Return how many tokens begin before a place."""
        return int(np.searchsorted(self._ends, place)) + 1

    def _end_of(self, n_tokens: int) -> int:
        """Return where the first tokens of the text end."""
        return int(self._ends[min(n_tokens, len(self._ends)) - 1]) if n_tokens > 0 else 0
