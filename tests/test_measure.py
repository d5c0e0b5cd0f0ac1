"""Figures of a run by chunk, and what they make of the whole run."""

import json
import math

import pytest

from synth.io import read_jsonl, write_jsonl
from synth.measure import MEANS, OVERALL, RATIOS, measure, measure_run

CHUNK = "The Moon orbits the Earth once in 27 days; it's a rock."


@pytest.fixture
def run(tmp_path):
    """Write a run with two documents; its pairs are (chunk, question, answer, other columns)."""

    def write(*pairs, failures=()):
        files = {"pairs": [], "failures": list(failures), "requests": [], "chunks": []}
        files["documents"] = [{"id": doc, "n_chars": len(CHUNK)} for doc in ("d1", "d2")]
        half = len(CHUNK) // 2
        places = (("d1", 0, half + 5), ("d1", half, len(CHUNK)), ("d2", 0, len(CHUNK)))
        for number, (doc, start, end) in enumerate(places):
            place = {"doc_id": doc, "start": start, "end": end, "n_tokens": 9}
            files["chunks"].append({"id": f"c{number}"} | place)
            request = {"chunk_id": f"c{number}", "finish_reason": "stop", "output_tokens": 10}
            files["requests"].append(request | {"server_s": 0.5})
        for chunk, question, answer, *columns in pairs:
            row = {"chunk_id": chunk, "question": question, "answer": answer}
            files["pairs"].append(row | (columns[0] if columns else {}))
        for name, rows in files.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        return tmp_path

    return write


def verdict(kept=True, reasons=(), support=1.0, **more):
    return {"kept": kept, "reasons": list(reasons), "support": support, **more}


@pytest.mark.parametrize(
    ("columns", "passed"),
    [
        (verdict(), "formed supported unique good"),
        (verdict(False, ["cut_off"]), ""),
        (verdict(False, ["unsupported"], 0.1), "formed"),
        (verdict(False, ["near_duplicate"]), "formed supported"),
        (verdict(False, ["contaminated"]), "formed supported"),
        (verdict(False, ["low_score"], score=2.0), "formed supported unique"),
        (verdict(True, ["known"]), "formed supported unique good"),
        (verdict(True, ["cut_off"]), ""),  # curate=none keeps it, and it is no better for that
        (verdict(True, ["cut_off"], by_hand="keep"), "formed supported unique good"),
        (verdict(False, [], by_hand="drop"), ""),
    ],
)
def test_steps_that_a_pair_has_passed(run, columns, passed):
    row, *_ = measure(run(("c0", "How long?", "27 days", columns)), 5)
    names = ("formed", "supported", "unique", "good")
    assert [name for name in names if row[f"n_{name}"]] == passed.split()
    assert row["n_kept"] == columns["kept"]


def test_coverage_counts_each_character_once(run):
    folder = run(("c1", "How long?", "27 days", verdict()))
    rows = list(measure(folder, 5))
    half = len(CHUNK) // 2
    assert [row["chars"] for row in rows] == [half + 5, len(CHUNK) - half - 5, len(CHUNK)]
    assert [row["covered_chars"] for row in rows] == [0, len(CHUNK) - half, 0]
    assert [row["n_covered"] for row in rows] == [0, 1, 0]


def test_overlap_of_covered_chunks_counts_once(run):
    folder = run(("c0", "How long?", "27 days", verdict()), ("c1", "Why?", "Rock", verdict()))
    rows = list(measure(folder, 5))
    assert [row["covered_chars"] for row in rows] == [row["chars"] for row in rows[:2]] + [0]
    assert sum(row["covered_chars"] for row in rows) == len(CHUNK)


def test_place_of_what_is_kept(run):
    folder = run(("c0", "How long?", "27 days", verdict()), ("c1", "Why?", "Rock", verdict()))
    metrics = measure_run(folder, 5, is_curated=True)
    assert metrics["quality/place_mean"] == pytest.approx(0.5, abs=0.05)


def test_overall_is_the_geometric_mean_of_its_parts(run):
    folder = run(
        ("c0", "How long?", "27 days", verdict(support=0.8)), ("c2", "So?", "x", verdict())
    )
    metrics = measure_run(folder, 2, is_curated=True)
    parts = [metrics[name] for name in MEANS[OVERALL]]
    assert parts == pytest.approx([2 / 6, metrics["quality/covered_chars_frac"], 0.9])
    assert metrics[OVERALL] == pytest.approx(math.prod(parts) ** (1 / 3))


def test_nothing_good_is_worth_nothing(run):
    folder = run(("c0", "How long?", "27 days", verdict(False, ["echo"])))
    assert measure_run(folder, 2, is_curated=True)[OVERALL] == 0


def test_scores_and_marks(run):
    marks = {"known": True, "answerable": False}
    folder = run(
        ("c0", "How long?", "27 days", verdict(score=8.0)),
        ("c0", "Why?", "Rock", verdict(False, ["low_score"], score=3.0, closed_book=marks)),
        ("c0", "Where?", "Earth", verdict()),
    )
    metrics = measure_run(folder, 5, is_curated=True)
    assert metrics["quality/score_mean"] == 5.5
    assert (metrics["quality/known_frac"], metrics["quality/answerable_frac"]) == (1, 0)


def test_without_verdicts_nothing_is_said_of_them(run):
    metrics = measure_run(run(("c0", "How long?", "27 days")), 5, is_curated=False)
    assert metrics["quality/returned_frac"] == pytest.approx(1 / 15)
    assert metrics["quality/question_frac"] == 1
    assert not {"quality/kept_frac", OVERALL, "quality/covered_chunks_frac"} & metrics.keys()


def test_sums_stand_by_the_chunk_and_its_place(run):
    failures = [
        {"id": "c2", "stage": "generate", "error": "E", "detail": ""},
        {"id": "lost.txt", "stage": "ingest", "error": "E", "detail": ""},
    ]
    _, second, third = measure(run(("c1", "How long?", "27 days"), failures=failures), 5)
    assert [second[name] for name in ("chunk_id", "doc_id", "end")] == ["c1", "d1", len(CHUNK)]
    assert (second["n_chunks"], second["n_asked"], second["n_pairs"]) == (1, 5, 1)
    assert (third["n_failed"], third["n_pairs"], third["server_s"]) == (1, 0, 0.5)


def test_metrics_are_ratios_of_what_is_written(run):
    folder = run(("c0", "How long?", "27 days", verdict()), ("c2", "Tell me.", "Mars", verdict()))
    metrics = measure_run(folder, 2, is_curated=True)
    assert measure_run(folder, 2, is_curated=True) == metrics
    rows = list(read_jsonl(folder / "figures.jsonl"))
    assert metrics["quality/accepted_frac"] == pytest.approx(2 / 6)
    assert metrics["quality/question_words"] == 2
    assert metrics["generate/output_tokens_per_s"] == pytest.approx(30 / 1.5)
    assert {column for pair in RATIOS.values() for column in pair} < set(rows[0])


def test_pair_of_several_chunks_covers_all_of_them(run):
    folder = run(("c0", "How long?", "27 days", verdict(chunk_ids=["c0", "c1"])))
    rows = list(measure(folder, 5))
    assert [row["n_covered"] for row in rows] == [1, 1, 0]
    assert [row["covered_chars"] for row in rows] == [row["chars"] for row in rows[:2]] + [0]


def test_what_is_kept_in_spite_of_its_faults_decides_nothing(run):
    good = ("c0", "How long?", "27 days", verdict())
    columns = [verdict(kept, ["cut_off"]) for kept in (False, True)]
    strict, lenient = (
        measure_run(run(good, ("c2", "How far?", "384", one)), 2, is_curated=True)
        for one in columns
    )
    assert strict[OVERALL] == lenient[OVERALL] > 0
    name = "quality/covered_chars_frac"
    assert strict[name] < lenient[name]


def test_run_without_pairs_has_no_ratio_of_them(run):
    metrics = measure_run(run(), 5, is_curated=True)
    assert "quality/unique_frac" not in metrics
    assert metrics["quality/accepted_frac"] == metrics[OVERALL] == 0


def test_what_replies_begin_counts_as_returned(run):
    folder = run(("c0", "How long?", "27 days"))
    rows = list(read_jsonl(folder / "requests.jsonl"))
    rows[0] |= {"n_items": 1, "n_begun": 3}
    rows[1] |= {"n_items": 2}
    write_jsonl(folder / "requests.jsonl", rows)
    assert [row["n_returned"] for row in measure(folder, 5)] == [3, 2, 0]


def test_waterfall_only_falls_where_pairs_are_asked_for_again(run):
    folder = run(("c0", "How long?", "27 days"), ("c1", "How far?", "384,400 km"))
    rows = list(read_jsonl(folder / "requests.jsonl"))
    rows[0] |= {"n_items": 1, "n_begun": 9}
    write_jsonl(folder / "requests.jsonl", rows[:1])  # another tool has asked about the second
    assert [row["n_returned"] for row in measure(folder, 5)] == [5, 1, 0]
