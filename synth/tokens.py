"""Counting in the model's own tokens, and finding where they are in the text.

Uses ``tokenizers`` alone: importing ``transformers`` costs seconds in an environment with torch.
"""

from dataclasses import dataclass
from pathlib import Path

import tokenizers


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text: how many, and the characters between any two of them."""

    text: str
    _encoding: tokenizers.Encoding

    def __len__(self) -> int:
        return len(self._encoding)

    def start(self, index: int) -> int:
        """Return the character at which token ``index`` begins (0 for the first).

        White space that no token claims belongs to the token behind it, and a token inside of a
        character begins where the character does; so no character is lost between two tokens.
        """
        if index == 0:
            return 0
        begin, _ = self._span(index)
        return min(begin, self.end(index))

    def end(self, count: int) -> int:
        """Return the character behind the first ``count`` tokens (all: the text's length)."""
        if count == len(self):
            return len(self.text)
        return self._span(count - 1)[1]

    def _span(self, index: int) -> tuple[int, int]:
        span: tuple[int, int] | None = self._encoding.token_to_chars(index)
        assert span is not None, "only special tokens have no characters, and there are none"
        return span


class Tokenizer:
    """A model's tokenizer, from its ``tokenizer.json``."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tokenize(self, text: str) -> Tokens:
        """Return the tokens of ``text``, without special ones."""
        return Tokens(text, self._tokenizer.encode(text, add_special_tokens=False))
