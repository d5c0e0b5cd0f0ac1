"""Documents are found, read to the character, or reported."""

import os

import pytest

from synth.chunk_files import write_chunks
from synth.errors import ConfigError, IngestError
from synth.ingest import Ingested, find_documents, read_document, read_documents
from synth.records import Failure


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é\u0301 漢字 🙂\r\nx\0y".encode(), "é\u0301 漢字 🙂\r\nx\0y"),
        (b"\xef\xbb\xbfwith mark", "with mark"),
        ("wide".encode("utf-16"), "wide"),
    ],
    ids=["utf-8", "bom", "utf-16"],
)
def test_text_is_kept_to_the_character(tmp_path, data, text):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    ingested = read_document(path)
    assert ingested.text == text
    assert ingested.document.n_chars == len(text)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "is not text in UTF-8"),
        ("a.txt", b"\x00\x01\x02\x03", "control characters"),
        ("a.txt", b" \n", "has no text"),
        ("a.png", b"\x89PNG", "format .png is not supported"),
    ],
    ids=["bytes", "controls", "empty", "format"],
)
def test_what_is_no_text_is_told(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(IngestError, match=message):
        read_document(path)


def test_file_that_vanished_is_told(tmp_path):
    with pytest.raises(IngestError, match="can't be read: No such file"):
        read_document(tmp_path / "gone.txt")


def test_one_bad_file_does_not_stop_the_others(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\x00\xfd")
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "same.txt").write_text("good")
    results = list(read_documents(find_documents([str(tmp_path)])))
    assert [type(result) for result in results] == [Failure, Ingested, Failure]
    assert results[2].error == "Duplicate"


def test_files_folders_and_globs_are_found_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.md", "a.txt", ".hidden", "deep/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = find_documents([".", "a.txt", "*.md"])
    assert [os.path.relpath(path) for path in found] == ["a.txt", "b.md", "deep/c.txt"]


@pytest.mark.parametrize("entry", ["nowhere", "*.nothing", "empty"])
def test_entry_that_matches_nothing_is_told(tmp_path, monkeypatch, entry):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=f"docs={entry.replace('*', '.')}"):
        find_documents([entry])


def test_chunks_of_the_kit_are_no_documents(tmp_path):
    source = tmp_path / "a.txt"
    source.write_text("whole")
    write_chunks(source, ["who", "le"])
    assert find_documents([str(tmp_path)]) == [source]
    assert find_documents([f"{tmp_path}/*.txt"]) == [source]
    assert len(find_documents([f"{tmp_path}/a_0.txt"])) == 1
