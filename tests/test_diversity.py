"""How different questions are."""

import pytest

from synth.diversity import distinct, measure_diversity, self_bleu

DIFFERENT = [
    *(
        "How tall is the lighthouse?",
        "Who kept its lamp in winter?",
        "What does yeast eat at night?",
    ),
    *(
        "When were the valves opened?",
        "Why do tides follow the Moon?",
        "Which port exports cheese?",
    ),
    *(
        "Where may guests smoke?",
        "Is membership free?",
        "List all spare parts.",
        "Can I pay by card?",
    ),
]


def test_distinct_is_the_share_of_different_runs():
    texts = [["a", "b", "c"], ["a", "b", "d"]]
    assert distinct(texts, 1) == pytest.approx(4 / 6)
    assert distinct(texts, 2) == pytest.approx(3 / 4)
    assert distinct(texts, 4) == 0


def test_self_bleu_knows_copies_from_others():
    assert self_bleu(["how tall is the old lighthouse"] * 5) == pytest.approx(1)
    assert self_bleu(DIFFERENT) < 0.2


def test_figures():
    figures = measure_diversity(DIFFERENT, {"what": 3, "how": 1})
    assert figures["questions/what_frac"] == 0.75
    assert figures["quality/distinct_2_frac"] > 0.9
    assert measure_diversity([DIFFERENT[0]] * 20, {})["quality/distinct_1_frac"] == 0.05


def test_sample_depends_on_the_questions_and_not_on_their_order():
    many = [f"How tall is tower {n}, seen from {n * 7 % 11} miles?" for n in range(3000)]
    assert measure_diversity(many, {}) == measure_diversity(reversed(many), {})


def test_few_questions_tell_nothing():
    assert measure_diversity(DIFFERENT[:9], {"what": 9}) == {}
