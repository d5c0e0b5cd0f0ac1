"""What an interrupted run has left: whole rows are kept, torn ones and failures asked again."""

import json

import pytest

from synth.io import read_jsonl
from synth.salvage import salvage

CHUNK = {"doc_id": "d", "start": 0, "end": 1, "n_tokens": 1, "path": "x"}


@pytest.fixture
def folder(tmp_path):
    rows = {
        "documents": [
            {"id": "d", "path": "p", "sha256": "s", "n_chars": 1, "text_path": "t"},
        ],
        "chunks": [CHUNK | {"id": f"c{n}"} for n in range(4)],
        "pairs": [{"id": f"c{n}-{k}", "chunk_id": f"c{n}"} for n in range(2) for k in range(2)],
        "failures": [
            {"id": "lost", "stage": "ingest", "error": "E", "detail": ""},
            {"id": "c2", "stage": "generate", "error": "E", "detail": ""},
        ],
        "requests": [],
    }
    for name, values in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in values)
        (tmp_path / f"{name}.jsonl").write_text(text)
    return tmp_path


def test_answered_chunks_are_kept_and_failed_ones_are_not(folder):
    kept = salvage(folder, ["ingest", "chunk"])
    assert kept.answered == {"c0", "c1"}
    assert (len(kept.documents), kept.n_pairs, kept.n_failures) == (1, 4, 1)
    assert [row["id"] for row in read_jsonl(folder / "failures.jsonl")] == ["lost"]


def test_torn_row_takes_its_chunk_with_it(folder):
    path = folder / "pairs.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert salvage(folder, ["ingest", "chunk"]).answered == {"c0"}
    assert [row["chunk_id"] for row in read_jsonl(path)] == ["c0", "c0"]


def test_chunks_that_were_not_all_cut_are_cut_again(folder):
    kept = salvage(folder, ["ingest"])
    assert (len(kept.documents), kept.answered) == (1, frozenset())
    assert not (folder / "pairs.jsonl").exists()


def test_run_that_had_not_read_all_begins_anew(folder):
    assert salvage(folder, []).documents == []
    assert list(folder.iterdir()) == []


def test_new_run_has_nothing_to_keep(tmp_path):
    assert salvage(tmp_path, []).steps == []
