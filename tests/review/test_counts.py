"""Counts of runs that are small enough to count by hand, and plots of them."""

import pytest

from synth.charts import save_pictures
from synth.filters import count_words
from synth.io import read_jsonl, write_jsonl
from synth.review.counts import Bin, Counts, Coverage, Place, count
from synth.review.pack import choose
from synth.review.plots import draw
from synth.review.questions import TYPES, find_type


@pytest.fixture
def run(write_run):
    """Two documents; the chunks of the first overlap."""
    texts = {"long": "x" * 100, "short": "y" * 10}
    places = [("a", "long", 0, 40), ("b", "long", 30, 70), ("c", "long", 70, 100)]
    chunks = [
        {"id": name, "doc_id": doc, "start": start, "end": end, "n_tokens": 1}
        for name, doc, start, end in [*places, ("d", "short", 0, 10)]
    ]

    def pair(n, chunk, doc, question, answer, **more):
        row = {"id": str(n), "chunk_id": chunk, "doc_id": doc}
        return row | {"question": question, "answer": answer} | more

    echo = {"kept": False, "reasons": ["echo", "copied"], "score": 3.2}
    pairs = [
        pair(0, "a", "long", "What is it?", "A rock.", kept=True, reasons=[], score=8),
        pair(1, "a", "long", "How so?", "It just is.", kept=True, reasons=["echo"], score=8.4),
        pair(2, "b", "long", "Was ist das?", "Ein Stein.", **echo),
        pair(3, "b", "long", "Why?", "One, two.", kept=True, reasons=[], chunk_ids=["b", "a"]),
        pair(4, "d", "short", "Name it.", "Moon", **echo),
    ]
    return write_run(texts, chunks, pairs)


def test_run_is_counted(run):
    counts = count(run)
    assert (counts.n_pairs, counts.n_kept, counts.is_curated) == (5, 3, True)
    assert counts.reasons == {"echo": (1, 2), "copied": (0, 2)}
    assert {name: n for name, n in counts.types.items() if any(n)} == {
        name: (1, 0) if name in ("what", "how", "why") else (0, 1)
        for name in ("what", "how", "why", "request", "other")
    }
    assert list(counts.types) == list(TYPES)
    assert counts.coverage == (Coverage("long.txt", 100, 0.7), Coverage("short.txt", 10, 0.0))
    places = [place for place in counts.places if place.n_chunks]
    assert places == [Place(1, 1, 2), Place(2, 1, 1), Place(1, 0, 0)]  # "d" is in the middle
    assert counts.question_words[0] == Bin(1, 2, 1, 0)
    assert sum(one.n_kept for one in counts.answer_words) == 3
    assert [one for one in counts.scores if one.n_kept or one.n_dropped] == [
        Bin(3, 3.5, 0, 2),
        Bin(8, 8.5, 2, 0),
    ]


def test_chunk_of_a_pair_of_several_is_covered(run):
    rows = list(read_jsonl(run / "pairs.jsonl"))
    rows = [row | {"kept": row["id"] == "3", "chunk_ids": ["b", "c"]} for row in rows]
    write_jsonl(run / "pairs.jsonl", rows)
    counts = count(run)
    assert counts.coverage[0] == Coverage("long.txt", 100, 0.7)
    assert sum(place.n_covered for place in counts.places) == 2
    assert sum(place.n_kept for place in counts.places) == 1


def test_long_answers_are_in_the_last_bin(write_run):
    answers = ["word " * n for n in [1, *range(100, 300)]] + ["word " * 10_000]
    pairs = [
        {"id": str(n), "chunk_id": "c", "doc_id": "d", "question": "Why?", "answer": answer}
        for n, answer in enumerate(answers)
    ]
    bins = count(write_run({}, [], pairs)).answer_words
    assert len(bins) <= 21
    assert sum(one.n_kept for one in bins) == 202
    assert bins[-1].high < 400


def test_nothing_is_no_plot(tmp_path):
    assert count(tmp_path) == Counts(
        types=dict.fromkeys(TYPES, (0, 0)), places=(Place(0, 0, 0),) * 10
    )
    assert draw(count(tmp_path)) == {}


def test_pictures_are_drawn(run, tmp_path):
    plots = draw(count(run), [("asked", 9), ("accepted", 3)])
    assert list(plots) == [
        *("waterfall", "reasons", "types", "places", "question_words", "answer_words"),
        *("scores", "coverage"),
    ]
    paths = save_pictures(plots, tmp_path / "plots")
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_plots_hold_counts_and_no_pairs(make_run):
    sizes = [sum(map(len, draw(count(make_run(2, n, 2))).values())) for n in (2, 40)]
    assert sizes[1] < 1.5 * sizes[0]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What's a moon?", "what"),
        ("In which year was it?", "which"),
        ("According to the text, who came?", "who"),
        ("To whom was it given?", "who"),
        ("“Where” is it?", "where"),
        ("Is the Moon a rock?", "yes-no"),
        ("Did she?", "yes-no"),
        ("Please, explain it.", "request"),
        ("Describe two craters.", "request"),
        ("Was ist der Mond?", "other"),
        ("¿Has visto la luna?", "other"),
        ("月とは何ですか？", "other"),
        ("", "other"),
    ],
)
def test_questions_have_a_type(question, kind):
    assert find_type(question) == kind


def test_words_are_counted():
    assert count_words("It's 3.5 km, isn’t it? Ölöf") == 6


def test_chunks_are_chosen_over_the_whole_run():
    sizes = {str(n): 1 + n % 3 for n in range(300)}
    assert choose(sizes, 600, 0) == set(sizes)
    chosen = choose(sizes, 60, 1)
    assert 50 <= sum(sizes[name] for name in chosen) <= 60
    assert {int(name) // 60 for name in chosen} == set(range(5))
    assert choose(sizes, 60, 1) == chosen != choose(sizes, 60, 2)
    assert len(choose({"a": 9, "b": 9}, 1, 0)) == 1
