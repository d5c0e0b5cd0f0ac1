"""Prose is cut into well filled chunks of whole sentences."""

import itertools
import re

import pytest

from synth.cutting.outline import OutlineCutter
from synth.cutting.prose import cut_prose, read_prose

PROSE = "\n\n".join(
    " ".join(f"The {word} of the sea is salt, it says." for word in "abcdefgh"[: 1 + i % 8])
    for i in range(60)
)


def texts(text, spans):
    return [text[span.start : span.end] for span in spans]


def test_chunks_are_whole_sentences(tokenizer):
    made = texts(PROSE, cut_prose(PROSE, tokenizer, 60, 0))
    assert all(re.fullmatch(r"(The . of[\w ]+, it says\.\s*)+", one) for one in made)


def test_chunks_are_filled(tokenizer):
    spans = list(cut_prose(PROSE, tokenizer, 120, 0))
    assert sum(span.n_tokens for span in spans) > 0.8 * 120 * len(spans)
    assert min(span.n_tokens for span in spans) > 0.4 * 120


@pytest.mark.parametrize("n_sentences", range(7, 30))
def test_no_chunk_at_the_end_is_tiny(tokenizer, n_sentences):
    text = "The tide of the sea is high. " * n_sentences
    spans = list(cut_prose(text, tokenizer, 60, 0))
    assert min(span.n_tokens for span in spans) > 20


def test_neighbours_share_whole_sentences(tokenizer):
    spans = list(cut_prose(PROSE, tokenizer, 80, 30))
    shared = [PROSE[b.start : a.end] for a, b in itertools.pairwise(spans)]
    assert sum(map(bool, shared)) > 0.9 * len(shared)
    assert all(re.fullmatch(r"(The . of[\w ]+, it says\.\s*)*", one) for one in shared)


def test_words_of_a_long_sentence_stay_whole(tokenizer):
    text = "the sea\u00a0is salt and " * 100
    made = texts(text, cut_prose(text, tokenizer, 20, 5))
    assert {word for one in made for word in one.split()} == set(text.split())


@pytest.mark.parametrize(
    "grapheme",
    ["👨‍👩‍👧‍👦", "🇨🇭", "e\u0301\u0323", "\u0e01\u0e49", "각"],
    ids=["family", "flag", "accents", "thai", "jamo"],
)
def test_graphemes_stay_whole(tokenizer, grapheme):
    text = "x" + grapheme * 400
    made = texts(text, cut_prose(text, tokenizer, 90, 0))
    assert len(made) > 5
    assert all(one.removeprefix("x").replace(grapheme, "") == "" for one in made)


@pytest.mark.parametrize("part_chars", [100, 999, 5000])
def test_parts_are_cut_between_paragraphs(tokenizer, part_chars):
    spans = OutlineCutter(tokenizer, 60, 0, read_prose, part_chars).cut(PROSE)
    made = texts(PROSE, spans)
    assert "".join("".join(made).split()) == "".join(PROSE.split())
    assert all(one.startswith("The") and one.endswith("says.") for one in made)
