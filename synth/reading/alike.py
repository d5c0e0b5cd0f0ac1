"""Documents that are alike: a signature of each, and the library that knows the earlier ones.

A signature is a MinHash (Broder 1997) of the sequences of five words in a text, without regard to
case, white space and punctuation. The share of positions in which two signatures agree estimates
the share of sequences that the texts have in common (their Jaccard index), within some 0.03.
"""

import functools

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from synth.texts import Text

_N_HASHES = 128
_N_WORDS = 5
_SEED = 1
_N_SEQUENCES = 32 * 1024
"""Of a long text the sequences with the lowest hashes stand for all of them."""
_PIECE_CHARS = 256 * 1024

_N_BANDS, _N_ROWS = 8, 6
"""Two documents are compared if all rows of one band agree. Alike by 0.9 that is missed once in 400
times, and by 0.8 once in 11."""
_BITS = 8
"""Kept of each hash; they agree by chance once in 256 times, which is taken into account."""

_Hashes = npt.NDArray[np.uint64]

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
_INVERSE = np.uint64(pow(int(_BASE), -1, 2**64))


def _make_table() -> npt.NDArray[np.uint8]:
    """Return for each byte what it counts as: lower case for letters, 0 between words."""
    table = np.arange(256, dtype=np.uint8)
    table[[n for n in range(128) if not chr(n).isalnum()]] = 0
    table[ord("A") : ord("Z") + 1] += 32
    return table


_TABLE = _make_table()
_IDEOGRAPHS = (0xE3, 0xED)
"""First bytes of characters that are words themselves: kana, ideographs, hangul."""


def sign(text: Text) -> bytes:
    """Return the signature of a text; 512 bytes, in time proportional to its length."""
    lowest = np.zeros(0, np.uint64)
    for start in range(0, len(text), _PIECE_CHARS):
        found = _hash_sequences(text[start : start + _PIECE_CHARS].encode())
        if len(lowest) == _N_SEQUENCES:
            found = found[found < lowest[-1]]
        hashes = np.sort(np.concatenate([lowest, found]))  # np.unique takes three times as long
        lowest = hashes[np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]][:_N_SEQUENCES]
    matrix = RMinHash.digest_matrix_from_token_hash_sets([lowest.tolist()], _N_HASHES, _SEED)
    return np.array(matrix.to_rows()[0], "<u4").tobytes()


class Library:
    """The documents that were taken, each with 128 bytes and eight keys."""

    def __init__(self, similarity: float | None) -> None:
        """Begin with none.

        Args:
            similarity: from which on two are alike; None = only equal ones are.
        """
        self._similarity = similarity
        self._ids: list[str] = []
        self._known: set[str] = set()
        self._signatures = np.zeros((1024, _N_HASHES), np.uint8)
        self._index = _Index()

    def find(self, document_id: str, signature: bytes) -> tuple[str, float] | None:
        """Return the earlier document that this one is like, and how much; else take it in."""
        if document_id in self._known:
            return document_id, 1.0
        if self._similarity is None:
            self._known.add(document_id)
            return None
        hashes = np.frombuffer(signature, "<u4")
        short, keys = hashes.astype(np.uint8), _band(hashes)
        best, similarity = self._best_of(self._index.find(keys), short)
        if best is not None and similarity >= self._similarity:
            return self._ids[best], similarity
        self._take(document_id, short, keys)
        return None

    def _best_of(
        self, numbers: list[int], short: npt.NDArray[np.uint8]
    ) -> tuple[int | None, float]:
        if not numbers:
            return None, 0.0
        agree = (self._signatures[numbers] == short).mean(axis=1)
        by_chance = 1 / 2**_BITS
        similarity = (agree - by_chance) / (1 - by_chance)
        best = int(similarity.argmax())  # of equals the first
        return numbers[best], float(similarity[best])

    def _take(self, document_id: str, short: npt.NDArray[np.uint8], keys: _Hashes) -> None:
        number = len(self._ids)
        if number == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.zeros_like(self._signatures)])
        self._signatures[number] = short
        self._ids.append(document_id)
        self._known.add(document_id)
        self._index.add(keys, number)


class _Index:
    """Numbers of documents by key: the latest in a dictionary, the others in sorted arrays."""

    _LEAST = 1 << 16

    def __init__(self) -> None:
        self._latest: dict[int, list[int]] = {}
        self._n_latest = 0
        self._keys = np.zeros(0, np.uint64)
        self._numbers = np.zeros(0, np.uint32)

    def add(self, keys: _Hashes, number: int) -> None:
        """Note a document under all of its keys."""
        for key in keys.tolist():
            self._latest.setdefault(key, []).append(number)
        self._n_latest += len(keys)
        if self._n_latest > max(self._LEAST, len(self._keys) // 4):
            self._merge()

    def find(self, keys: _Hashes) -> list[int]:
        """Return the documents that have one of the keys, in their order."""
        found = {number for key in keys.tolist() for number in self._latest.get(key, ())}
        left, right = (np.searchsorted(self._keys, keys, side) for side in ("left", "right"))
        for start, end in zip(left.tolist(), right.tolist(), strict=True):
            found.update(self._numbers[start:end].tolist())
        return sorted(found)

    def _merge(self) -> None:
        latest = [(key, number) for key, numbers in self._latest.items() for number in numbers]
        keys = np.concatenate([self._keys, np.array([key for key, _ in latest], np.uint64)])
        numbers = np.concatenate([self._numbers, np.array([n for _, n in latest], np.uint32)])
        order = np.argsort(keys, kind="stable")
        self._keys, self._numbers = keys[order], numbers[order]
        self._latest, self._n_latest = {}, 0


def _band(hashes: npt.NDArray[np.uint32]) -> _Hashes:
    """Return one key for each band of a signature."""
    rows = hashes[: _N_BANDS * _N_ROWS].reshape(_N_BANDS, _N_ROWS).astype(np.uint64)
    keys = np.arange(1, _N_BANDS + 1, dtype=np.uint64)
    for column in rows.T:
        keys = (keys * _BASE) ^ (column + (keys >> np.uint64(29)))
    return keys


def _hash_sequences(data: bytes) -> _Hashes:
    """Return hashes of all sequences of words in UTF-8 text; of all words if they are too few."""
    octets = np.frombuffer(data, np.uint8)
    table = _TABLE[octets]
    letters = table[table != 0]
    if not len(letters):
        return np.zeros(0, np.uint64)
    starts = np.flatnonzero(_find_starts(octets, table)[table != 0])
    ends = np.append(starts[1:], len(letters))
    n_words = min(_N_WORDS, len(starts))
    starts, ends = starts[: len(starts) - n_words + 1], ends[n_words - 1 :]
    # With S_i = sum of letter_j · BASE^j for j < i, (S_end - S_start) · BASE^-start depends on the
    # letters between alone.
    sums = np.zeros(len(letters) + 1, np.uint64)
    np.cumsum(
        (letters.astype(np.uint64) + np.uint64(1)) * _powers(_BASE, len(letters)), out=sums[1:]
    )
    hashes = (sums[ends] - sums[starts]) * _powers(_INVERSE, len(letters))[starts]
    return _mix(hashes)


def _find_starts(
    octets: npt.NDArray[np.uint8], table: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Return whether a word begins at each byte."""
    is_letter = table != 0
    is_ideograph = (octets >= _IDEOGRAPHS[0]) & (octets <= _IDEOGRAPHS[1])
    is_behind = np.zeros_like(is_letter)
    is_behind[1:] = ~is_letter[:-1]
    is_behind[3:] |= is_ideograph[:-3]
    is_behind[:1] = True
    found: npt.NDArray[np.bool_] = is_letter & (is_behind | is_ideograph)
    return found


def _powers(base: np.uint64, n: int) -> _Hashes:
    return _all_powers(base, n.bit_length())[:n]


@functools.lru_cache(maxsize=4)
def _all_powers(base: np.uint64, n_bits: int) -> _Hashes:
    powers = np.full(1 << n_bits, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _mix(hashes: _Hashes) -> _Hashes:
    """Spread what is equal in low bits; source: the finaliser of SplitMix64 (Steele et al. 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
