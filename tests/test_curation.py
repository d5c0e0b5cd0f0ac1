"""The passes over a run's pairs: every pair gets its verdict, and none is changed or lost."""

import json

import pytest

from synth.curation import Curation, prepare_curation
from synth.examination import Opinion
from synth.filters import Finding, Key, Support
from synth.findings import Known
from synth.io import read_jsonl, write_jsonl
from synth.records import Chunk, Pair
from synth.verdicts import read_verdicts

TEXT = "The lighthouse on Skarn was built in 1887. Its first keeper was Anders Wiik. It burns oil."
GOOD = ("Who was the first keeper of the lighthouse on Skarn?", "Anders Wiik")
WRONG = ("When was the lighthouse on Skarn built?", "In 1902.")


def bare(row):
    return {name: value for name, value in row.items() if name not in Pair.VERDICT}


@pytest.fixture
def folder(tmp_path):
    """A run with three chunks of one document."""
    (tmp_path / "data/txt").mkdir(parents=True)
    (tmp_path / "data/txt/d.txt").write_text(TEXT)
    chunks = [
        Chunk(f"c{n}", "d", start, end, 9)
        for n, (start, end) in enumerate(((0, 42), (43, 77), (78, 91)))
    ]
    write_jsonl(tmp_path / "chunks.jsonl", (chunk.row() for chunk in chunks))
    return tmp_path


@pytest.fixture
def curate(folder, make_config):
    """Curate pairs given as (chunk, question, answer, other columns); return their rows."""

    def call(*pairs, overrides=(), opinions=None, verdicts=()):
        rows = []
        for number, (chunk, question, answer, *other) in enumerate(pairs):
            row = {"id": f"p{number}", "chunk_id": chunk, "doc_id": "d"}
            rows.append(
                row | {"question": question, "answer": answer} | (other[0] if other else {})
            )
        write_jsonl(folder / "pairs.jsonl", rows)
        config = make_config(*overrides)
        curation = Curation(folder, config, prepare_curation(config))
        if verdicts:
            write_jsonl(folder / "v.jsonl", verdicts)
            curation.aids = type(curation.aids)(
                curation.aids.evaluations, read_verdicts([str(folder / "v.jsonl")])
            )
        told = []
        curation.inspect(told.append)
        curation.compare()
        groups = list(curation.due())
        curation.opinions |= opinions or {}
        counts = curation.settle()
        curation.close()
        made = list(read_jsonl(folder / "pairs.jsonl"))
        assert sum(told) == len(pairs) == len(made)
        assert list(map(bare, made)) == list(map(bare, rows))
        return made, counts, groups

    return call


def test_verdicts_and_evidence(curate):
    (good, wrong), counts, _ = curate(("c1", *GOOD), ("c1", *WRONG))
    assert (good["kept"], good["reasons"], good["support"]) == (True, [], 1)
    assert TEXT[slice(*good["evidence"])] == "Its first keeper was Anders Wiik."
    assert (wrong["kept"], wrong["reasons"]) == (False, ["unsupported"])
    assert counts == {"kept": 1, "unsupported": 1, "by_hand": 0}


def test_nothing_is_dropped_for_what_is_only_noted(curate):
    (good, wrong), _, _ = curate(("c1", *GOOD), ("c1", *WRONG), overrides=["curate=none"])
    assert (wrong["kept"], wrong["reasons"]) == (True, ["unsupported"])
    assert good["kept"]


def test_own_columns_stay_and_those_of_an_earlier_curation_go(curate):
    old = {"reasoning": "r", "kept": False, "reasons": ["echo"], "score": 1, "by_hand": "drop"}
    (row,), _, _ = curate(("c1", *GOOD, old))
    assert (row["reasoning"], row["kept"], row["reasons"]) == ("r", True, [])
    assert "score" not in row
    assert "by_hand" not in row


def test_pairs_in_another_order_than_their_chunks_are_not_lost(curate, folder):
    with pytest.raises(RuntimeError, match="order"):
        curate(("c1", *GOOD), ("c0", *WRONG))
    assert len(list(read_jsonl(folder / "pairs.jsonl"))) == 2


def test_curated_twice_is_the_same(curate, folder, make_config):
    curate(("c0", *WRONG), ("c1", *GOOD), ("c1", *GOOD))
    before = (folder / "pairs.jsonl").read_bytes()
    curation = Curation(folder, make_config(), prepare_curation(make_config()))
    curation.inspect(lambda n: None)
    curation.compare()
    curation.settle()
    curation.close()
    assert (folder / "pairs.jsonl").read_bytes() == before
    assert not list(folder.glob(".*.jsonl"))


def test_first_good_one_of_duplicates_is_kept(curate):
    question = "When was the lighthouse on Skarn built?"
    rows, _, _ = curate(
        ("c0", question, "In 1902."), ("c0", question, "In 1887."), ("c0", question, "1887")
    )
    assert [row["kept"] for row in rows] == [False, True, False]
    assert [row.get("duplicate_of") for row in rows] == ["p1", None, "p1"]


def test_only_good_pairs_are_shown_to_the_judge_and_duplicates_beside_them(curate):
    _, _, groups = curate(
        *(("c0", *WRONG), ("c1", *GOOD), ("c1", *GOOD), ("c2", "What burns?", "Oil")),
        *(("c2", *WRONG), ("c2", *GOOD)),
    )
    shown = [
        (group.position, group.chunks[0].id, [pair.id for pair in group.pairs], group.beside)
        for group in groups
    ]
    assert shown == [(1, "c1", ["p1", "p2"], {"p2"}), (2, "c2", ["p3"], frozenset())]


@pytest.mark.parametrize(
    ("opinion", "reasons", "kept"),
    [
        (Opinion({"accuracy": 9.0, "clarity": 8.0}), [], True),
        (Opinion({"accuracy": 2.0, "clarity": None}), ["low_score"], False),
        (Opinion({"accuracy": None, "clarity": None}), [], True),
        (Opinion(None, {"known": True, "answerable": False}), ["known", "unanswerable"], True),
        (Opinion(), [], True),
    ],
)
def test_opinions(curate, opinion, reasons, kept):
    (row,), _, _ = curate(("c1", *GOOD), opinions={"p0": opinion})
    assert (row["reasons"], row["kept"]) == (reasons, kept)
    assert row.get("scores") == opinion.scores
    given = [score for score in (opinion.scores or {}).values() if score is not None]
    assert row.get("score") == (sum(given) / len(given) if given else None)


BUILT = ("When was the lighthouse on Skarn built?", "In 1887.")
LOW = {"accuracy": 2.0}


def finding(number, chunk, opinion=None, *, stems="keeper skarn", reasons=()):
    """Return a row of a shard that says something else of a pair than the whole run would."""
    known = Known(
        Finding(
            tuple(reasons),
            Support(0.5, None),
            Key(str(number).encode(), stems, stems, "wiik", None),
        ),
        opinion,
    )
    return known.row({"id": f"p{number}", "chunk_id": chunk})


def test_findings_of_a_shard_are_taken_as_they_are(curate, folder):
    said = [
        finding(0, "c0", Opinion()),
        finding(1, "c1", Opinion(LOW), stems="built"),
        finding(2, "c1", stems="tide", reasons=["echo"]),
    ]
    write_jsonl(folder / "findings.jsonl", said)
    rows, _, groups = curate(("c0", *WRONG), ("c1", *BUILT), ("c1", *GOOD))
    assert groups == []
    assert [row.get("scores") for row in rows] == [None, LOW, None]
    assert [row["reasons"] for row in rows] == [[], ["low_score"], ["echo"]]
    assert [row["support"] for row in rows] == [0.5] * 3


def test_pairs_are_compared_by_what_a_shard_has_found(curate, folder):
    write_jsonl(folder / "findings.jsonl", [finding(0, "c0"), finding(1, "c1")])
    rows, _, _ = curate(("c0", *BUILT), ("c1", *GOOD))
    assert [row["reasons"] for row in rows] == [[], ["near_duplicate"]]


def test_pair_without_a_finding_of_a_shard_is_looked_at(curate, folder):
    write_jsonl(folder / "findings.jsonl", [finding(0, "c0", Opinion(LOW))])
    rows, _, (group,) = curate(
        ("c0", *BUILT), ("c0", "What was built on Skarn in 1887?", "The lighthouse")
    )
    assert ([pair.id for pair in group.pairs], group.beside) == (["p0", "p1"], {"p0"})
    assert [row["support"] for row in rows] == [0.5, 1]


def test_opinion_of_a_duplicate_counts_for_nothing(curate, folder):
    write_jsonl(folder / "findings.jsonl", [finding(n, "c1", Opinion(LOW)) for n in range(2)])
    (first, second), _, _ = curate(("c1", *GOOD), ("c1", *GOOD))
    assert (first["reasons"], second["reasons"]) == (["low_score"], ["near_duplicate"])
    assert "scores" not in second


def test_whole_run_decides_as_if_it_had_found_out_itself(curate, folder, make_config):
    """What a shard sets down holds all that verdicts and comparison need, in the pairs' order."""
    pairs = [("c0", *BUILT), ("c0", *WRONG), ("c1", *GOOD), ("c1", *GOOD)]
    opinions = {"p2": Opinion(LOW), "p0": Opinion(None, {"known": True, "answerable": True})}
    alone = curate(*pairs, opinions=opinions)
    before = (folder / "pairs.jsonl").read_bytes()
    curation = Curation(folder, make_config(), prepare_curation(make_config()))
    curation.inspect(lambda n: None)
    assert sum(len(group.pairs) for group in curation.due()) == 3  # nobody has compared them
    curation.opinions |= opinions
    curation.set_down()
    curation.close()
    assert (folder / "pairs.jsonl").read_bytes() == before
    findings = list(read_jsonl(folder / "findings.jsonl"))
    assert [row["id"] for row in findings] == ["p0", "p1", "p2", "p3"]
    assert ["opinion" in row for row in findings] == [True, False, True, False]
    (folder / "data/txt/d.txt").unlink()  # nobody looks there again
    rows, counts, groups = curate(*pairs)
    assert (rows, counts, groups) == (*alone[:2], [])


def test_verdict_by_hand_is_the_last_word(curate):
    verdicts = [
        {"id": "p0", "verdict": "drop", "question": GOOD[0], "answer": GOOD[1]},
        {"id": "p1", "verdict": "keep", "question": WRONG[0], "answer": WRONG[1]},
        {"id": "p1", "verdict": "keep", "question": "Another?", "answer": "One."},
    ]
    rows, counts, _ = curate(("c1", *GOOD), ("c1", *WRONG), verdicts=verdicts)
    assert [(row["kept"], row["by_hand"]) for row in rows] == [(False, "drop"), (True, "keep")]
    assert counts["by_hand"] == 2


def test_pair_about_several_chunks_has_its_evidence_where_it_is(curate):
    (row,), _, _ = curate(("c0", *GOOD, {"chunk_ids": ["c0", "c1"]}))
    assert row["support"] == 1
    assert TEXT[slice(*row["evidence"])] == "Its first keeper was Anders Wiik."


def test_run_without_pairs(curate):
    rows, counts, groups = curate()
    assert (rows, groups, counts["kept"]) == ([], [], 0)


def test_contamination_is_named(curate, tmp_path):
    question = "Who was the very first keeper of the old lighthouse on Skarn island?"
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": question}) + "\n")
    overrides = [f"curate.contamination={tmp_path}/q.jsonl"]
    (row,), _, _ = curate(("c1", question, "Anders Wiik"), overrides=overrides)
    assert row["reasons"] == ["contaminated"]


def test_model_that_ran_away_costs_no_time(curate):
    """Found with half a megabyte in one question: looking for loops took minutes."""
    question = "What is the keeper" + " and so on" * 50_000 + "?"
    (long, other), _, _ = curate(("c1", question, "Anders Wiik" * 30_000), ("c1", *GOOD))
    assert "repetitive" in long["reasons"]
    assert other["kept"]
