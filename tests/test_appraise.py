"""What a run is worth: its metrics, plots and page."""

import pytest

from synth.appraise import appraise
from synth.io import write_jsonl
from synth.ledger import REPORT
from synth.measure import OVERALL
from synth.records import Chunk

TEXT = "The Moon orbits the Earth once in 27 days; it is a rock without air. " * 4


@pytest.fixture
def folder(tmp_path):
    """A curated run of six documents with a chunk each, two pairs of each, one of them kept."""
    pairs, chunks, documents = [], [], []
    for n in range(6):
        chunk = Chunk(f"c{n}", f"d{n}", 0, len(TEXT), 60)
        (tmp_path / "data/txt").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"data/txt/d{n}.txt").write_text(TEXT)
        chunks.append(chunk.row())
        path = {"path": f"doc{n}.txt", "text_path": f"data/txt/d{n}.txt", "n_chars": len(TEXT)}
        documents.append({"id": f"d{n}", "sha256": "", **path})
        for k, kept in enumerate((True, False)):
            row = {"id": f"c{n}-{k}", "chunk_id": f"c{n}", "doc_id": f"d{n}"}
            row |= {
                "question": f"How often does moon {n} of planet {k} turn?",
                "answer": "In 27 days",
            }
            row |= {"kept": kept, "support": 1.0, "reasons": [] if kept else ["echo"]}
            pairs.append(row | {"evidence": [0, 20]})
    for name, rows in (("pairs", pairs), ("chunks", chunks), ("documents", documents)):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    return tmp_path


def test_metrics_with_the_ends_of_their_intervals(folder, make_config):
    metrics = appraise(folder, make_config("qa.num_pairs=2"))
    assert metrics["quality/kept_frac"] == metrics["quality/accepted_frac"] == 0.5
    assert metrics[OVERALL] == pytest.approx(0.5 ** (1 / 3))
    assert metrics["quality/kept_frac_low"] <= 0.5 <= metrics["quality/kept_frac_high"]


def test_page_and_pictures(folder, make_config):
    appraise(folder, make_config())
    page = (folder / REPORT).read_text()
    assert "bundled/smollm2" in page
    assert "6 of 12 pairs" in page
    assert {path.stem for path in (folder / "plots").iterdir()} >= {
        "waterfall",
        "reasons",
        "places",
    }


def test_run_without_curation_has_a_page_too(folder, make_config):
    rows = [{"id": "c0-0", "chunk_id": "c0", "doc_id": "d0", "question": "So?", "answer": "x"}]
    write_jsonl(folder / "pairs.jsonl", rows)
    steps = "steps=[serve,ingest,chunk,config,generate,export]"
    metrics = appraise(folder, make_config(steps))
    assert OVERALL not in metrics
    assert (folder / REPORT).exists()


def test_run_without_anything(tmp_path, make_config):
    for name in ("pairs", "chunks", "documents"):
        write_jsonl(tmp_path / f"{name}.jsonl", [])
    appraise(tmp_path, make_config())
    assert (tmp_path / REPORT).exists()
