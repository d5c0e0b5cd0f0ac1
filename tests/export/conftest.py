"""Runs to export: their rows, without anything that was run."""

from pathlib import Path

import pytest

from synth.export import export
from synth.io import read_jsonl, write_jsonl
from tests.export.dataset_hub import DatasetHub

FORMATS = ("jsonl", "alpaca", "chatml", "ft", "sharegpt", "parquet", "hf", "dpo")


def make_pair(number=0, doc_id="d0", **more):
    """A row of ``pairs.jsonl``."""
    return {
        "id": f"{doc_id}-0-10-{number}",
        "chunk_id": f"{doc_id}-0-10",
        "doc_id": doc_id,
        "question": f"Question {number} of {doc_id}?",
        "answer": f"Answer {number} of {doc_id}",
        **more,
    }


def make_run(folder: Path, rows) -> Path:
    """Write the files of a run; every document has the text "<its id> says <twenty times x>"."""
    ids = list(dict.fromkeys(row["doc_id"] for row in rows))
    texts = folder / "data" / "txt"
    texts.mkdir(parents=True, exist_ok=True)
    for id_ in ids:
        (texts / f"{id_}.txt").write_text(f"{id_} says " + "x" * 20)
    write_jsonl(folder / "pairs.jsonl", rows)
    write_jsonl(
        folder / "documents.jsonl",
        (
            {
                "id": id_,
                "path": f"docs/{id_}.txt",
                "sha256": "0" * 64,
                "n_chars": 28,
                "text_path": f"data/txt/{id_}.txt",
            }
            for id_ in ids
        ),
    )
    write_jsonl(
        folder / "chunks.jsonl",
        (
            {"id": f"{id_}-{start}-{start + 10}", "doc_id": id_, "start": start, "end": start + 10}
            | {"n_tokens": 3, "headings": ["Top", id_]}
            for id_ in ids
            for start in (0, 10)
        ),
    )
    return folder


@pytest.fixture
def exported(tmp_path, make_config):
    """Export pairs under overrides; return the rows of a split of a JSON-lines format."""

    def run(rows, *overrides, name="chatml", split="train"):
        make_run(tmp_path, rows)
        export(tmp_path, make_config(f"export.formats=[{name}]", *overrides), {})
        return list(read_jsonl(tmp_path / "export" / name / f"{split}.jsonl"))

    return run


@pytest.fixture
def hub(monkeypatch):
    """A hub that takes datasets, and that huggingface_hub speaks to."""
    from huggingface_hub import constants

    hub = DatasetHub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield hub
    hub.close()
