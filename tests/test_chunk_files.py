"""Chunks as files: nothing of the user's is overwritten, nothing stale is left."""

import pytest

from synth.chunk_files import is_chunk, write_chunks


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("whole")
    return path


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_names_are_those_of_the_original(source):
    paths = write_chunks(source, ["one", "two\r\n"])
    assert [path.name for path in paths] == ["a_0.txt", "a_1.txt"]
    assert paths[1].read_bytes() == b"two\r\n"


def test_stale_chunks_are_removed(source, tmp_path):
    write_chunks(source, ["1", "2", "3"])
    write_chunks(source, ["12", "3"])
    assert visible(tmp_path) == ["a.txt", "a_0.txt", "a_1.txt"]
    assert (tmp_path / "a_0.txt").read_text() == "12"


def test_file_of_the_user_is_never_overwritten(source, tmp_path):
    (tmp_path / "a_1.txt").write_text("a document of its own")
    paths = write_chunks(source, ["1", "2"])
    assert [path.name for path in paths] == ["a__0.txt", "a__1.txt"]
    assert (tmp_path / "a_1.txt").read_text() == "a document of its own"


def test_chunk_that_the_user_has_edited_is_the_users(source, tmp_path):
    write_chunks(source, ["1", "2"])
    (tmp_path / "a_1.txt").write_text("edited")
    assert write_chunks(source, ["3"]) == [tmp_path / "a_0.txt"]
    assert (tmp_path / "a_1.txt").read_text() == "edited"
    assert not is_chunk(tmp_path / "a_1.txt")


def test_equal_file_without_a_note_is_taken_over(source, tmp_path):
    (tmp_path / "a_0.txt").write_text("1")
    assert write_chunks(source, ["1"]) == [tmp_path / "a_0.txt"]


def test_chunks_are_known_as_such(source, tmp_path):
    (tmp_path / "a_1.txt").write_text("a document of its own")
    for path in write_chunks(source, ["1", "2"]):
        assert is_chunk(path)
    assert not is_chunk(source)
    assert not is_chunk(tmp_path / "a_1.txt")


def test_documents_whose_names_begin_alike_keep_their_chunks(source, tmp_path):
    other = tmp_path / "a_.txt"
    other.write_text("other")
    paths = write_chunks(source, ["1"]) + write_chunks(other, ["2"])
    assert [path.read_text() for path in paths] == ["1", "2"]
    assert all(map(is_chunk, paths))
