"""Texts in files are cut by character, without being held, to the character."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import texts
from synth.records import Chunk
from synth.texts import TextFile, Texts, TextWriter, text_path

CHARACTERS = "a\u00e9\u6f22\U0001f600\r\n\x00 "


@pytest.fixture
def unheld(monkeypatch):
    """Every file counts as too large to be held; blocks are small."""
    monkeypatch.setattr(texts, "_HELD", -1)
    monkeypatch.setattr(texts, "_BLOCK", 7)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("texts") / "text.txt"


@settings(max_examples=200, deadline=None)
@given(st.text(CHARACTERS, max_size=60), st.data())
def test_slices_are_those_of_the_text(path, text, data):
    spans = st.integers(0, len(text) + 3)
    start, end = data.draw(spans), data.draw(spans)
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_HELD", -1)
        patch.setattr(texts, "_BLOCK", 7)
        file = TextFile(path)
        assert len(file) == len(text)
        assert file[start:end] == text[start:end]
        assert file[:] == text


def test_small_file_is_held(path):
    path.write_bytes("\u00e9t\u00e9".encode())
    file = TextFile(path)
    assert file[1:] == "t\u00e9"
    path.unlink()
    assert file[:2] == "\u00e9t"


def test_writer_names_the_file_after_its_content(tmp_path):
    with TextWriter(tmp_path, tmp_path / "scratch") as writer:
        writer.write("One\r\n")
        writer.write("two \u00e9")
    data = "One\r\ntwo \u00e9".encode()
    assert writer.id == hashlib.sha256(data).hexdigest()[:16]
    assert (writer.n_chars, (tmp_path / text_path(writer.id)).read_bytes()) == (10, data)
    assert not list((tmp_path / "scratch").iterdir())


def test_writer_leaves_nothing_of_a_blank_text(tmp_path):
    with TextWriter(tmp_path, tmp_path / "scratch") as writer:
        writer.write(" \n\t")
    assert writer.is_blank
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_writer_leaves_nothing_of_half_a_text(tmp_path):
    def write():
        with TextWriter(tmp_path, tmp_path / "scratch") as writer:
            writer.write("whole")
            writer.write("half \ud83d")

    with pytest.raises(UnicodeEncodeError):
        write()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_chunks_are_read_from_their_documents(tmp_path, unheld):
    with TextWriter(tmp_path, tmp_path) as writer:
        writer.write("\u00e9n two \u6f22 three")
    chunk = Chunk("c", writer.id, 3, 8, 2)
    assert Texts(tmp_path).read(chunk) == "two \u6f22"
