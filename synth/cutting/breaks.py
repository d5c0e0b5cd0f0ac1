"""Places at which prose may be cut: ends of paragraphs, lines and sentences, in any language.

One pass of a regular expression whose time is linear whatever it reads: no run of characters is
looked at from each of its own, so possessive quantifiers and the lookbehind must stay.
"""

import re
import sys
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

PARAGRAPH, LINE, BARE_PARAGRAPH, SENTENCE, BARE_LINE, WRAP = 0.0, 0.1, 0.15, 0.2, 0.4, 1.0
"""Penalties. A paragraph without a full stop may be a heading, and a line without one may go on in
the next: it does if that begins with a small letter."""
INNER, DEEP = 1.0, 1.4
"""Penalties from which on a break is inside of what should stay whole, such as a table, and inside
of that, such as a row."""

_STOPS = ".!?…‼⁇⁈⁉؟۔।॥։።။។"
_WIDE_STOPS = "。！？｡"
_CLOSING = "\"'”’»›)\\]}」』】）〕〉》*_`"
_OPENING = "\"'“‘„«‹([{「『*_`"
_LINE_END = "\n\r\v\f\x85\u2028\u2029"
_BREAK = re.compile(
    f"[{_STOPS}{_WIDE_STOPS}{_LINE_END}](?:"  # one set in front is what the engine is fastest with
    f"(?<=[{_LINE_END}])\\s*+"
    f"|(?<=[{_STOPS}])(?<![{_STOPS}][{_STOPS}])[{_STOPS}]*+[{_CLOSING}]*+\\s++"
    f"|(?<=[{_WIDE_STOPS}])[{_WIDE_STOPS}]*+[{_CLOSING}]*+\\s*+)"
)
_LAST_WORD = re.compile(f"[^\\s{re.escape(_OPENING)}]*\\Z")
_WORD = 12
_NO_SPACE = 9
_ABBREVIATED = """
al approx ave ca cf ch chap co col corp dept dr ed eds eq eqs esp est etc fig figs gen gov inc jr lt
ltd max min mr mrs ms mt mx nos op para pp prof ref refs rep resp rev sec sen sgt sr st viz vol vols
vs jan feb mar apr jun jul aug sep sept oct nov dec
abb abs bd bspw bzgl bzw ders dgl evtl geb ggf hrsg inkl kap mio mrd nr str tab usw vgl zzgl
art av bld env mgr mlle mme vd dra núm pág sra srta dott sig bijv blz mevr
"""  # English, German, then French, Spanish, Italian and Dutch
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())


@dataclass(frozen=True, eq=False)
class Breaks:
    """Places to cut at, in their order."""

    at: Ints
    """Where the chunk behind the break begins."""
    stop: Ints
    """Where the text before it ends: white space lies between the two."""
    penalty: npt.NDArray[np.float64]
    """How bad it is to cut there, as a share of a chunk's length."""
    n_lines: Ints
    """How many lines end between ``stop`` and ``at``."""
    has_colon: npt.NDArray[np.bool_]
    """Whether the text before it ends in a colon."""

    def select(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """Return some of the breaks."""
        return type(self)(*(column[chosen] for column in vars(self).values()))


def find_breaks(text: str) -> Breaks:
    """Return the breaks of a text; one is behind every line that has text before and behind it."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    solid = np.flatnonzero(_LINE_ENDS[codes] == _NO_SPACE)
    found = np.array([match.span() for match in _BREAK.finditer(text)], np.int64).reshape(-1, 2)
    if not len(solid):
        found = np.zeros((0, 2), np.int64)
    else:
        found = found[(found[:, 1] > solid[0]) & (found[:, 1] <= solid[-1])]
    first, at = found[:, 0], found[:, 1]
    stop = solid[np.searchsorted(solid, at) - 1] + 1
    n_lines = _count_line_ends(codes, first, at)
    goes_on = np.fromiter((text[place].islower() for place in at.tolist()), np.bool_, len(at))
    goes_on |= np.isin(codes[stop - 1], [ord(mark) for mark in ",;、，"])
    has_stop = (_LINE_ENDS[codes[first]] == _NO_SPACE) & ~goes_on
    dots = np.flatnonzero(has_stop & (codes[first] == ord(".")) & (n_lines < 2))
    places = first[dots].tolist()
    has_stop[dots] = [not _is_abbreviated(text[max(0, i - _WORD) : i]) for i in places]
    penalty = np.select(
        [has_stop & (n_lines > 1), n_lines > 1, has_stop & (n_lines > 0), has_stop, goes_on],
        [PARAGRAPH, BARE_PARAGRAPH, LINE, SENTENCE, WRAP],
        BARE_LINE,
    )
    has_colon = codes[stop - 1] == ord(":")
    return Breaks(at, stop, penalty, n_lines, has_colon).select(has_stop | (n_lines > 0))


def _count_line_ends(codes: npt.NDArray[np.uint32], first: Ints, last: Ints) -> Ints:
    weights = np.where((kinds := _LINE_ENDS[codes]) == _NO_SPACE, 0, kinds)
    weights[:-1][(codes[:-1] == ord("\r")) & (codes[1:] == ord("\n"))] = 0
    sums = np.append(0, np.cumsum(weights, dtype=np.int64))
    n_line_ends: Ints = sums[last] - sums[first]
    return n_line_ends


def _is_abbreviated(before: str) -> bool:
    """Return whether a full stop behind ``before`` belongs to its last word."""
    match = _LAST_WORD.search(before)
    word = match[0] if match else ""
    return (
        word.lower() in _ABBREVIATIONS
        or (word[:1].isalpha() and len(word) % 2 == 1 and not word[1::2].strip("."))
        or (len(word) <= 2 and word.isdecimal())
    )


def _line_ends() -> npt.NDArray[np.uint8]:
    """Return for each character how many lines it ends; a paragraph or page counts as two."""
    table = np.full(sys.maxunicode + 1, _NO_SPACE, np.uint8)
    table[[code for code in range(0x3001) if chr(code).isspace()]] = 0
    table[[ord(mark) for mark in "\n\r\v\x85\u2028"]] = 1
    table[[ord(mark) for mark in "\f\u2029"]] = 2
    return table


_LINE_ENDS = _line_ends()
