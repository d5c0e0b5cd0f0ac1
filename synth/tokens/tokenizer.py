"""The model's tokenizer: the tokens of a text, and how many some texts have.

The result is that of one encoding of the whole text by Hugging Face's ``tokenizers``. What it took
is kept where the caller says, so that a sweep over chunk sizes tokenises once.
"""

import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from synth.io import replacing
from synth.shared import Shared
from synth.texts import Text
from synth.tokens.fast import Fast
from synth.tokens.packed import Tokens
from synth.tokens.plain import Plain
from synth.tokens.windows import Sizes, Windows

log = logging.getLogger(__name__)

_FORMAT = "1"
"""Of the kept files and of the rule of boundaries; another one finds none of the old."""
_KEPT_FROM = 64 * 1024
"""Characters of the shortest text whose tokens are kept: to look it up takes as long."""
_FAST_FROM = 256 * 1024
"""Characters from which on the fast way has earned the time that it takes to load."""
_PIECE = 1 << 20
_BATCH = 256


class Tokenizer:
    """A model's tokenizer, from its ``tokenizer.json``."""

    def __init__(
        self, path: Path, shared: Shared | None = None, sizes: Sizes | None = None
    ) -> None:
        """Load nothing until a text is tokenised whose tokens ``shared`` does not have."""
        self._path = path
        self._shared = shared or Shared()
        self._sizes = sizes or Sizes()
        self._n_chars = 0

    def tokenize(self, text: Text, key: str | None = None) -> Tokens:
        """Return the tokens of ``text``, without special ones.

        Args:
            key: a digest of the text, where the caller has one; None = it is taken here.
        """
        if len(text) < _KEPT_FROM or not self._shared:
            return self._make(text)
        with self._shared.once("tokens", _FORMAT, self._name, key or _digest(text)) as kept:
            assert kept is not None
            if (found := Tokens.load(kept)) is not None and found.n_chars == len(text):
                return found
            tokens = self._make(text)
            try:
                with replacing(kept) as file:
                    tokens.save(file)
            except OSError as error:
                log.debug("tokens are not kept: %s", error)
            return tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text on its own, without special ones."""
        fast = self._encoder(sum(map(len, texts)))
        counts: list[int] = []
        for at in range(0, len(texts), _BATCH):
            batch = texts[at : at + _BATCH]
            counts += (fast and fast.count(batch)) or self._plain.count(batch)
        return counts

    def _make(self, text: Text) -> Tokens:
        fast = self._encoder(len(text))
        return Tokens(len(text), Windows(text, fast, self._plain, self._sizes).pieces())

    def _encoder(self, n_chars: int) -> Fast | None:
        """Return the fast encoder, if there is one and there was enough to do for it."""
        self._n_chars += n_chars
        return self._fast if self._n_chars >= _FAST_FROM else None

    @cached_property
    def _plain(self) -> Plain:
        return Plain(self._path)

    @cached_property
    def _fast(self) -> Fast | None:
        return Fast.load(self._path, self._plain)

    @cached_property
    def _name(self) -> str:
        return hashlib.sha256(self._path.read_bytes()).hexdigest()


def _digest(text: Text) -> str:
    digest = hashlib.sha256()
    for at in range(0, len(text), _PIECE):
        digest.update(text[at : at + _PIECE].encode())
    return digest.hexdigest()
