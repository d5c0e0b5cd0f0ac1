"""Questions that are asked twice: in the same words, or nearly.

Two questions are near duplicates if the words that say something are alike (rapidfuzz's ratio of
their sorted stems) and their answers have at least half of theirs in common; or if the words that
say much are the same, whatever the answers. Where each of two
questions has a word that the other lacks ("the red valve", "the blue valve"), they are only if
their evidence is the same sentence, too. Candidates are found by MinHash (rensa), and by their
evidence: of two pairs with one answer from one sentence the questions may be a little less alike.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from rensa import RMinHash

from synth.filters.phrases import DECIDING
from synth.filters.words import Word

_N_BANDS, _N_ROWS = 16, 6
"""Pairs are compared if all rows of one band agree. Questions with 0.8 of their words in common are
missed once in 100 times, with 0.7 once in 7; those with a third are compared once in 45."""
_SEED = 1
_ALIKE_WORDS = 80.0
_OVERLAP = 0.5
_EASIER = 0.1
"""How much less alike questions are that have the same answer from the same sentence."""
_MUCH = 0.4
_MOST_STEMS = 100
_BLOCK = 4096
_MOST_IN_BAND = 64
"""Pairs of one band that a pair is compared with: those right before it."""


@dataclass(frozen=True, slots=True)
class Key:
    """What of a pair is compared."""

    question: bytes
    """A digest of all its words in normal form."""
    stems: str
    """Sorted stems of the question's words that say something, with blanks between."""
    core: str
    """Those that say much, or decide what is asked for, likewise."""
    answer: str
    """Stems of what the answer says, likewise."""
    place: tuple[str, int, int] | None
    """Document, start and end of the evidence."""


def key_of(
    words: Sequence[str],
    question: Sequence[Word],
    answer: Sequence[Word],
    place: tuple[str, int, int] | None,
) -> Key:
    """Return what a pair is compared by.

    Args:
        words: of the question.
        place: document, start and end of the evidence.
    """
    stems = {word.stem for word in question if word.weight > 0 or word.stem in DECIDING}
    core = {word.stem for word in question if word.weight >= _MUCH or word.stem in DECIDING}
    says = {word.stem for word in answer if word.weight > 0}
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()
    return Key(digest, _join(stems), _join(core), _join(says - stems or says), place)


def find_duplicates(
    keys: Sequence[Key], is_good: Sequence[bool], similarity: float
) -> dict[int, tuple[int, bool]]:
    """Return for each duplicate the pair that it is one of, and whether in the very same words.

    The first of those that have no other fault stands for all of them; where all have one, the
    first.

    Args:
        keys: of all pairs in their order.
        is_good: whether a pair has no fault.
        similarity: least likeness of the questions, up to 1.
    """
    order = sorted(range(len(keys)), key=lambda number: (not is_good[number], number))
    found: dict[int, tuple[int, bool]] = {}
    first_with: dict[bytes, int] = {}
    for number in order:
        first = first_with.setdefault(keys[number].question, number)
        if first != number:
            found[number] = first, True
    rest = [number for number in order if number not in found and keys[number].stems]
    for one, other in _near(keys, rest, similarity):
        found[one] = other, False
    return found


def _near(
    keys: Sequence[Key], numbers: Sequence[int], similarity: float
) -> Iterator[tuple[int, int]]:
    """Yield pairs with one before them that they are near duplicates of, and that is none itself."""
    bands = np.column_stack(
        [
            _bands([keys[number].stems.split() for number in numbers]),
            np.array([_place_band(keys[number], number) for number in numbers], np.uint64),
        ]
    )
    stems = np.array([keys[number].stems for number in numbers], object)
    first_of: dict[int, int] = {}
    for position, others in _rivals(stems, bands, 100 * (similarity - _EASIER)):
        firsts = sorted({first_of.get(other, other) for other in others})
        number = numbers[position]
        near = (one for one in firsts if are_near(keys[number], keys[numbers[one]], similarity))
        if (first := next(near, None)) is not None:
            first_of[position] = first
            yield number, numbers[first]


def _rivals(
    stems: npt.NDArray[np.object_], bands: npt.NDArray[np.uint64], least: float
) -> Iterator[tuple[int, list[int]]]:
    """Yield positions in their order, each with those before it that it is to be compared with.

    Args:
        stems: of the questions (pairs).
        bands: what those have in common that are to be compared (pairs, bands).
        least: likeness of the questions, up to 100.
    """
    found = [np.zeros(0, np.int64)]  # two positions as one number, the later one first
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        ranked = band[order]
        places = np.arange(len(order))  # those of which the one so far behind has the same band
        for distance in range(1, _MOST_IN_BAND + 1):
            places = places[: np.searchsorted(places, len(order) - distance)]
            places = places[ranked[places] == ranked[places + distance]]
            if not len(places):
                break
            later, earlier = order[places + distance], order[places]
            alike = process.cpdist(
                stems[later], stems[earlier], scorer=fuzz.ratio, score_cutoff=least
            )
            found.append((later * len(order) + earlier)[alike > 0])
    positions, others = np.divmod(np.unique(np.concatenate(found)), len(stems))
    starts = np.flatnonzero(np.diff(positions, prepend=-1))
    for position, some in zip(positions[starts], np.split(others, starts)[1:], strict=True):
        yield int(position), some.tolist()


def are_near(one: Key, other: Key, similarity: float) -> bool:
    """Return whether two pairs are near duplicates."""
    likeness = fuzz.ratio(one.stems, other.stems) / 100
    if likeness < similarity - _EASIER:
        return False
    if likeness < similarity and not _meet(one.place, other.place):
        return False
    left, right = (_numbers(key.stems.split()) for key in (one, other))
    if left - right and right - left:
        return False
    differs = _differ(one.stems, other.stems)
    if one.core == other.core and not differs:
        return True
    if not _agree(one.answer, other.answer):
        return False
    return not differs or _meet(one.place, other.place)


def _agree(one: str, other: str) -> bool:
    """Return whether half of what the shorter answer says is said by the other, numbers too."""
    if not one or not other:
        return one == other
    left, right = set(one.split()), set(other.split())
    numbers = [_numbers(stems) for stems in (left, right)]
    if all(numbers) and numbers[0].isdisjoint(numbers[1]):
        return False
    return len(left & right) >= _OVERLAP * min(len(left), len(right))


def _join(stems: Iterable[str]) -> str:
    return " ".join(sorted(stems)[:_MOST_STEMS])


def _numbers(stems: Iterable[str]) -> set[str]:
    return {stem for stem in stems if stem[0].isdigit()}


def _differ(one: str, other: str) -> bool:
    """Return whether each of two questions has a word that the other has nothing like."""
    left, right = set(one.split()), set(other.split())
    only_left, only_right = left - right, right - left
    if not only_left or not only_right:
        return False
    return not all(
        any(not a[0].isdigit() and fuzz.ratio(a, b) >= _ALIKE_WORDS for b in only_right)
        for a in only_left
    )


def _meet(one: tuple[str, int, int] | None, other: tuple[str, int, int] | None) -> bool:
    if one is None or other is None or one[0] != other[0]:
        return False
    return one[1] < other[2] and other[1] < one[2]


def _bands(sets: Sequence[list[str]]) -> npt.NDArray[np.uint64]:
    """Return the keys of each set of words: an array (sets, bands)."""
    blocks = []
    for start in range(0, len(sets), _BLOCK):
        matrix = RMinHash.digest_matrix_from_token_sets(
            sets[start : start + _BLOCK], _N_BANDS * _N_ROWS, _SEED
        )
        blocks.append(_fold(np.array(matrix.to_rows(), np.uint64)))
    return np.concatenate(blocks) if blocks else np.zeros((0, _N_BANDS), np.uint64)


def _place_band(key: Key, number: int) -> int:
    """Return a key that pairs share which have the same evidence, and others do not."""
    return hash(key.place or number) & 0xFFFF_FFFF_FFFF_FFFF


def _fold(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    rows = hashes.reshape(len(hashes), _N_BANDS, _N_ROWS)
    keys = np.tile(np.arange(1, _N_BANDS + 1, dtype=np.uint64), (len(hashes), 1))
    for column in range(_N_ROWS):
        keys = (keys * np.uint64(0x9E3779B97F4A7C15)) ^ (
            rows[:, :, column] + (keys >> np.uint64(29))
        )
    return keys
