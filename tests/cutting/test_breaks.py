"""Where sentences, lines and paragraphs end, in many languages."""

import pytest

from synth.cutting.breaks import INNER, find_breaks

WHOLE = [
    "Dr. Brown met J. R. R. Tolkien, e.g. in Oxford.",
    "It is 3.14 or so, says Fig. 3 of vol. 2.",
    "Am 3. Oktober kam Prof. Weiß, d.h. spät.",
    '"Who is there?" he asked.',
    "Wait... what?",
    "The file name.txt is at example.org/a.b.",
]
DIVIDED = {
    "english": "One is here. Two is there! Three? “Four.” (Five.) Six.",
    "chinese": "一是这里。二是那里！三？「四。」（五。）六。",
    "arabic": "واحد؟ اثنان. ثلاثة! أربعة؟ خمسة. ستة",
    "hindi": "एक है। दो है। तीन है। चार है। पाँच है। छह",
    "ellipsis": "One… Two… Three… Four… Five… Six",
    "marked": "One *is.* Two **is.** Three `is.` Four _is_. (Five is.)_ Six",
}


def pieces(text, below=INNER):
    breaks = find_breaks(text)
    breaks = breaks.select(breaks.penalty < below)
    starts, stops = [0, *breaks.at.tolist()], [*breaks.stop.tolist(), len(text)]
    return [text[start:stop] for start, stop in zip(starts, stops, strict=True)]


@pytest.mark.parametrize("text", WHOLE)
def test_sentence_is_not_divided(text):
    assert pieces(text) == [text]


@pytest.mark.parametrize("text", DIVIDED.values(), ids=DIVIDED)
def test_sentences_are_divided(text):
    assert len(pieces(text)) == 6


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", "\u2028"], ids=["lf", "crlf", "cr", "separator"]
)
def test_paragraphs_are_better_than_lines_and_lines_than_sentences(end):
    breaks = find_breaks(f"A is. B is.{end}C is.{end} {end}D")
    assert breaks.n_lines.tolist() == [0, 1, 2]
    assert sorted(breaks.penalty, reverse=True) == breaks.penalty.tolist()
    assert len(set(breaks.penalty)) == 3


def test_line_that_goes_on_is_the_last_choice():
    text = "The sea\nis salt, and\nThe moon\nIs a rock"
    assert pieces(text) == ["The sea\nis salt, and", "The moon", "Is a rock"]
    assert pieces(text, below=9) == ["The sea", "is salt, and", "The moon", "Is a rock"]


def test_white_space_is_in_no_piece():
    assert pieces(" \n One. \t\n\n \n Two. \n") == [" \n One.", "Two. \n"]
