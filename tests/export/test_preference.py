"""DPO: a kept answer before one that was dropped for what is wrong with it."""

import pytest

from synth.io import read_jsonl
from tests.export.conftest import make_pair

DPO = {"name": "dpo"}


def worse(number=1, doc_id="d0", reasons=("unsupported",), **more):
    return make_pair(number, doc_id, kept=False, reasons=list(reasons), **more)


def same(row, question="Question 0 of d0?"):
    return {**row, "question": question}


def test_row_is_a_conversation_with_two_ends(exported):
    rows = [make_pair(kept=True), same(worse())]
    assert exported(rows, "export.system=S", "export.provenance=false", **DPO) == [
        {
            "prompt": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "Question 0 of d0?"},
            ],
            "chosen": [{"role": "assistant", "content": "Answer 0 of d0"}],
            "rejected": [{"role": "assistant", "content": "Answer 1 of d0"}],
        }
    ]


def test_provenance_names_both(exported):
    (row,) = exported([make_pair(), same(worse())], **DPO)
    assert (row["chosen_id"], row["rejected_id"]) == ("d0-0-10-0", "d0-0-10-1")


@pytest.mark.parametrize("question", ["question 0, of D0", "Ｑuestion 0 of d0?"])
def test_questions_with_the_same_words_are_the_same(exported, question):
    assert len(exported([make_pair(), same(worse(), question)], **DPO)) == 1


def test_questions_with_other_words_are_not(exported):
    assert exported([make_pair(), worse()], **DPO) == []


@pytest.mark.parametrize("who", ["worse", "chosen"])
def test_repeated_questions_are_the_same(exported, who):
    chosen, rejected = make_pair(), worse()
    if who == "worse":
        rejected["duplicate_of"] = chosen["id"]
        rejected["reasons"].append("near_duplicate")
    else:
        chosen["duplicate_of"] = rejected["id"]
    assert len(exported([chosen, rejected], **DPO)) == 1


@pytest.mark.parametrize(
    "reason", ["cut_off", "repetitive", "unsupported", "low_score", "leaked", "echo"]
)
def test_fault_of_an_answer_counts(exported, reason):
    assert len(exported([make_pair(), same(worse(reasons=[reason]))], **DPO)) == 1


@pytest.mark.parametrize(
    "reason",
    ["duplicate", "near_duplicate", "language", "contaminated", "no_question", "copied", "known"],
)
def test_fault_of_a_question_does_not(exported, reason):
    assert exported([make_pair(), same(worse(reasons=[reason]))], **DPO) == []


def test_chosen_answer_does_not_have_the_same_fault(exported):
    chosen = make_pair(reasons=["unsupported"], kept=True)
    assert exported([chosen, same(worse())], **DPO) == []
    assert len(exported([chosen, same(worse(reasons=["unsupported", "echo"]))], **DPO)) == 1


def test_answers_with_the_same_words_make_no_row(exported):
    assert exported([make_pair(), same(worse(answer="answer 0 OF d0."))], **DPO) == []


def test_each_worse_answer_is_used_once(exported):
    rows = [make_pair(), same(make_pair(5)), same(worse(1)), same(worse(2))]
    found = exported(rows, **DPO)
    assert [(row["chosen_id"][-1], row["rejected_id"][-1]) for row in found] == [
        ("0", "1"),
        ("0", "2"),
    ]


def test_row_is_in_the_split_of_its_document(exported, tmp_path):
    rows = []
    for n in range(10):
        doc = f"d{n}"
        rows += [make_pair(0, doc), same(worse(1, doc), f"Question 0 of {doc}?")]
        rows.append(same(worse(2, doc), f"Question 0 of d{(n + 1) % 10}?"))
    exported(rows, "export.test_frac=0.5", "export.validation_frac=0", **DPO)
    splits = {
        name: list(read_jsonl(tmp_path / "export" / "dpo" / f"{name}.jsonl"))
        for name in ("train", "test")
    }
    documents = {
        name: {row[key].partition("-")[0] for row in found for key in ("chosen_id", "rejected_id")}
        for name, found in splits.items()
    }
    assert len(documents["train"]) == len(documents["test"]) == 5
    assert not documents["train"] & documents["test"]
    assert sum(map(len, splits.values())) < 20


def test_run_without_such_answers_is_told(exported, caplog):
    caplog.set_level("INFO")
    assert exported([make_pair()], **DPO) == []
    assert "dpo is empty" in caplog.text
