"""Chunks are exactly the original text, at the boundaries of Unsloth's formula."""

import itertools
import math
import random

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from synth.cutting.token import cut_tokens, spans
from synth.tokens import Tokenizer

TEXTS = {
    "emoji": "🙂 family 👨‍👩‍👧‍👦 and flag 🇨🇭! " * 40,
    "cjk": "東京は日本の首都です。漢字とかな。" * 40,
    "combining": "e\u0301 a\u0308 n\u0303 o\u0302\u0323 " * 60,
    "crlf": "one line\r\nand another\r\n\r\n\tand tabs  \r" * 40,
    "nul": "zero\0byte \0\0 text " * 60,
    "spaces": "   word     \n\n\n      word  " * 40,
    "prose": "The Moon raises the tides of the sea. " * 40,
}


def reference(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Unsloth's boundaries, from the words of their description and not from our code."""
    if length <= size:
        return [(0, length)] if length else []
    n = math.ceil((length - overlap) / (size - overlap))
    marks = [math.ceil(mark) for mark in np.linspace(0, length - overlap, n + 1)]
    return [(marks[i], min(marks[i + 1] + overlap, length)) for i in range(n)]


@pytest.mark.parametrize(
    ("length", "size", "overlap", "lengths"),
    [
        (0, 896, 64, []),
        (896, 896, 64, [896]),
        (897, 896, 64, [481, 480]),
        (10_000, 896, 64, [892] * 12),
    ],
)
def test_worked_values(length, size, overlap, lengths):
    made = sorted((right - left for left, right in spans(length, size, overlap)), reverse=True)
    assert made == sorted(lengths, reverse=True)


@given(st.integers(0, 20_000), st.integers(8, 2000), st.integers(0, 500))
def test_spans_cover_overlap_and_fit(length, size, overlap):
    overlap = min(overlap, size - 1)
    made = spans(length, size, overlap)
    assert made == reference(length, size, overlap)
    assert all(0 < right - left <= size for left, right in made)
    assert [left for left, _ in made[:1]] == [0][: len(made)]
    assert all(
        previous[1] - following[0] == overlap for previous, following in itertools.pairwise(made)
    )


@pytest.mark.parametrize("name", TEXTS)
def test_chunks_cover_the_text_to_the_character(tokenizer, name):
    text = TEXTS[name]
    chunks = list(cut_tokens(text, tokenizer, 40, 7))
    assert len(chunks) > 2
    assert (chunks[0].start, chunks[-1].end) == (0, len(text))
    assert all(a.start < b.start <= a.end for a, b in itertools.pairwise(chunks))
    assert all("\ufffd" not in text[chunk.start : chunk.end] for chunk in chunks)


@pytest.fixture
def trimming_tokenizer(model_dir, tmp_path):
    """One whose offsets leave out white space, as those of GPT-2 and RoBERTa do."""
    trimming = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    trimming.post_processor = tokenizers.processors.ByteLevel(trim_offsets=True)
    trimming.save(str(tmp_path / "tokenizer.json"))
    return Tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("name", ["tokenizer", "trimming_tokenizer"])
def test_without_overlap_chunks_join_to_the_text(request, name):
    tokenizer = request.getfixturevalue(name)
    text = TEXTS["prose"] + TEXTS["crlf"] + TEXTS["spaces"]
    chunks = list(cut_tokens(text, tokenizer, 33, 0))
    assert "".join(text[chunk.start : chunk.end] for chunk in chunks) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400))
def test_any_text_is_covered(tokenizer, text):
    chunks = list(cut_tokens(text, tokenizer, 16, 3))
    covered = set()
    for chunk in chunks:
        covered.update(range(chunk.start, chunk.end))
    assert covered == set(range(len(text)))


def test_boundaries_are_the_formulas_for_random_lengths(tokenizer):
    rng = random.Random(0)
    words = (TEXTS["prose"] + TEXTS["cjk"]) * 3
    for _ in range(50):
        text = words[: rng.randrange(1, len(words))]
        n_tokens = len(tokenizer.tokenize(text))
        made = list(cut_tokens(text, tokenizer, 100, 20))
        expected = reference(n_tokens, 100, 20)
        assert [chunk.n_tokens for chunk in made] == [right - left for left, right in expected]
