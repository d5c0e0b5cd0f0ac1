"""Tokens are those of one encoding by ``tokenizers``, whatever the engine and the windows."""

import functools
import random

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.config.files import samples_dir
from synth.texts import TextFile
from synth.tokens import Tokens
from synth.tokens.fast import Fast
from synth.tokens.plain import Plain
from synth.tokens.windows import Sizes, Windows

FAST = {"smollm2", "gpt-2", "roberta", "llama-3", "llama-3-trimmed", "qwen", "llama-2", "gemma"}
TINY = Sizes(fast=160, plain=80, overlap=40, n_same=4, n_same_inside=200)
ODD = [
    "word", "ﬁne", "The", "don't", "WE'LL", "naïve", "e\u0301", "a\u0308\u0323", "\u0301", "\u212b",
    "가", "\u1100\u1161", "👨‍👩‍👧‍👦", "🇨🇭", "👍🏽", "東京。", "首都", "עברית", "العربيّة", "हिन्दी", "ไทย", "½",
    "1", "1234567", "...", "!?", "=====", "▁", "\0", "\x1b", "\u200b", "\ufeff", "\u2028", "\u00a0",
    " ", "  ", " " * 30, "\n", "\r\n", "\n\n\n", "\t", "</s>", "<|im_start|>", "<mask>", "<0x0A>",
    "<unk>", "</", "s>", "a" * 50, "é" * 20, "\u0958", ")\n", " \n", "x ",
]  # fmt: skip
TEXTS = st.lists(
    st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    max_size=60,
).map("".join)


@functools.cache
def load(path):
    plain = Plain(path)
    return tokenizers.Tokenizer.from_file(str(path)), plain, Fast.load(path, plain)


def reference(path, text):
    """The boundaries by their rule, from one encoding of the whole text."""
    encoding = load(path)[0].encode(text, add_special_tokens=False)
    bounds, end = [], 0
    for begin, stop in encoding.offsets:
        start = min(begin, end)
        end = max(end, stop)
        bounds.append((start, end))
    if bounds:
        bounds[-1] = (bounds[-1][0], len(text))
    return bounds


def bounds_of(path, text, sizes=TINY, *, fast=True):
    _, plain, engine = load(path)
    tokens = Tokens(len(text), Windows(text, engine if fast else None, plain, sizes).pieces())
    return [(tokens.start(i), tokens.end(i + 1)) for i in range(len(tokens))]


def test_engine_is_used_for_the_families_that_it_knows(paths):
    assert {name for name, path in paths.items() if load(path)[2]} == FAST


@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
def test_boundaries_are_those_of_one_encoding(paths, family, text):
    assert bounds_of(paths[family], text, Sizes()) == reference(paths[family], text)


@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_windows_join_to_one_encoding(paths, family, text, fast):
    text = text * 3
    assert bounds_of(paths[family], text, fast=fast) == reference(paths[family], text)


RUNS = {
    "spaces": "The end." + " " * 3000 + "\nand",
    "new lines": "a\n" + "\n" * 3000 + " b",
    "a's": "so " + "a" * 5001 + " it goes",
    "digits": "no. " + "".join(random.Random(0).choices("0123456789", k=4001)) + " of",
    "one word": "x " + "".join(random.Random(1).choices("abcdeilnorst", k=4001)) + " y",
    "marks": "e" + "\u0301" * 999 + " " + "." * 1001,
    "no spaces": "東京は日本の首都です。" * 200,
    "emoji": "👨‍👩‍👧‍👦🇨🇭👍🏽" * 150,
    "specials": "</s><|im_start|>" * 200,
    "prose": "The Moon raises the tides of the sea, twice a day. " * 80,
    "ends in a token": "The tide turns. " * 11 + "<|im_start|>",
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_windows_join_in_long_runs(paths, family, run, fast):
    text = RUNS[run]
    assert bounds_of(paths[family], text, fast=fast) == reference(paths[family], text)


@pytest.mark.parametrize("run", ["a's", "digits", "one word", "emoji"])
def test_runs_without_words_are_joined_in_windows(paths, run):
    path = paths["llama-3"]
    text, sizes = RUNS[run] * 5, Sizes(2500, 2500, 600, n_same_inside=100)
    _, plain, engine = load(path)
    assert len(list(Windows(text, engine, plain, sizes).pieces())) > 3
    assert bounds_of(path, text, sizes) == reference(path, text)


def test_a_file_has_the_tokens_of_its_text(paths, family, tmp_path):
    text = "".join(path.read_text() for path in sorted(samples_dir().iterdir()))
    (tmp_path / "text.txt").write_text(text)
    sizes = Sizes(fast=5000, plain=2000, overlap=500)
    made = bounds_of(paths[family], TextFile(tmp_path / "text.txt"), sizes)
    assert made == reference(paths[family], text)


def test_one_odd_character_does_not_slow_all(paths, monkeypatch):
    path = paths["qwen"]
    text = "Tides turn. " * 5000 + "e\u0301 " + "Tides turn. " * 5000
    _, plain, _ = load(path)
    seen, encode = [], plain.encode
    monkeypatch.setattr(plain, "encode", lambda text: seen.append(len(text)) or encode(text))
    made = bounds_of(path, text, Sizes(fast=1 << 16, plain=2000, overlap=500))
    assert 0 < sum(seen) < len(text) / 10
    assert made == reference(path, text)
