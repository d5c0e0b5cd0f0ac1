"""Verdicts by hand."""

import json

import pytest

from synth.errors import ConfigError
from synth.verdicts import read_verdicts

PAIR = {"id": "c-0", "question": "How long?", "answer": "27 days"}


@pytest.fixture
def write(tmp_path):
    def to_file(*rows, name="v.jsonl"):
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        return str(tmp_path / name)

    return to_file


def test_verdict_is_found_by_the_pair(write):
    verdicts = read_verdicts([write({**PAIR, "verdict": "drop"})])
    assert verdicts.find(PAIR) == "drop"
    assert len(verdicts) == 1


def test_pair_that_was_written_anew_has_none(write):
    verdicts = read_verdicts([write({**PAIR, "verdict": "drop"})])
    assert verdicts.find({**PAIR, "answer": "27 d"}) is None


def test_later_verdict_counts(write):
    first = write({**PAIR, "verdict": "drop"})
    second = write({**PAIR, "verdict": "keep"}, name="w.jsonl")
    assert read_verdicts([first, second]).find(PAIR) == "keep"


def test_no_files_have_no_verdicts():
    assert read_verdicts([]).find(PAIR) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**PAIR, "verdict": "maybe"}, "line 1: verdict is 'maybe'"),
        (PAIR, "line 1 has no verdict"),
        ("[1]", "list"),
        ("{torn", "Expecting property name"),
    ],
)
def test_bad_file_is_named_with_what_is_wrong(write, row, said):
    path = write(row)
    with pytest.raises(ConfigError, match=said) as caught:
        read_verdicts([path])
    assert path in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_verdicts([str(tmp_path / "gone.jsonl")])
