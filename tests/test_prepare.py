"""What workers tell of a source, and what is left of an archive that one has died of."""

import zipfile
from dataclasses import replace

import pytest

from synth.cutting import Cut
from synth.errors import TaskDied
from synth.prepare import CutOnly, Cutting, Found, Read, Skipping
from synth.reading import Member
from synth.records import Chunk, Failure
from synth.sources import Location

TEXTS = {"a.txt": "The Moon is a rock.", "b.bin": "\0\1", "c.md": "# Sea\n\nThe sea is salt."}


@pytest.fixture
def task(make_config, model_dir, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, text in TEXTS.items():
            archive.writestr(name, text)
    cutting = Cutting(Cut("markdown", 64, 8), model_dir / "tokenizer.json")
    return Read(Location(str(tmp_path / "all.zip")), tmp_path, make_config().ingest, cutting)


def told(batches):
    return [message for batch in batches for message in batch]


def test_each_document_is_followed_by_its_chunks(task, tmp_path):
    kinds = [type(message) for message in told(task(tmp_path))]
    assert kinds == [Member, Found, Chunk, Member, Failure, Member, Found, Chunk]


def test_member_is_told_before_it_is_read(task, tmp_path):
    batches = list(task(tmp_path))
    assert [batch[-1].number for batch in batches if isinstance(batch[-1], Member)] == [1, 2, 3]


def test_archive_goes_on_behind_the_member_that_was_begun(task, tmp_path):
    skipping = Skipping(task)
    for batch in list(task(tmp_path))[:2]:
        skipping.note(batch)
    (failure,), left = skipping.recover(TaskDied("crashed what reads it (signal SIGSEGV)"))
    assert (failure.id, failure.error) == (f"{task.name}!b.bin", "TaskDied")
    found = [one.document.path for one in told(left(tmp_path)) if isinstance(one, Found)]
    assert found == [f"{task.name}!c.md"]


def test_what_is_no_archive_has_nothing_left(task):
    assert Skipping(task).recover(TaskDied("crashed")) is None


def test_archive_that_dies_twice_in_a_row_is_given_up(task, tmp_path):
    skipping = Skipping(task)
    skipping.note([Member("m", 1)])
    assert skipping.recover(TaskDied("crashed")) is not None
    assert skipping.recover(TaskDied("crashed")) is None


def test_reason_can_be_stored_and_printed(task, tmp_path):
    (tmp_path / "bad.csv").write_bytes(b"na\x8eme,n\n" + "é,1\n".encode() * 9)
    location = Location(str(tmp_path / "bad.csv"))
    (failure,) = told(replace(task, location=location)(tmp_path))
    assert "na\\x8eme" in failure.detail


def test_documents_that_were_read_before_are_cut_as_then(task, tmp_path):
    first = told(task(tmp_path))
    documents = [one.document for one in first if isinstance(one, Found)]
    again = told(CutOnly(documents, tmp_path, task.cutting)(tmp_path))
    assert again == [one for one in first if isinstance(one, Chunk)]
