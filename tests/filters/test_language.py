"""Which language a text is in."""

import pytest

from synth.filters.language import differ, guess

ENGLISH = "The lighthouse on Skarn was built in 1887 and is thirty-one metres tall."
GERMAN = "Der Leuchtturm auf Skarn wurde 1887 gebaut und ist einunddreißig Meter hoch."
FRENCH = "Le phare de Skarn a été construit en 1887 et mesure trente et un mètres."


@pytest.mark.parametrize(("text", "code"), [(ENGLISH, "en"), (GERMAN, "de"), (FRENCH, "fr")])
def test_guess(text, code):
    assert guess(text).best == code


@pytest.mark.parametrize("text", ["", "27 days", "1887, 31 m", "???"])
def test_short_text_is_in_no_language(text):
    assert guess(text).best == ""


def test_languages_differ_when_they_are_sure():
    assert differ(guess(GERMAN), guess(ENGLISH))
    assert not differ(guess("Skarn, Wiik, Moen, Falk?"), guess(ENGLISH))
    assert not differ(guess(ENGLISH), guess(f"{ENGLISH} It has a lamp."))
    assert not differ(guess(ENGLISH), guess(""))
