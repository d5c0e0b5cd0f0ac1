"""Numbers in words, by language: "twenty-five" is 25, wherever it stands.

The words are those of num2words for 2 to 1000, round thousands, and halves; times of day have a stop,
as 10:30 is read. "One" is left out: in most languages it is an article, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from num2words import num2words

_NUMBERS = (0, *range(2, 1001), *range(2000, 10_001, 1000), 100_000, 1_000_000)
_HALVES = {
    "en": "{} and a half",
    "de": "{}einhalb",
    "fr": "{} et demi",
    "es": "{} y medio",
    "it": "{} e mezzo",
    "nl": "{}enhalf",
}
_TIMES = {
    "en": {"half past {}": (0, 30), "quarter past {}": (0, 15), "quarter to {}": (-1, 45)},
    "de": {"halb {}": (-1, 30), "viertel nach {}": (0, 15), "viertel vor {}": (-1, 45)},
    "fr": {"{} heures et demie": (0, 30), "{} heures et quart": (0, 15)},
}
"""Hours and minutes that are added to the number."""
_GENDERS = {
    "es": (("uno", "una"), ("uno", "ún"), ("uno", "un"), ("cientos", "cientas")),
    "fr": (("et un", "et une"),),
    "it": (("uno", "un"), ("uno", "una")),
    "pt": (("um", "uma"), ("dois", "duas"), ("entos", "entas")),
}
"""Ends of numbers, and what they are beside nouns of another gender."""
_OTHERS = {
    "en": {"dozen": "12", "fortnight": "2"},  # a fortnight has two weeks
    "de": {"dutzend": "12"},
    "fr": {"douzaine": "12", "quinzaine": "15"},
}
_LANGUAGES = frozenset(
    [
        "ar",
        "cs",
        "da",
        "de",
        "en",
        "es",
        "fi",
        "fr",
        "he",
        "hu",
        "id",
        "it",
        "lt",
        "lv",
        "nl",
        "no",
        "pl",
        "pt",
        "ro",
        "ru",
        "sl",
        "sr",
        "sv",
        "tr",
        "uk",
    ]
)
MOST_WORDS = 5
"""Of a number that is found."""

Names = Mapping[str, Sequence[tuple[tuple[str, ...], str]]]


def begins_numeral(word: str, language: str) -> bool:
    """Return whether the name of a number begins with a word in normal form."""
    return word in _names(language)


def find_numeral(words: Sequence[str], language: str) -> tuple[int, str] | None:
    """Return how many of the first words are a number, and its digits; None if they are none.

    Args:
        words: in normal form, at least :data:`MOST_WORDS` of them where there are so many.
    """
    for name, digits in _names(language).get(words[0], ()):
        if tuple(words[: len(name)]) == name:
            return len(name), digits
    return None


@cache
def _names(language: str) -> Names:
    """Return the names of numbers by their first word, the longest first."""
    if language not in _LANGUAGES:
        return {}
    names: dict[tuple[str, ...], str] = {}
    for number in _NUMBERS:
        name = _spell(number, language)
        _add(names, name, str(number))
        for other in _variants(name, language):
            _add(names, other, str(number))
    for hour in range(1, 25):
        _add_parts(names, hour, _spell(hour, language), language)
    for other, digits in _OTHERS.get(language, {}).items():
        _add(names, other, digits)
    if (hundred := _spell(100, language).split()[-1]) != _spell(100, language):
        _add(names, hundred, "100")
    by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for words, digits in sorted(names.items(), key=lambda item: -len(item[0])):
        by_first.setdefault(words[0], []).append((words, digits))
    return by_first


def _variants(name: str, language: str) -> Iterator[str]:
    """Yield the other forms of a name."""
    if " and " in name:
        yield name.replace(" and ", " ")
    for one, other in _GENDERS.get(language, ()):
        if name.endswith(one):
            yield name.removesuffix(one) + other


def _add_parts(names: dict[tuple[str, ...], str], number: int, name: str, language: str) -> None:
    if language in _HALVES and number > 1:
        _add(names, _HALVES[language].format(name), f"{number}.5")
    for form, (hours, minutes) in _TIMES.get(language, {}).items():
        _add(names, form.format(name), f"{number + hours}.{minutes}")


def _add(names: dict[tuple[str, ...], str], name: str, digits: str) -> None:
    words = tuple(name.casefold().replace("-", " ").replace(",", "").split())
    if 0 < len(words) <= MOST_WORDS:
        names.setdefault(words, digits)


def _spell(number: int, language: str) -> str:
    try:
        name: str = num2words(number, lang=language)
    except (NotImplementedError, OverflowError, ValueError):
        return ""
    return name
