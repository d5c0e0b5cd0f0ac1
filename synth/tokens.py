"""Counting in the model's own tokens, and finding where they are in the text.

Uses ``tokenizers`` alone: importing ``transformers`` costs seconds in an environment with torch.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tokenizers

from synth.shared import Shared


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text: how many, and the characters between any two of them."""

    text: str
    _spans: npt.NDArray[np.int64]
    """First and last (exclusive) character of each token; shape (tokens, 2)."""

    def __len__(self) -> int:
        return len(self._spans)

    def start(self, index: int) -> int:
        """Return the character at which token ``index`` begins (0 for the first).

        White space that no token claims belongs to the token behind it, and a token inside of a
        character begins where the character does; so no character is lost between two tokens.
        """
        if index == 0:
            return 0
        return min(int(self._spans[index, 0]), self.end(index))

    def end(self, count: int) -> int:
        """Return the character behind the first ``count`` tokens (all: the text's length)."""
        if count == len(self):
            return len(self.text)
        return int(self._spans[count - 1, 1])


class Tokenizer:
    """A model's tokenizer, from its ``tokenizer.json``."""

    def __init__(self, path: Path, shared: Shared | None = None) -> None:
        """Load it when a text is tokenised that the jobs of the sweep have not tokenised yet."""
        self._path = path
        self._shared = shared or Shared()

    def tokenize(self, text: str) -> Tokens:
        """Return the tokens of ``text``, without special ones."""
        with self._shared.once("tokens", self._name, _digest(text.encode())) as kept:
            if kept is not None and kept.exists():
                return Tokens(text, np.load(kept))
            offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
            spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
            if kept is not None:
                with (whole := kept.with_suffix(".npy")).open("wb") as file:
                    np.save(file, spans)
                whole.replace(kept)
            return Tokens(text, spans)

    @cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        tokenizer = tokenizers.Tokenizer.from_file(str(self._path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _name(self) -> str:
        return _digest(self._path.read_bytes())


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
