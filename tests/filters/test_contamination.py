"""Questions of evaluations."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from synth.errors import ConfigError
from synth.filters.contamination import Evaluations, read_questions
from synth.filters.words import words_of

QUESTION = "Which of the following lighthouses was the first to burn rapeseed oil in winter?"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (QUESTION, True),
        ("WHICH of the following lighthouses was the FIRST to burn gas?", True),
        ("Which lighthouse was the first to burn rapeseed oil?", False),
        ("What is pH?", False),
        ("how many keepers were there", True),
        ("How many keepers were there in winter?", False),
    ],
)
def test_held(text, held):
    evaluations = Evaluations([QUESTION, "How many keepers were there?", "What?"], 8)
    assert evaluations.hold(words_of(text)) is held


@pytest.mark.parametrize("name", ["q.jsonl", "q.json", "q.csv", "q.tsv", "q.parquet", "q.txt"])
def test_files(tmp_path, name):
    path, rows = (
        tmp_path / name,
        [{"id": "1", "question": QUESTION}, {"id": "2", "question": "B, c?"}],
    )
    if name == "q.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif name == "q.json":
        path.write_text(json.dumps({"version": 1, "data": rows}))
    elif name == "q.parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif name == "q.txt":
        path.write_text(f"{QUESTION}\n\nB, c?\n")
    else:
        mark = "," if name == "q.csv" else "\t"
        lines = [["id", "question"], *([row["id"], f'"{row["question"]}"'] for row in rows)]
        path.write_text("\n".join(mark.join(line) for line in lines))
    assert list(read_questions([str(path)])) == [QUESTION, "B, c?"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gone.jsonl", None, "No such file"),
        ("q.jsonl", '{"title": "x"}\n', "no column of questions"),
        ("q.jsonl", "{torn\n", "Expecting property name"),
        ("q.json", "[1, 2]", "rows with columns"),
    ],
)
def test_bad_file(tmp_path, name, text, said):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        list(read_questions([str(path)]))
    assert "curate.contamination=" in str(caught.value)


def test_question_of_few_words_is_nobodys():
    assert not Evaluations(["What is it?"], 8).hold(words_of("What is it?"))
