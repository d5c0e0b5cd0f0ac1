"""Rows that were written as they came are put in the order of the chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.io import read_jsonl, write_jsonl
from synth.order import Positions, arrange


def test_positions_are_found_and_others_are_not():
    positions = Positions(["a", "b", "c"])
    assert positions.find(["c", "x", "a"]).tolist() == [2, -1, 0]


def test_without_chunks_there_are_no_positions():
    assert Positions([]).find(["a"]).tolist() == [-1]


@given(st.lists(st.tuples(st.sampled_from("abcdex"), st.text())))
def test_rows_are_sorted_and_none_changes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_jsonl(path, ({"id": key, "text": text} for key, text in rows))
    arrange(path, "id", Positions("abcde"))
    sorted_rows = sorted(rows, key=lambda row: "xabcde".index(row[0]))
    assert [(row["id"], row["text"]) for row in read_jsonl(path)] == sorted_rows


@pytest.mark.parametrize("rows", [[], ["a", "b"]])
def test_file_in_order_is_left_alone(tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ({"id": key} for key in rows))
    before = path.stat().st_ino
    arrange(path, "id", Positions("ab"))
    assert path.stat().st_ino == before


def test_file_that_is_not_there_is_no_error(tmp_path):
    arrange(tmp_path / "none.jsonl", "id", Positions("ab"))
