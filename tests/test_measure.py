"""Figures of a run by chunk: what counts as a question, as new, as supported."""

import json

import pytest

from synth.io import read_jsonl
from synth.measure import RATIOS, is_question, measure, measure_run, support_of, words_of

CHUNK = "The Moon orbits the Earth once in 27 days; it's a rock."


@pytest.fixture
def run(tmp_path):
    """Write a run with two documents; its pairs are (chunk, question, answer)."""

    def write(*pairs, failures=()):
        (tmp_path / "data/txt").mkdir(parents=True, exist_ok=True)
        for doc in ("d1", "d2"):
            (tmp_path / f"data/txt/{doc}.txt").write_text(CHUNK)
        files = {"pairs": [], "failures": list(failures), "requests": [], "chunks": []}
        for number, doc in enumerate(("d1", "d1", "d2")):
            place = {"doc_id": doc, "start": 0, "end": len(CHUNK), "n_tokens": 9}
            files["chunks"].append({"id": f"c{number}"} | place)
            request = {"chunk_id": f"c{number}", "finish_reason": "stop", "output_tokens": 10}
            files["requests"].append(request | {"server_s": 0.5})
        for chunk, question, answer in pairs:
            files["pairs"].append({"chunk_id": chunk, "question": question, "answer": answer})
        for name, rows in files.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        return tmp_path

    return write


@pytest.mark.parametrize(
    "text",
    ["Why?", "¿Por qué? ", "为什么？", 'Who said "why?"', "لماذا؟", "Γιατί\u037e", "(Is it so?)"],
)
def test_question_of_any_script(text):
    assert is_question(text)


@pytest.mark.parametrize("text", ["", "Tell me why.", "Why? Because.", ";", "?!"[1:]])
def test_no_question(text):
    assert not is_question(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It\u2019s the MOON's.", ["it\u2019s", "the", "moon's"]),
        ("月は石", ["月", "は", "石"]),
        ("Straße 27", ["strasse", "27"]),
        ("snake_case", ["snake", "case"]),
        ("… !", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("answer", "support"),
    [("27 days", 1), ("28 days", 0.5), ("Mars", 0), ("", 0), ("Moon moon", 1)],
)
def test_support_is_the_share_of_the_answers_words(answer, support):
    assert support_of(answer, set(words_of(CHUNK))) == support


@pytest.mark.parametrize(
    ("question", "answer", "usable"),
    [
        ("How long?", "27 days", 1),
        ("How long.", "27 days", 0),
        ("How long?", "about a month or so", 0),
        ("The Moon?", "The Moon", 0),
    ],
    ids=["usable", "no question", "not supported", "echo"],
)
def test_usable(run, question, answer, usable):
    row, *_ = measure(run(("c0", question, answer)), 5)
    assert row["n_usable"] == usable


def test_repeated_question_counts_once_in_the_whole_run(run):
    folder = run(("c0", "How long?", "27 days"), ("c2", "how  long??", "27 days"))
    rows = list(measure(folder, 5))
    assert [row["n_unique"] for row in rows] == [1, 0, 0]
    assert [row["n_usable"] for row in rows] == [1, 0, 0]


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
    folder = run(("c0", "How long?", "27 days"), ("c2", "Tell me.", "Mars"))
    metrics = measure_run(folder, 2)
    assert measure_run(folder, 2) == metrics
    rows = list(read_jsonl(folder / "figures.jsonl"))
    assert metrics["quality/usable_frac"] == pytest.approx(1 / 6)
    assert metrics["generate/output_tokens_per_s"] == pytest.approx(30 / 1.5)
    assert {column for pair in RATIOS.values() for column in pair} < set(rows[0])


def test_run_without_pairs_has_no_ratio_of_them(run):
    metrics = measure_run(run(), 5)
    assert "quality/unique_frac" not in metrics
    assert metrics["quality/usable_frac"] == 0


def test_pair_about_several_chunks_is_supported_by_all_of_them(run):
    folder = run(("c0", "How long?", "27 sunny days"))
    (folder / "data/txt/d1.txt").write_text(f"{CHUNK} It was sunny.")
    first, second, *_ = (
        json.loads(line) for line in (folder / "chunks.jsonl").read_text().splitlines()
    )
    second |= {"start": len(CHUNK), "end": len(CHUNK) + 14}
    (folder / "chunks.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    pair = json.loads((folder / "pairs.jsonl").read_text())
    (folder / "pairs.jsonl").write_text(json.dumps(pair | {"chunk_ids": ["c0", "c1"]}) + "\n")
    first, *_ = measure(folder, 1)
    assert first["support"] == 1
