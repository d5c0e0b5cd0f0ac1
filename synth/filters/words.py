"""Texts as words that can be compared: stems, and how much each of them says.

Two words are the same if their stems are (Snowball's, by language). A word says the more the rarer
it is in its language (wordfreq's Zipf scale: 7.7 for "the", 4.3 for "pump"): from 6.5 on nothing,
up to 4.5 all. In Chinese, Japanese and Korean each character is a word.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any, NamedTuple

import Stemmer
import wordfreq

from synth.filters.numerals import MOST_WORDS, begins_numeral, find_numeral

_CHARACTERS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_NUMBER = r"\d+(?:[.,:]\d+)*"
_LETTERS = f"[^\\W\\d_{_CHARACTERS}]"
_FOLLOWING = f"[^\\W_{_CHARACTERS}]"
_WORD = re.compile(f"[{_CHARACTERS}]|{_NUMBER}|{_LETTERS}{_FOLLOWING}*(?:['\u2019]{_FOLLOWING}+)*")
_ELIDED = re.compile(
    r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|dell?|all?|nell?|sull?|un)['\u2019](?=\w)"
)
_ELIDING = ("ca", "fr", "it")
_WHOLE = re.compile(r"(\d+)\.0+")
"""A number with nothing behind its point: 78.00 euros, 8:00 in the morning."""
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+")

_OPENING = re.compile(r"(?:\A|[.!?\u2026\n])[\s\"'\u201c\u00ab(*\u2022\u2013-]*\Z")
_MOST_SIGNS = 4
"""Between two sentences."""
_SAYS_NOTHING, _SAYS_ALL = 6.5, 4.5
_UNKNOWN_SHORT = 0.3
"""What a word of up to three letters says in a language without frequencies."""
_MOST_KNOWN = 2**17
_STEMMED = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nl": "dutch",
    "no": "norwegian",
    "nb": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "cs": "czech",
    "fa": "persian",
    "et": "estonian",
    "eu": "basque",
}


class Word(NamedTuple):
    """A word at its place in a text."""

    start: int
    end: int
    stem: str
    weight: float
    """How much it says, from 0 to 1."""
    is_number: bool
    is_capital: bool
    """Whether it is written with one, and not only because it begins a sentence."""


class Stem(NamedTuple):
    """What a word is compared by."""

    text: str
    weight: float
    is_number: bool
    may_count: bool = False
    """Whether a number in words may begin with it."""


def words_of(text: str) -> list[str]:
    """Return the words of ``text`` in the form in which they are compared, unstemmed."""
    return [_normal(found[0]) for found in _WORD.finditer(text)]


def count_words(text: str) -> int:
    """Return how many words ``text`` has."""
    return sum(1 for _ in _WORD.finditer(text))


def analyse(text: str, language: str) -> list[Word]:
    """Return the words of ``text`` with their places.

    Args:
        language: ISO 639-1 code; of one that is not known words are compared as they are.
    """
    known = dictionary(language)
    spans = [found.span() for found in _WORD.finditer(text)]
    normal = [_normal(text[start:end]) for start, end in spans]
    words, position = [], 0
    while position < len(spans):
        start, end = spans[position]
        stem, n_taken = known.stem(normal[position]), 1
        if stem.may_count:
            found = find_numeral(normal[position : position + MOST_WORDS], language)
            if found is not None:
                n_taken, digits = found
                stem, end = Stem(digits, 1.0, is_number=True), spans[position + n_taken - 1][1]
        position += n_taken
        is_capital = text[start].isupper() and not _opens(text, start)
        words.append(Word(start, end, stem.text, stem.weight, stem.is_number, is_capital))
    return words


def _opens(text: str, start: int) -> bool:
    """Return whether a sentence, a line or an item begins where this word does."""
    return _OPENING.search(text[max(0, start - _MOST_SIGNS) : start]) is not None


class Dictionary:
    """Stems and weights of the words of one language; the latest are kept."""

    def __init__(self, language: str) -> None:
        name = _STEMMED.get(language)
        self._stemmer: Any = Stemmer.Stemmer(name) if name in Stemmer.algorithms() else None
        self.language = language
        self._has_frequencies = language in wordfreq.available_languages(
            "small"
        ) and language not in ("ja", "ko", "zh")
        self.stem = lru_cache(_MOST_KNOWN)(self._stem)

    def zipf(self, word: str) -> float:
        """Return how usual a normal form is, 0 to 8; 0 for what is unknown."""
        if not self._has_frequencies:
            return 0.0
        found: float = wordfreq.zipf_frequency(word, self.language, wordlist="small")
        return found

    def _stem(self, normal: str) -> Stem:
        if normal[:1].isdigit():
            plain = re.sub("[.,]", "", normal) if _THOUSANDS.fullmatch(normal) else normal
            if plain == "1":  # which may as well be an article
                return Stem(plain, 0.0, is_number=False)
            digits = re.sub("[,:]", ".", plain)
            if whole := _WHOLE.fullmatch(digits):
                digits = whole[1]
            return Stem(digits, 1.0, is_number=True)
        if normal.endswith("n't"):
            return Stem("not", 0.0, is_number=False)
        if self.language in _ELIDING:
            normal = _ELIDED.sub("", normal)
        text = self._stemmer.stemWord(normal) if self._stemmer else normal
        may_count = begins_numeral(normal, self.language)
        return Stem(text, self._weigh(normal), is_number=False, may_count=may_count)

    def _weigh(self, normal: str) -> float:
        if self._has_frequencies:
            says = (_SAYS_NOTHING - self.zipf(normal)) / (_SAYS_NOTHING - _SAYS_ALL)
            return min(1.0, max(0.0, says))
        is_ideograph = len(normal) == 1 and normal > "\u3000"
        return 1.0 if len(normal) > 3 or is_ideograph else _UNKNOWN_SHORT


@cache
def dictionary(language: str) -> Dictionary:
    """Return the dictionary of a language."""
    return Dictionary(language)


def _normal(word: str) -> str:
    if word.isascii():  # most are, and need no more
        return word.lower()
    return unicodedata.normalize("NFKC", word).casefold().replace("\u2019", "'")
