"""Hugging Face's ``tokenizers``: right by definition, some MB a second, a thousand bytes a token."""

from collections.abc import Sequence
from pathlib import Path

import tokenizers

from synth.tokens.encoded import Encoded, from_offsets


class Plain:
    """Encodes any text, by any tokenizer; no special tokens are added."""

    def __init__(self, path: Path) -> None:
        """Load a ``tokenizer.json``."""
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, text: str) -> Encoded:
        """Return the tokens of ``text``."""
        made = self._tokenizer.encode(text, add_special_tokens=False)
        return from_offsets(len(text), made.ids, made.offsets)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text on its own."""
        made = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in made]
