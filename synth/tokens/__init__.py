"""Counting in the model's own tokens, and finding where they are in the text.

``plain`` and ``fast`` encode one string; ``windows`` makes the tokens of a text of any length from
those of pieces; ``packed`` holds them in a fifth of a byte a character; ``tokenizer`` is the door.
Uses ``tokenizers`` and ``fastokens`` alone: importing ``transformers`` costs seconds in an
environment with torch.
"""

from synth.tokens.packed import Tokens
from synth.tokens.tokenizer import Tokenizer

__all__ = ["Tokenizer", "Tokens"]
