"""Fill chunks up to a number of tokens, and prove that none has more.

Where a chunk ends is worked out from the tokens of the whole text; alone it may have a token or two
more. So chunks are planned, counted as they stand, many at a time, and passed on up to the first
that has too many. That one is planned again with less room until it fits, and so are those behind
it. A single character is left as it is.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from synth.cutting.ending import Endings, Room
from synth.cutting.span import Span
from synth.tokens import Tokenizer

_LEAST, _MOST = 4, 512
"""Chunks that are planned before they are counted: more, the longer all has gone well."""
_PATIENCE = 3
"""Plans with fewer tokens, before each has half as many characters."""


class _Piece(NamedTuple):
    """A planned chunk: the characters from ``begin`` to ``stop``."""

    begin: int
    """``start``, or before it where the chunk repeats the end of the one before."""
    start: int
    stop: int
    next: int
    """Where the chunk behind it starts."""
    shared: int
    """Where the chunk before it stops."""
    stretch: int
    """Which stretch it is of."""


class Filler:
    """Fills the chunks of one text."""

    def __init__(
        self, text: str, endings: Endings, tokenizer: Tokenizer, size: int, overlap: int
    ) -> None:
        """Take what there is to fill.

        Args:
            size: tokens of the longest chunk.
            overlap: most tokens at the end of a chunk, in whole sentences, with which the next one
                begins; less than ``size``.
        """
        self._text, self._endings, self._tokenizer = text, endings, tokenizer
        self._size, self._overlap = size, overlap

    def fill(self, stretches: Sequence[tuple[int, int]]) -> Iterator[Span]:
        """Yield the chunks of stretches of the text, each of which is cut by itself.

        What is behind the last visible character of a stretch is left out.
        """
        stretches = [(start, self._end(start, end)) for start, end in stretches]
        before: _Piece | None = None
        n_ahead = _LEAST
        while planned := list(itertools.islice(self._plan(stretches, before), n_ahead)):
            n_good = 0
            for piece, n_tokens, n_shared in self._count(planned):
                if n_tokens > self._size or n_shared > self._overlap:
                    before, n_fitting = self._settle(piece, stretches[piece.stretch][1])
                    yield Span(before.begin, before.stop, n_fitting)
                    break
                before = piece
                yield Span(before.begin, before.stop, n_tokens)
                n_good += 1
            n_ahead = min(_MOST, 2 * n_ahead) if n_good == len(planned) else max(_LEAST, n_good)

    def _end(self, start: int, end: int) -> int:
        return start + len(self._text[start:end].rstrip())

    def _plan(
        self, stretches: Sequence[tuple[int, int]], before: _Piece | None
    ) -> Iterator[_Piece]:
        """Yield the pieces behind one, as if none of them had too many tokens."""
        for number in range(before.stretch if before else 0, len(stretches)):
            start, end = stretches[number]
            if before is None or before.stretch != number:
                piece = _Piece(start, start, start, start, start, number)
            else:
                piece = self._behind(before)
            while piece.start < end:
                before = self._take(piece, end, Room(self._size, end))
                yield before
                piece = self._behind(before)

    def _behind(self, before: _Piece) -> _Piece:
        """Return the piece behind another, with nothing but what it repeats."""
        start = before.next
        piece = _Piece(before.begin, start, start, start, before.stop, before.stretch)
        return self._repeat(piece, self._overlap)

    def _repeat(self, piece: _Piece, n_tokens: int) -> _Piece:
        """Return the piece so that it begins later, with what ``n_tokens`` are enough for."""
        begin = piece.start
        if n_tokens > 0:
            begin = self._endings.repeat(piece.begin, piece.shared, n_tokens)
        return piece._replace(begin=begin if begin < piece.shared else piece.start)

    def _take(self, piece: _Piece, end: int, room: Room) -> _Piece:
        """Return the piece with the text that there is room for."""
        begin, start = piece.begin, piece.start
        after = self._endings.choose(begin, start, end, room)
        if after is None:  # all room is taken by what it repeats, or by its indentation
            begin = start = self._endings.skip(start)
            after = self._endings.choose(begin, start, end, Room(self._size, end))
            assert after is not None
        return piece._replace(begin=begin, start=start, stop=self._end(start, after), next=after)

    def _count(self, pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, int, int]]:
        """Yield pieces with their tokens, and with those that they share with the ones before."""
        text = self._text
        sharing = [one for one in pieces if one.begin < one.start]
        texts = [text[one.begin : one.stop] for one in pieces]
        shared = [text[one.begin : one.shared] for one in sharing]
        counts = iter(self._tokenizer.count(texts + shared))
        n_tokens = list(itertools.islice(counts, len(pieces)))
        for piece, n in zip(pieces, n_tokens, strict=True):
            yield piece, n, next(counts) if piece.begin < piece.start else 0

    def _settle(self, piece: _Piece, end: int) -> tuple[_Piece, int]:
        """Return the piece with as much taken from it as makes it fit, and its tokens."""
        room, n_tries = Room(self._size, end), 0
        while True:
            ((_, n_tokens, n_shared),) = self._count([piece])
            if n_shared > self._overlap:
                n_less = 2 * self._overlap - n_shared if n_tries < _PATIENCE else 0
                piece = self._take(self._repeat(piece, n_less), end, room)
            elif n_tokens > self._size and piece.stop - piece.begin > 1:
                room = self._shrink(piece, room, n_tokens, n_tries)
                smaller = self._take(piece, end, room)
                if smaller.begin != piece.begin:  # it repeats nothing now
                    room, n_tries = Room(self._size, end), 0
                piece = smaller
            else:
                return piece, n_tokens
            n_tries += 1

    def _shrink(self, piece: _Piece, room: Room, n_tokens: int, n_tries: int) -> Room:
        n_planned = self._endings.n_tokens(piece.begin, piece.stop)
        n_less = max(1, min(room.n_tokens - 1, n_planned * self._size // n_tokens))
        if n_tries < _PATIENCE:
            return Room(n_less, room.end)
        return Room(n_less, piece.begin + (piece.stop - piece.begin) // 2)
