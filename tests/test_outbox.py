"""Rows that wait for a store: in order, in a file only if they must be, and not twice."""

import pytest

from synth.io import read_jsonl
from synth.outbox import END, NAME, Outbox, is_waiting

ROWS = [{"metrics": {f"m{n}": n}, "at": n} for n in range(3)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / NAME


def filled(path, *rows, keep=True):
    outbox = Outbox(path)
    for row in rows:
        outbox.put(row)
    if keep:
        outbox.keep()
    return outbox


def left(outbox):
    rows = []
    while row := outbox.head(alone=True):
        rows += row
        outbox.drop(1)
    return rows


def test_nothing_is_written_while_all_is_well(path):
    outbox = filled(path, *ROWS, keep=False)
    assert not is_waiting(path.parent)
    assert left(outbox) == ROWS


def test_what_waits_is_kept_for_the_next_process(path):
    outbox = filled(path, ROWS[0])
    outbox.put(ROWS[1])
    assert left(Outbox(path)) == ROWS[:2]


def test_file_goes_when_all_is_sent(path):
    outbox = filled(path, *ROWS)
    assert left(outbox) == ROWS
    assert not path.exists()
    outbox.put(ROWS[0])
    assert not path.exists()


def test_what_was_sent_is_not_sent_again(path):
    filled(path, *ROWS).drop(1)
    again = Outbox(path)
    again.drop(1)
    assert left(Outbox(path)) == ROWS[2:]


def test_half_a_row_of_a_killed_process_is_passed_over(path):
    filled(path, *ROWS[:2])
    with path.open("ab") as file:
        file.write(b'{"metrics": {"m')
    again = Outbox(path)
    again.put(ROWS[2])
    assert left(Outbox(path)) == ROWS


def test_end_of_an_earlier_attempt_is_forgotten(path):
    filled(path, ROWS[0], {"tags": {"error": "x"}}, {"artifacts": ".", "below": None})
    filled(path, {"status": "FAILED", "at": 1})
    assert Outbox(path).has_end
    again = Outbox(path, END)
    assert not again.has_end
    assert left(again) == ROWS[:1]


def test_figures_that_follow_each_other_are_sent_at_once(path):
    outbox = filled(path, *ROWS, {"tags": {"a": "b"}}, ROWS[0])
    assert outbox.head() == ROWS
    assert outbox.head(alone=True) == ROWS[:1]
    outbox.drop(3)
    assert outbox.head() == [{"tags": {"a": "b"}}]


def test_a_batch_is_what_mlflow_takes(path):
    rows = [{"points": {f"p{n}": 1 for n in range(400)}, "at": at} for at in range(3)]
    assert len(filled(path, *rows).head()) == 2


def test_full_disk_leaves_all_in_memory(path, caplog):
    path.parent.joinpath(NAME).mkdir()  # can't be replaced by a file
    outbox = Outbox(None)
    outbox._path = path
    for row in ROWS:
        outbox.put(row)
    outbox.keep()
    assert "can't be written" in caplog.text
    assert outbox.head() == ROWS


def test_rows_are_plain_json(path):
    filled(path, *ROWS, {"metrics": {"x": float("nan")}, "at": 1})
    assert len(list(read_jsonl(path))) == 4
