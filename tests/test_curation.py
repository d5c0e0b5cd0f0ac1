"""The passes over a run's pairs: every pair gets its verdict, and none is changed or lost."""

import json

import pytest

from synth.curation import Curation, prepare_curation
from synth.examination import Opinion
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
SHARD = {"scores": LOW, "closed_book": None}
SILENT = {"scores": None, "closed_book": None}


def test_opinions_of_a_shard_are_taken_as_they_are(curate, folder):
    said = [{"id": "p0", "chunk_id": "c0", **SILENT}, {"id": "p1", "chunk_id": "c1", **SHARD}]
    write_jsonl(folder / "opinions.jsonl", said)
    rows, _, groups = curate(("c0", *BUILT), ("c1", *GOOD))
    assert groups == []
    assert [row.get("scores") for row in rows] == [None, LOW]
    assert [row["reasons"] for row in rows] == [[], ["low_score"]]
    assert not any(".opinion" in row for row in rows)


def test_pair_without_an_opinion_of_a_shard_is_asked_about(curate, folder):
    write_jsonl(folder / "opinions.jsonl", [{"id": "p0", "chunk_id": "c0", **SHARD}])
    _, _, (group,) = curate(
        ("c0", *BUILT), ("c0", "What was built on Skarn in 1887?", "The lighthouse")
    )
    assert ([pair.id for pair in group.pairs], group.beside) == (["p0", "p1"], {"p0"})


def test_opinion_of_a_duplicate_counts_for_nothing(curate, folder):
    said = [{"id": f"p{number}", "chunk_id": "c1", **SHARD} for number in range(2)]
    write_jsonl(folder / "opinions.jsonl", said)
    (first, second), _, _ = curate(("c1", *GOOD), ("c1", *GOOD))
    assert (first["reasons"], second["reasons"]) == (["low_score"], ["duplicate"])
    assert "scores" not in second


def test_opinions_are_set_down_in_the_order_of_the_pairs(folder, make_config):
    rows = [{"id": f"p{n}", "chunk_id": "c1", "doc_id": "d"} for n in range(2)]
    question, answer = GOOD
    write_jsonl(
        folder / "pairs.jsonl", [row | {"question": question, "answer": answer} for row in rows]
    )
    before = (folder / "pairs.jsonl").read_bytes()
    curation = Curation(folder, make_config(), prepare_curation(make_config()))
    curation.inspect(lambda n: None)
    (group,) = curation.due()
    assert len(group.pairs) == 2  # nobody has compared them
    curation.opinions |= {"p1": Opinion(LOW), "p0": Opinion()}
    curation.set_down()
    curation.close()
    assert list(read_jsonl(folder / "opinions.jsonl")) == [
        {"id": "p0", "chunk_id": "c1", **SILENT},
        {"id": "p1", "chunk_id": "c1", **SHARD},
    ]
    assert (folder / "pairs.jsonl").read_bytes() == before


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
