"""The tokens of a text of any length, from windows that overlap; those that one encoding would give.

Two neighbours are joined at a seam: a boundary in both, with the same tokens before and behind it.
That is right since all that tokenizers do is local but for the state in which they read on:

- BPE merges on both sides of a boundary of the result don't know of each other. So if a boundary
  and a token behind it are the same in a window that goes on at the right and in one that began at
  the left, both are of the whole text, too. The proof needs no spaces: some models take the whole
  text as one word.
- What splits text into words goes from left to right and has no memory where a space follows a
  word, or a mark a letter. A seam is there if the overlap has such a place. In a run without any,
  such as a million digits, windows begin at a boundary of the window before, and many more tokens
  must be the same.
- A prefix, an added token or a composed character that a window's end cuts in two changes what is
  near; there the neighbours differ, and no seam is.

Where no seam is found the overlap grows, and at last the window. ``backs`` are zero at a seam.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.texts import Text
from synth.tokens.encoded import Encoded, Ints
from synth.tokens.fast import Fast
from synth.tokens.plain import Plain


@dataclass(frozen=True)
class Sizes:
    """How long windows are, in characters."""

    fast: int = 1 << 19
    plain: int = 1 << 17
    overlap: int = 1 << 12
    n_same: int = 32
    """Tokens on each side of a seam that are the same in both windows."""
    n_same_inside: int = 1024
    """… where the seam is not at the end of a word."""


class Windows:
    """Encodes a text from its first character to its last."""

    def __init__(self, text: Text, fast: Fast | None, plain: Plain, sizes: Sizes) -> None:
        self._text, self._n_chars = text, len(text)
        self._fast, self._plain, self._sizes = fast, plain, sizes
        self._size = sizes.fast

    def pieces(self) -> Iterator[Encoded]:
        """Yield the tokens of stretches of the text that follow each other without a gap."""
        window, seam = self._encode(0), 0
        while window.stop < self._n_chars:
            following, next_seam = self._follow(window, seam)
            if next_seam is None:
                window = self._encode(window.start, 2 * (window.stop - window.start))
                continue
            yield _between(window, seam, next_seam)
            window, seam = following, next_seam
        yield _between(window, seam, None)

    def _follow(self, window: Encoded, seam: int) -> tuple[Encoded, int | None]:
        """Return the window behind ``window`` and their seam, if there is one behind ``seam``."""
        overlap = self._sizes.overlap
        while overlap < window.stop - seam:
            start = self._place(window, window.stop - overlap)
            following = self._encode(start, window.stop - start + self._sizes.plain)
            if (found := self._find_seam(window, following, seam)) is not None:
                return following, found
            overlap *= 4
        return window, None

    def _encode(self, start: int, n_chars: int = 0) -> Encoded:
        """Return the tokens from ``start`` on, of ``n_chars`` or more.

        Where the fast way fails, for one odd character, a shorter window may do without it.
        """
        while self._fast is not None:
            text = self._text[start : start + max(self._size, n_chars)]
            if (made := self._fast.encode(text)) is not None:
                self._size = min(self._size * 4, self._sizes.fast)
                return made.at(start)
            if min(self._size, len(text)) <= max(self._sizes.plain, n_chars):
                break
            self._size = min(self._size, len(text)) // 4
        text = self._text[start : start + max(self._sizes.plain, n_chars)]
        return self._plain.encode(text).at(start)

    def _place(self, window: Encoded, wanted: int) -> int:
        """Return where a window begins: at a boundary near ``wanted``, best the end of a word."""
        begin = max(wanted - self._sizes.overlap, window.start)
        bounds = _bounds(window, begin, wanted)[::-1]
        text = self._text[begin : wanted + 1]
        words = (int(at) for at in bounds if _ends_word(text, int(at) - begin))
        return next(words, int(bounds[0]) if len(bounds) else wanted)

    def _find_seam(self, left: Encoded, right: Encoded, behind: int) -> int | None:
        """Return a boundary with the same tokens around it in both, behind ``behind``."""
        begin, end = max(right.start, behind), left.stop - 1
        places = np.intersect1d(_bounds(left, begin, end), _bounds(right, begin, end))
        places = places[np.argsort(np.abs(places - (right.start + left.stop) // 2), kind="stable")]
        text = self._text[begin : left.stop]
        for at in places[_agreed(left, right, places, self._sizes.n_same)]:
            if _ends_word(text, int(at) - begin):
                return int(at)
        inside = places[_agreed(left, right, places, self._sizes.n_same_inside)]
        return int(inside[0]) if len(inside) else None


def _bounds(window: Encoded, behind: int, last: int) -> Ints:
    """Return the characters in that range between tokens that share none."""
    first, stop = np.searchsorted(window.ends[:-1], (behind, last), "right")
    bounds: Ints = window.ends[first:stop][window.backs[first + 1 : stop + 1] == 0]
    return bounds


def _agreed(left: Encoded, right: Encoded, places: Ints, n_same: int) -> npt.NDArray[np.bool_]:
    """Return at which boundaries of both the ``n_same`` tokens before and behind are the same."""
    if not len(places):
        return np.zeros(0, np.bool_)
    lefts = np.searchsorted(left.ends, places, "right")
    shifts = np.searchsorted(right.ends, places, "right") - lefts
    values, counts = np.unique(shifts, return_counts=True)
    shift = int(values[np.argmax(counts)])
    first, stop = max(0, -shift), min(len(left), len(right) - shift)
    a, b = slice(first, stop), slice(first + shift, stop + shift)
    same = (
        (left.ids[a] == right.ids[b])
        & (left.ends[a] == right.ends[b])
        & (left.backs[a] == right.backs[b])
    )
    n_before = np.concatenate(([0], np.cumsum(same)))
    found = np.zeros(len(n_before), np.bool_)
    if len(same) >= 2 * n_same:
        around = n_before[2 * n_same :] - n_before[: len(n_before) - 2 * n_same]
        found[n_same : len(found) - n_same] = around == 2 * n_same
    agreed: npt.NDArray[np.bool_] = found[(lefts - first).clip(0, len(same))] & (shifts == shift)
    return agreed


def _ends_word(text: str, at: int) -> bool:
    """Return whether every usual way to split text into words does so before ``text[at]``."""
    if not 0 < at < len(text) or text[at - 1].isspace():
        return False
    before, behind = text[at - 1], text[at]
    if behind == " ":
        return True
    category = unicodedata.category(behind)
    is_mark = category[0] in "PS" and category != "Pc" and behind not in "'’"
    return is_mark and before.isalpha()


def _between(window: Encoded, seam: int, next_seam: int | None) -> Encoded:
    """Return the tokens between two seams; 0 is the text's first character, None its end."""
    first = int(np.searchsorted(window.ends, seam, "right")) if seam else 0
    last = len(window) if next_seam is None else np.searchsorted(window.ends, next_seam, "right")
    part = slice(first, int(last))
    stop = window.stop if next_seam is None else next_seam
    return Encoded(seam, stop, window.ids[part], window.ends[part], window.backs[part])
