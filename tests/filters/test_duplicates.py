"""Which questions are asked twice."""

from dataclasses import replace

import pytest

from synth.filters.duplicates import find_duplicates, key_of
from synth.filters.words import analyse, words_of


def key(question, answer, place=None, language="en"):
    asked, said = analyse(question, language), analyse(answer, language)
    return key_of(words_of(question), asked, said, place)


@pytest.fixture
def found():
    """Return what pairs of a question and an answer repeat."""

    def find(*pairs, good=None, similarity=0.85):
        keys = [key(*pair) for pair in pairs]
        return find_duplicates(keys, good or [True] * len(keys), similarity)

    return find


FIRST = ("How tall is the lighthouse on Skarn?", "31 metres")


@pytest.mark.parametrize(
    ("question", "answer", "is_exact"),
    [
        ("how tall  is the lighthouse on Skarn", "It is tall.", True),
        ("How tall is the Skarn lighthouse?", "31 metres tall.", False),
        ("How tall exactly is the lighthouse on Skarn?", "It is 31 metres tall.", False),
        ("How tall is the lighthuose on Skarn?", "It is 31 metres.", False),
    ],
)
def test_repeated(found, question, answer, is_exact):
    assert found(FIRST, (question, answer)) == {1: (0, is_exact)}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How old is the lighthouse on Skarn?", "130 years"),
        ("How tall is the lighthouse on Moen?", "31 metres"),
        ("Why is the lighthouse on Skarn so tall?", "The rock is low."),
        ("How tall is the lighthouse on Skarn not?", "It is not 50 metres."),
    ],
)
def test_others_are_asked_once(found, question, answer):
    assert found(FIRST, (question, answer)) == {}


def test_other_word_is_no_matter_where_the_evidence_is_the_same(found):
    one = ("What does the red valve of the cooling circuit do?", "It stops the flow.", ("d", 0, 50))
    other = (
        "What does the blue valve of the cooling circuit do?",
        "It stops the flow.",
        ("d", 9, 60),
    )
    elsewhere = (*other[:2], ("d", 90, 99))
    assert found(one, elsewhere, similarity=0.8) == {}
    assert found(one, other, similarity=0.8) == {1: (0, False)}


def test_questions_with_one_answer_from_one_sentence_may_be_less_alike(found):
    one = ("Who starts the game of the Foggy Market?", "The eldest player.", ("d", 0, 50))
    other = ("Which player starts the game of the Foggy Market?", *one[1:])
    assert found(one, other) == {1: (0, False)}
    assert found(one, (*other[:2], ("d", 90, 99))) == {}
    assert found(one, (other[0], "The one with a lamp.", one[2])) == {}


def test_pair_without_a_fault_stands_for_the_others(found):
    pairs = [FIRST, FIRST, ("How tall is the Skarn lighthouse?", "31 metres")]
    assert found(*pairs, good=[False, True, True]) == {0: (1, True), 2: (1, False)}


def test_first_of_very_many_stands_for_all_of_them():
    """More than are compared with one by one: each is like those before it, and so like the first."""
    one = key(*FIRST)
    keys = [replace(one, question=bytes([number])) for number in range(200)]
    assert find_duplicates(keys, [True] * 200, 0.85) == dict.fromkeys(range(1, 200), (0, False))


def test_order_of_the_pairs_decides_and_not_that_of_their_words(found):
    first = ("Who was the first keeper of Skarn?", "Anders Wiik")
    pairs = [first, FIRST, ("Who was the first keeper on Skarn?", "Anders Wiik"), FIRST[::-1]]
    pairs.append(("How tall is the lighthouse of Skarn?", "31 metres"))
    assert found(*pairs) == {2: (0, False), 4: (1, False)}
    assert found(*pairs[::-1]) == {3: (0, False), 4: (2, False)}


def test_numbers_tell_questions_apart(found):
    assert (
        found(("When did Apollo 11 land?", "In 1969"), ("When did Apollo 12 land?", "In 1969"))
        == {}
    )


def test_likeness_is_a_setting(found):
    other = ("How tall is the old white lighthouse on Skarn?", "31 metres")
    assert found(FIRST, other) == {}
    assert found(FIRST, other, similarity=0.7) == {1: (0, False)}


def test_question_without_words_is_alone(found):
    assert found(("?", "a"), ("!", "b"), ("How?", "c")) == {1: (0, True)}


def test_steps_of_one_sentence_are_no_duplicates(found):
    place = ("d", 0, 90)
    one = ("What does step 2 of the start do?", "It stops the flow.", place)
    assert found(one, ("What does step 3 of the start do?", "It stops the flow.", place)) == {}
