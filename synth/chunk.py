"""Cut a document into near-equal chunks of tokens, at characters of its own text.

The boundaries are those of Unsloth's ``chunk_data``; the text is cut from the original and not
decoded from tokens, so ``text[start:end]`` is the chunk and no character changes.
"""

import itertools
import math

import numpy as np

from synth.records import Chunk, Document
from synth.tokens import Tokenizer


def cut(
    document: Document, text: str, tokenizer: Tokenizer, *, size: int, overlap: int
) -> list[Chunk]:
    """Return the chunks of ``text`` in order; they cover all of it.

    Args:
        size: tokens of the longest chunk.
        overlap: tokens that neighbours share; less than ``size``.
    """
    tokens = tokenizer.tokenize(text)
    chunks = []
    for number, (left, right) in enumerate(spans(len(tokens), size, overlap)):
        start, end = tokens.start(left), tokens.end(right)
        chunks.append(
            Chunk(
                id=f"{document.id}-{start}-{end}",
                doc_id=document.id,
                start=start,
                end=end,
                n_tokens=right - left,
                path=f"data/parsed/{document.id}_{number}.txt",
            )
        )
    return chunks


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
