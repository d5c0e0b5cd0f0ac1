"""The datasets."""

from synth.export import FORMATS, export
from synth.io import read_jsonl

PAIRS = [
    {"id": "1", "chunk_id": "c", "doc_id": "d", "question": "Q1?", "answer": "A1"},
    {"id": "2", "chunk_id": "c", "doc_id": "d", "question": "Q2?", "answer": "é 🙂"},
]


def test_jsonl_holds_the_pairs(tmp_path):
    (path,) = export(lambda: iter(PAIRS), ["jsonl"], tmp_path)
    assert list(read_jsonl(path))[1] == {"question": "Q2?", "answer": "é 🙂"}


def test_chatml_holds_conversations(tmp_path):
    (path,) = export(lambda: iter(PAIRS), ["chatml"], tmp_path)
    messages = next(read_jsonl(path))["messages"]
    assert [(m["role"], m["content"]) for m in messages] == [("user", "Q1?"), ("assistant", "A1")]


def test_own_columns_are_kept_and_the_reasoning_is_said(tmp_path):
    pair = {**PAIRS[0], "chunk_ids": ["c", "d"], "reasoning": "R", "level": 3, "score": 8}
    files = export(lambda: iter([pair]), ["jsonl", "chatml"], tmp_path)
    row, conversation = (next(read_jsonl(path)) for path in files)
    assert row == {"question": "Q1?", "reasoning": "R", "level": 3, "answer": "A1"}
    assert conversation["messages"][1]["content"] == "R\n\nA1"


def test_second_export_replaces_the_first(tmp_path):
    for _ in "ab":
        export(lambda: iter(PAIRS), list(FORMATS), tmp_path)
    assert all(len(list(read_jsonl(path))) == 2 for path in tmp_path.iterdir())
