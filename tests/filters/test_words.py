"""Words, numbers in words, and how much they say."""

import pytest

from synth.filters.words import analyse, count_words, words_of


@pytest.mark.parametrize(
    ("text", "language", "stems"),
    [
        ("The pumps' valves", "en", ["the", "pump", "valv"]),
        ("L\u2019eau qu'il boit", "fr", ["eau", "il", "boit"]),
        ("in 1,887 or 1.887 days", "en", ["in", "1887", "or", "1887", "day"]),
        ("4,2 and 4.2", "en", ["4.2", "and", "4.2"]),
        ("0.994 m or 78,00", "en", ["0.994", "m", "or", "78"]),
        ("31m at 10:30", "en", ["31", "m", "at", "10.30"]),
        ("月面 abc", "zh", ["月", "面", "abc"]),
        ("It isn't", "en", ["it", "not"]),
        ("Ⅻ ﬁsh", "en", ["xii", "fish"]),
        ("", "en", []),
    ],
)
def test_stems(text, language, stems):
    assert [word.stem for word in analyse(text, language)] == stems


@pytest.mark.parametrize(
    ("text", "language", "number"),
    [
        ("twenty-five", "en", "25"),
        ("two hundred and six", "en", "206"),
        ("two hundred six", "en", "206"),
        ("a hundred", "en", "100"),
        ("three and a half", "en", "3.5"),
        ("half past ten", "en", "10.30"),
        ("quarter to one", "en", "0.45"),
        ("fünfundzwanzig", "de", "25"),
        ("halb elf", "de", "10.30"),
        ("quatre-vingt-dix", "fr", "90"),
        ("veinte", "es", "20"),
        ("treinta y una", "es", "31"),
        ("doscientas", "es", "200"),
        ("vingt et une", "fr", "21"),
        ("ventun", "it", "21"),
    ],
)
def test_number_in_words_is_one(text, language, number):
    found = [word for word in analyse(f"x {text} y", language) if word.is_number]
    assert [word.stem for word in found] == [number]
    assert found[0].end == len(f"x {text}")


def test_articles_are_no_numbers():
    assert not any(word.is_number for word in analyse("one lamp, a pump, 1 switch", "en"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Then Ida Berg came. Then she left.", ["Ida", "Berg"]),
        ("Because Ida came, Ida Berg left.", ["Ida", "Ida", "Berg"]),
        ("Workers came. Workers left.", []),
        ("The lamp is by Berg: Ida Berg\n- Lamps", ["Berg", "Ida", "Berg"]),
    ],
)
def test_word_is_capital_where_it_begins_no_sentence(text, names):
    shown = [text[word.start : word.end] for word in analyse(text, "en") if word.is_capital]
    assert shown == names


def test_places_are_those_in_the_text():
    text = "„Die  Pumpe läuft 25 Minuten.“"
    shown = [text[word.start : word.end] for word in analyse(text, "de")]
    assert shown == ["Die", "Pumpe", "läuft", "25", "Minuten"]


def test_rare_words_say_more():
    the, people, lighthouse = analyse("the people lighthouse", "en")
    assert the.weight == 0 < people.weight < lighthouse.weight == 1


def test_language_without_frequencies():
    short, long = analyse("abc defgh", "xx")
    assert short.weight < long.weight == 1


def test_words_are_counted_as_they_are_compared():
    assert count_words("don't stop, 月面!") == len(words_of("don't stop, 月面!")) == 4
