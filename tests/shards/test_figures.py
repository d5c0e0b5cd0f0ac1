"""Figures of a run in shards: sums, rates of one server, rates of all."""

import pytest

from synth.io import read_jsonl, write_json, write_jsonl
from synth.records import Request
from synth.shards import Book, Shard, merge, summarise

REQUEST = {"prompt_tokens": 100, "cached_tokens": 0, "finish_reason": "stop", "latency_s": 1.0}


def record(started, **more):
    metrics = {"generate/gpu_s": 20.0, "curate/n_judged": 2, "curate/n_abstained": 1}
    server = {"kind": "managed", "model": "m", "n_restarts": 1, "was_reused": False, **more}
    return {"status": "FINISHED", "started": started, "metrics": metrics, "server": server}


@pytest.fixture
def run(make_run):
    folder = make_run(2, 2)
    book = Book(folder, "", [Shard(f"shards/{n}", 1, 2, 20) for n in range(2)])
    for number, shard in enumerate(book.folders):
        chunk = f"d{number}-0"
        write_jsonl(
            shard / "chunks.jsonl",
            [{"doc_id": "d", "id": chunk, "start": 0, "end": 1, "n_tokens": 1}],
        )
        write_jsonl(
            shard / "pairs.jsonl", [{"id": f"{chunk}-{n}", "chunk_id": chunk} for n in range(3)]
        )
        asked = Request(chunk_id=chunk, output_tokens=50, server_s=10.0, **REQUEST)
        write_jsonl(shard / "requests.jsonl", [vars(asked)])
        write_jsonl(shard / "curate_requests.jsonl", [vars(asked)])
        findings = [{"id": f"{chunk}-{n}", "chunk_id": chunk} for n in range(3)]
        findings[0]["opinion"] = {"scores": None, "closed_book": None}
        write_jsonl(shard / "findings.jsonl", findings)
        write_json(
            shard / "run.json", record(f"2026-11-24T10:00:0{number}+00:00", startup_s=5.0 + number)
        )
    book.write()
    merge(folder)
    return folder


def test_sums_and_rates(run, make_config):
    figures = summarise(run, make_config("cost.gpu_hour=3.6")).metrics
    assert figures["generate/n_requests"] == 2
    assert figures["generate/n_output_tokens"] == 100
    assert figures["generate/output_tokens_per_s"] == pytest.approx(5)  # of one server
    assert figures["generate/pairs_per_s"] == pytest.approx(6 / 20)
    assert figures["generate/gpu_s"] == 40
    assert figures["generate/cost"] == pytest.approx(0.04)
    assert (figures["curate/n_judged"], figures["curate/n_abstained"]) == (4, 2)
    assert "curate/pairs_per_s" not in figures
    assert figures["shards/n"] == 2
    assert figures["shards/pairs_per_s"] == pytest.approx(6 / figures["shards/span_s"])


def test_nothing_is_said_of_models_that_nobody_asked(run, make_config):
    rows = list(read_jsonl(run / "findings.jsonl"))
    write_jsonl(run / "findings.jsonl", [row for row in rows if "opinion" not in row])
    figures = summarise(run, make_config()).metrics
    assert not any(name.startswith("curate/") for name in figures)


def test_servers(run, make_config):
    server = summarise(run, make_config()).server
    assert server == {
        "kind": "managed",
        "model": "m",
        "n_restarts": 2,
        "was_reused": False,
        "n_shards": 2,
        "n_started": 2,
        "startup_s": 6.0,
    }
