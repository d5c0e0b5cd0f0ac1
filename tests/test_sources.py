"""What is to be read is found once, in a stable order, or told to be missing."""

import os

import pytest

from synth.chunk_files import write_chunks
from synth.errors import ConfigError
from synth.sources import Location, find_documents


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.md", "a.txt", ".hidden", "deep/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def found(*docs):
    return [os.path.relpath(location.name) for location in find_documents(docs)]


def test_files_folders_and_globs_are_found_once(folder):
    assert found(".", "a.txt", "*.md") == ["a.txt", "b.md", "deep/c.txt"]


def test_urls_stay_as_they_are(folder):
    url = "https://example.org/a b?q=1"
    assert find_documents([url, "a.txt", url]) == [
        Location(url),
        Location(str(folder / "a.txt"), is_named=True),
    ]


def test_a_file_that_is_named_is_known_as_such(folder):
    named = [location.is_named for location in find_documents([".", "b.md", "deep/*"])]
    assert named == [False, True, False]


@pytest.mark.parametrize("entry", ["nowhere", "*.nothing", "empty"])
def test_entry_that_matches_nothing_is_told(folder, entry):
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError, match=f"docs={entry.replace('*', '.')}"):
        find_documents([entry])


def test_linked_folder_is_read_and_a_loop_ends(folder):
    (folder / "deep/back").symlink_to(folder)
    (folder / "deep/itself.txt").symlink_to("itself.txt")
    (folder / "linked").mkdir()
    (folder / "linked/d.txt").write_text("d")
    (folder / "deep/linked").symlink_to(folder / "linked")
    assert found("deep/linked", "linked") == ["deep/linked/d.txt", "linked/d.txt"]
    assert {os.path.realpath(path) for path in found("deep")} >= {str(folder / "linked/d.txt")}


def test_name_may_hold_any_bytes(folder):
    name = os.fsdecode(b"caf\xe9.txt")
    (folder / "deep" / name).write_text("x")
    assert found("deep") == ["deep/c.txt", f"deep/{name}"]


def test_chunks_of_the_kit_are_no_documents(tmp_path):
    source = tmp_path / "a.txt"
    source.write_text("whole")
    write_chunks(source, ["who", "le"])
    assert find_documents([str(tmp_path)]) == [Location(str(source))]
    assert find_documents([f"{tmp_path}/*.txt"]) == [Location(str(source))]
    assert len(find_documents([f"{tmp_path}/a_0.txt"])) == 1
