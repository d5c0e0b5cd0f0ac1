"""Near-equal chunks of tokens that overlap exactly, as Unsloth's ``chunk_data`` makes them.

The text is cut from the original and not decoded from tokens, so no character changes.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from synth.cutting.span import Span
from synth.texts import Text
from synth.tokens import Tokenizer


def cut_tokens(text: Text, tokenizer: Tokenizer, size: int, overlap: int) -> Iterator[Span]:
    """Yield the spans of chunks in order; they cover all of ``text``.

    Where a character has several tokens a chunk may have no character that its neighbour lacks: it
    is left out.

    Args:
        size: tokens of the longest chunk, counted in the whole text.
        overlap: tokens that neighbours share; less than ``size``.
    """
    tokens = tokenizer.tokenize(text)
    before: Span | None = None
    for left, right in spans(len(tokens), size, overlap):
        span = Span(tokens.start(left), tokens.end(right), right - left)
        if before is not None:
            if span.end <= before.end:
                continue
            if span.start > before.start:
                yield before
        before = span
    if before is not None:
        yield before


def spans(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Return the half-open token ranges of near-equal chunks that overlap by ``overlap``.

    Source: Unsloth's ``chunk_data``: with n = ceil((length - overlap) / (size - overlap)) chunks
    and boundaries b = ceil(linspace(0, length - overlap, n + 1)), chunk i is
    [b_i, min(b_{i+1} + overlap, length)).
    """
    if length == 0:
        return []
    if length <= size:
        return [(0, length)]
    n_chunks = math.ceil((length - overlap) / (size - overlap))
    bounds = np.ceil(np.linspace(0, length - overlap, n_chunks + 1)).astype(int).tolist()
    return [(left, min(right + overlap, length)) for left, right in itertools.pairwise(bounds)]
