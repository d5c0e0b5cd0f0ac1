"""How much of an answer its text holds, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.filters.agreement import agrees
from synth.filters.evidence import Passage, find_support, is_copied
from synth.filters.words import analyse

TEXT = (
    "Built in 1887, the lighthouse on Skarn is thirty-one metres tall. Its first keeper was Anders "
    "Wiik. After several vessels had foundered on the reef, the town asked for a stronger lamp. "
    "What does the lamp burn? It burns rapeseed oil."
)


@pytest.fixture
def support():
    def find(question, answer, text=TEXT, language="en", start=0):
        passages = [Passage(text, language, start)]
        return find_support(analyse(question, language), analyse(answer, language), passages)

    return find


@pytest.mark.parametrize(
    ("question", "answer", "least", "most"),
    [
        ("When was the lighthouse built?", "In 1887.", 1, 1),
        ("When was the lighthouse built?", "It was built in 1902.", 0, 0),
        ("How tall is it?", "31 metres", 1, 1),
        ("How tall is it?", "It is 35 metres tall.", 0, 0),
        ("How tall is it?", "31.0 metres", 1, 1),
        ("Who was the first keeper?", "Anders Wiik", 1, 1),
        ("Who was the first keeper?", "The first keeper was Johan Falk.", 0, 0),
        ("Who kept it?", "Anders Wiik, the first. Afterwards some vessels foundered.", 0.6, 0.95),
        ("Who was the keeper?", "The first keeper, hired by the town, was Johan Falk.", 0, 0.3),
        ("Why was a stronger lamp asked for?", "Vessels had foundered on the reef.", 0.9, 1),
        ("Was it built in 1887?", "Yes.", 0.9, 1),
        ("Was it built by Swedish engineers?", "Yes, it was.", 0, 0.5),
        ("What does it burn?", "Electric sparks from magnets", 0, 0.2),
        ("What does it burn?", "", 0, 0.2),
    ],
)
def test_share(support, question, answer, least, most):
    assert least <= support(question, answer).share <= most


def test_one_wrong_number_of_two_is_too_many(support):
    answer = "It was built in 1887 and is 35 metres tall."
    assert support("What is known of it?", answer).share == 0.25


@pytest.mark.parametrize(
    ("question", "answer", "shown"),
    [
        ("Who was the first keeper?", "Anders Wiik", "Its first keeper was Anders Wiik."),
        ("How tall is it?", "31 metres", TEXT[:65]),
        (
            "What is known of keeper and height?",
            "Anders Wiik kept it, and it is thirty-one metres tall.",
            f"{TEXT[:65]} Its first keeper was Anders Wiik.",
        ),
    ],
)
def test_evidence_is_the_sentences_that_hold_it(support, question, answer, shown):
    start, end = support(question, answer, start=1000).evidence
    assert TEXT[start - 1000 : end - 1000] == shown


def test_nothing_found_has_no_evidence(support):
    assert support("Who sings?", "Nobody knows her.").evidence is None


def test_best_of_several_passages(support):
    passages = [Passage("Nothing here.", "en", 0), Passage(TEXT, "en", 500)]
    words = [analyse(text, "en") for text in ("Who was the first keeper?", "Anders Wiik")]
    assert find_support(*words, passages).evidence == (566, 566 + 33)


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_any_text_has_a_share_and_a_span_in_it(text, question, answer):
    passage = Passage(text, "en", 7)
    found = find_support(analyse(question, "en"), analyse(answer, "en"), [passage])
    assert 0 <= found.share <= 1
    if found.evidence is not None:
        start, end = found.evidence
        assert 7 <= start < end <= 7 + len(text)
        assert text[start - 7 : end - 7].strip()


@pytest.mark.parametrize(
    ("question", "copied"),
    [
        ("Its first keeper was Anders Wiik?", True),
        ("The town asked for a stronger lamp?", True),
        ("What does the lamp burn?", False),  # a question there, too
        ("Which keeper was the first on Skarn?", False),
        ("A lamp?", False),
    ],
)
def test_copied_statement(question, copied):
    assert is_copied(question, analyse(question, "en"), Passage(TEXT, "en")) is copied


@pytest.mark.parametrize(
    ("reply", "same"),
    [
        ("It was Anders Wiik who kept it first.", True),
        ("I don't know.", False),
        ("Johan Falk was the first keeper.", False),
        ("", False),
    ],
)
def test_replies_agree_by_what_they_say(reply, same):
    assert agrees(reply, "Anders Wiik", "Who was the first keeper?") is same


@pytest.mark.parametrize(("reply", "same"), [("Yes, it was.", True), ("No.", False)])
def test_yes_agrees_with_yes(reply, same):
    assert agrees(reply, "Yes.", "Was it built in 1887?") is same
