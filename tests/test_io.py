"""Files are written whole, and read as they were written."""

import pytest

from synth.io import JsonlWriter, read_json, read_jsonl, read_text, write_json, write_text


@pytest.mark.parametrize("text", ["", "a\r\nb\rc\n", "\0", "é\u0301 漢字 🙂\u2028x"])
def test_text_comes_back(tmp_path, text):
    write_text(tmp_path / "deep" / "file.txt", text)
    assert read_text(tmp_path / "deep" / "file.txt") == text


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]
    assert read_text(path) == "old"


def test_rows_are_readable_before_the_file_is_closed(tmp_path):
    path = tmp_path / "rows.jsonl"
    with JsonlWriter(path) as writer:
        writer.write({"text": "line\u2028separator"})
        assert list(read_jsonl(path)) == [{"text": "line\u2028separator"}]


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"é": [1, None]})
    assert read_json(tmp_path / "a.json") == {"é": [1, None]}


def test_half_a_character_stands_as_an_escape(tmp_path):
    with JsonlWriter(tmp_path / "rows.jsonl") as writer:
        writer.write({"text": "half \ud83d"}, {"text": "whole"})
    assert [row["text"] for row in read_jsonl(tmp_path / "rows.jsonl")] == ["half \ud83d", "whole"]
