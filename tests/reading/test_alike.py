"""Documents that are alike are found, and those that only look so are not."""

import random

import pytest

from synth.reading import alike
from synth.reading.alike import Library, sign
from synth.texts import TextFile

DRAWS = random.Random(4)
WORDS = ["".join(DRAWS.choices("abcdefgh", k=DRAWS.randint(2, 7))) for _ in range(4000)]
TEXT = " ".join(WORDS)
IDEOGRAPHS = "".join(chr(0x4E00 + DRAWS.randrange(3000)) for _ in range(2000))


def edit(text, frac, seed=0, between=" "):
    """Return a text of which a share of the words is another one."""
    draws = random.Random(seed)
    return between.join(word if draws.random() >= frac else f"{word}x" for word in text.split(" "))


def compare(one, other, similarity=0.9):
    library = Library(similarity)
    assert library.find("one", sign(one)) is None
    return library.find("other", sign(other))


@pytest.mark.parametrize(
    "other",
    [
        TEXT.replace(" ", "\n"),
        TEXT.upper(),
        TEXT.replace(" ", ", "),
        f"Page 1 of 9. {TEXT} All rights reserved.",
        edit(TEXT, 0.003),
    ],
    ids=["reflowed", "case", "punctuation", "header", "few words"],
)
def test_same_text_in_another_dress_is_found(other):
    name, similarity = compare(TEXT, other)
    assert name == "one"
    assert 0.9 <= similarity <= 1


@pytest.mark.parametrize("frac", [0.05, 0.1, 0.4])
def test_other_text_is_not_found(frac):
    assert all(compare(TEXT, edit(TEXT, frac, seed)) is None for seed in range(10))


def test_the_share_is_estimated():
    # A sequence of five words stays with 0.99^5 of them; J = s / (2 - s).
    similarities = [compare(TEXT, edit(TEXT, 0.01, seed), 0.5)[1] for seed in range(20)]
    assert sum(similarities) / 20 == pytest.approx(0.907, abs=0.02)


def test_languages_without_spaces_are_compared_by_character():
    other = IDEOGRAPHS[:1000] + "\u4e00" + IDEOGRAPHS[1000:]
    assert compare(IDEOGRAPHS, other)[1] > 0.95
    assert compare(IDEOGRAPHS, IDEOGRAPHS[::-1]) is None


@pytest.mark.parametrize(("one", "other"), [("a b c", "a b d"), ("Yes.", "No."), ("!", "?!")])
def test_short_texts_are_alike_only_if_their_words_are(one, other):
    assert (compare(one, other) is None) == (one != "!")
    assert compare(one, f" {one.upper()} ") is not None


def test_template_with_other_content_stays():
    form = "Dear {}, your order {} of {} will be at {} on {}. Thank you, {}."
    one, other = (form.format(*(f"{n}{word}" for word in WORDS[:6])) for n in (1, 2))
    assert compare(one, other) is None


def test_long_text_is_signed_piece_by_piece(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    whole = sign(TEXT)
    monkeypatch.setattr(alike, "_PIECE_CHARS", 1000)
    assert sign(TextFile(path)) == sign(TEXT)
    library = Library(0.9)
    library.find("whole", whole)
    assert library.find("pieces", sign(TEXT)) is not None


def test_lowest_hashes_stand_for_a_long_text(monkeypatch):
    monkeypatch.setattr(alike, "_N_SEQUENCES", 500)
    assert compare(TEXT, edit(TEXT, 0.003))[1] > 0.9
    assert compare(TEXT, edit(TEXT, 0.1)) is None


def test_equal_ones_only():
    library = Library(None)
    assert library.find("one", sign(TEXT)) is None
    assert library.find("other", sign(TEXT)) is None
    assert library.find("one", sign(TEXT)) == ("one", 1.0)


def test_many_documents_are_kept_and_found(monkeypatch):
    monkeypatch.setattr(alike._Index, "_LEAST", 100)
    library = Library(0.9)
    texts = [" ".join(f"{n}{word}" for word in WORDS[:40]) for n in range(300)]
    signatures = list(map(sign, texts))
    assert all(library.find(str(n), one) is None for n, one in enumerate(signatures))
    found = [library.find("again", one) for one in signatures]
    assert found == [(str(n), 1.0) for n in range(300)]
