"""Folders of runs that are read and cut, as far as shards need them."""

import random

import pytest

from synth.io import write_json, write_jsonl
from synth.records import Chunk, Document

COMMON = "the harbour master keeps a list of every ship that has ever been moored at this quay and "
WORDS = [
    "apple",
    "river",
    "stone",
    "bridge",
    "window",
    "garden",
    "music",
    "winter",
    "silver",
    "engine",
    "letter",
    "market",
    "forest",
    "copper",
]


@pytest.fixture
def make_run(tmp_path):
    """Make the folder of a run that is read and cut: documents with so many chunks each."""

    def make(*n_chunks, name="run"):
        folder = tmp_path / name
        (folder / "data/txt").mkdir(parents=True)
        (folder / ".hydra").mkdir()
        ids = [f"d{number}" for number in range(len(n_chunks))]
        rows = [Document(id_, id_, "", 9, f"data/txt/{id_}.txt").row() for id_ in ids]
        write_jsonl(folder / "documents.jsonl", rows)
        write_jsonl(
            folder / "chunks.jsonl",
            (
                Chunk(f"{id_}-{number}", id_, number, number + 1, 10).row()
                for id_, n in zip(ids, n_chunks, strict=True)
                for number in range(n)
            ),
        )
        write_json(folder / "run.json", {"status": "KILLED", "steps": ["ingest", "chunk"]})
        return folder

    return make


def write_corpus(folder, n_documents):
    """Write documents of many sizes that begin with the same words."""
    folder.mkdir()
    draws = random.Random(7)
    for number in range(n_documents):
        n_sentences = draws.choice((1, 1, 2, 3, 8))
        sentences = (
            f"{' '.join(draws.choices(WORDS, k=9)).capitalize()}." for _ in range(n_sentences)
        )
        # The same words before the first sentence, so that questions about them are asked again.
        text = f"{COMMON * 2}{' '.join(sentences)}"
        (folder / f"{number:05}.txt").write_text(text)
    return folder
