"""``fastokens``: a hundred times as fast as ``plain``, for the tokenizers where both are equal.

It gives no offsets, but in a known layout the token's id tells how many bytes of the text it stands
for. The bytes of all tokens must be those of the text, or the result is thrown away.
"""

import json
import logging
import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import fastokens
import numpy as np
import numpy.typing as npt

from synth.tokens.encoded import Encoded, Ints, from_spans
from synth.tokens.layout import SPACE, Layout, read_layout
from synth.tokens.plain import Plain

log = logging.getLogger(__name__)

_THREADS = "FASTOKENS_BPE_THREADS"
_PROBE = (
    "It's a Probe: I'LL say they're 'quoted', don't we've; snake_case camelCaseWORDS naïve.\n",
    "1 12 123 1234 12345.678,90 ½ ² Ⅷ ٣٤٥ १२३ 0x1F 1e-9\r\n\r\nline\rline\n\n\n  \n\t\tx   y \u00a0 z \n",
    "Straße ÆØÅ Ελληνικά Русский العربيّة עברית हिन्दी ไทย 漢字かな交じり文。한국어 ქართული 𝔘𝔫𝔦 ﬁ\u200b\u2028\ufeff\ufffd",
    "😀👨‍👩‍👧‍👦🇨🇭☝🏽 ¡¿«»—…′″@#$%^&*()[]{}<>|\\/~`=+ !!!??? \x00\x01\x1b\x7f\x85 ==== ---- https://a.b/c?d=e&f#g ",
    "a" * 70
    + " " * 90
    + "\n" * 40
    + "." * 70
    + "\t" * 20
    + "7" * 50
    + "é" * 30
    + "汉" * 30
    + "end ",
)


class Fast:
    """Encodes what it can to the very tokens of :class:`Plain`."""

    def __init__(self, tokenizer: "fastokens.Tokenizer", layout: Layout) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._layout = layout

    @classmethod
    def load(cls, path: Path, plain: Plain) -> Self | None:
        """Return it for a ``tokenizer.json``; None where ``plain`` has to do all."""
        settings = json.loads(path.read_bytes())
        layout = read_layout(settings)
        if layout is None:
            log.debug("%s is of no layout that fastokens is used for", path)
            return None
        try:
            with _one_thread():
                fast = cls(fastokens.Tokenizer.from_file(str(path)), layout)
                same = fast._equals(plain, [token["content"] for token in settings["added_tokens"]])
        except Exception as error:  # noqa: BLE001  (whatever it finds wrong, plain can do it)
            log.debug("fastokens can't take %s: %s", path, error)
            return None
        if not same:
            log.debug("fastokens gives other tokens for %s", path)
        return fast if same else None

    def encode(self, text: str) -> Encoded | None:
        """Return the tokens of ``text``; None where only :class:`Plain` can tell their places."""
        ids = self._find_ids(text)
        if ids is None:
            return None
        ends = np.cumsum(self._layout.sizes[ids])
        prefixed = self._layout.prefixed
        if prefixed is not None:
            ends -= prefixed[ids[:1]]
        octets = np.frombuffer(text.encode(), np.uint8)
        if not len(ids) or ends[-1] != len(octets):
            return None
        starts: Ints = np.concatenate(([0], ends[:-1]))
        if len(octets) != len(text):
            starts, ends = _characters(octets, starts, ends)
        if prefixed is not None:
            np.maximum(ends, 1, out=ends)  # the prefix has the place of the first character
        if ids[0] == self._layout.lost:
            ends[0] = 0
        return from_spans(len(text), ids, starts, ends)

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Return the tokens of each text on its own; None where only :class:`Plain` can."""
        try:
            _, places = self._encode(texts)
        except ValueError:
            return None
        return [int(n) for n in np.diff(places)]

    def _find_ids(self, text: str) -> npt.NDArray[np.uint32] | None:
        if not self._is_plain(text):
            return None
        try:
            return self._encode([text])[0]
        except ValueError:  # a byte that the vocabulary lacks; Hugging Face's leave it out
            return None

    def _is_plain(self, text: str) -> bool:
        """Return whether the tokens are the bytes of ``text`` itself."""
        if self._layout.is_nfc and not unicodedata.is_normalized("NFC", text):
            return False
        return not (self._layout.has_spaces and SPACE in text)

    def _encode(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], Ints]:
        ids, places = self._tokenizer.encode_batch_flat(list(texts))
        return np.frombuffer(ids, np.uint32), np.frombuffer(places, np.int64)

    def _equals(self, plain: Plain, added: Sequence[str]) -> bool:
        """Return whether it gives the tokens of ``plain``, for much that is odd."""
        odd = [f"{token} a{token}b \n{token}" for token in added[:64]]
        for text in (*_PROBE, "".join(_PROBE), *odd, " ".join(odd)):
            right, made = plain.encode(text), self.encode(text)
            if not np.array_equal(self._encode([text])[0], right.ids):
                return False
            if made is not None and not (
                np.array_equal(made.ends, right.ends) and np.array_equal(made.backs, right.backs)
            ):
                return False
        return True


def _characters(octets: npt.NDArray[np.uint8], starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Return places in characters for those in bytes; what is inside of one takes all of it."""
    before = np.zeros(len(octets) + 1, np.int32)
    np.cumsum((octets & 0xC0) != 0x80, out=before[1:])
    return (before[starts + 1] - 1).astype(np.int64), before[ends].astype(np.int64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Make ``fastokens`` set itself up for one thread: two are slower, and each has a cache."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
