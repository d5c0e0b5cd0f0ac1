"""The default experiment with a real vLLM and the bundled model; minutes on two cores."""

import itertools
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from synth.config.files import samples_dir
from synth.cutting.token import cut_tokens
from synth.io import read_json, read_jsonl, read_text
from synth.models import bundled_model
from synth.tokens import Tokenizer
from tests.conftest import wait_until
from tests.cutting.test_token import TEXTS, reference
from tests.e2e.conftest import vllm_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    with (folder / "out.txt").open("w") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "synth", "hydra.run.dir=run", *arguments],
            cwd=folder,
            stdout=out,
            stderr=out,
            text=True,
        )


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """The folder in which the default experiment was run to its end."""
    folder = tmp_path_factory.mktemp("default")
    process = start(folder)
    code = process.wait(800)
    assert code == 0, (folder / "out.txt").read_text()
    return folder


def test_default_run_makes_valid_pairs(default_run):
    run = default_run / "run"
    record = read_json(run / "run.json")
    pairs = list(read_jsonl(run / "pairs.jsonl"))
    assert record["status"] == "FINISHED"
    assert record["counts"]["n_pairs"] == len(pairs) >= 20
    assert all(pair["question"].strip() and pair["answer"].strip() for pair in pairs)
    kept = [pair for pair in pairs if pair["kept"]]
    assert len(list(read_jsonl(run / "export" / "jsonl" / "train.jsonl"))) == len(kept)


def test_what_a_small_model_does_wrong_is_caught(default_run):
    run = default_run / "run"
    documents = {row["id"]: row for row in read_jsonl(run / "documents.jsonl")}
    pairs = list(read_jsonl(run / "pairs.jsonl"))
    assert len({pair["question"].casefold() for pair in pairs if pair["kept"]}) == sum(
        pair["kept"] for pair in pairs
    )
    for pair in pairs:
        if pair["kept"]:
            text = read_text(run / documents[pair["doc_id"]]["text_path"])
            assert text[slice(*pair["evidence"])].strip()
    metrics = read_json(run / "run.json")["metrics"]
    assert metrics["quality/kept_frac"] < 1
    assert metrics["curate/n_unsupported"] > 0
    assert "From asked to kept" in read_text(run / "report.html")


def test_default_run_is_in_mlflow(default_run):
    client = mlflow.MlflowClient(f"sqlite:///{default_run}/outputs/mlflow.db")
    record = read_json(default_run / "run" / "run.json")
    run = client.get_run(record["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["model.name"] == "bundled/smollm2"
    assert run.data.metrics["generate/output_tokens_per_s"] > 0
    assert any(name.startswith("system/cpu") for name in run.data.metrics)
    assert client.list_artifacts(run.info.run_id, "export")


def test_memory_plan_comes_true(default_run):
    memory = read_json(default_run / "run" / "run.json")["server"]["memory"]
    assert memory["kv_cache_tokens"] > 0
    assert abs(memory["kv_cache_error_frac"]) < 0.05


def test_default_run_leaves_no_process(default_run):
    assert vllm_processes() == []


def test_chunks_are_the_text_and_pairs_lead_to_them(default_run):
    run = default_run / "run"
    documents = {row["id"]: row for row in read_jsonl(run / "documents.jsonl")}
    chunks = {row["id"]: row for row in read_jsonl(run / "chunks.jsonl")}
    assert len(chunks) >= 10
    for chunk in chunks.values():
        text = read_text(run / documents[chunk["doc_id"]]["text_path"])
        assert text[chunk["start"] : chunk["end"]] == read_text(run / chunk["path"])
    assert {pair["chunk_id"] for pair in read_jsonl(run / "pairs.jsonl")} <= set(chunks)


def test_server_log_holds_no_secret(default_run):
    config = (default_run / "run" / "synthetic_data_kit_config.yaml").read_text()
    log = (default_run / "run" / "server.log").read_text()
    assert re.search(r"api_key: null", config)
    assert not re.search(r"api[-_]key['\"]?\s*[:=]\s*\[?['\"]\w", log)


def test_boundaries_on_the_bundled_tokenizer():
    tokenizer = Tokenizer(bundled_model() / "tokenizer.json")
    samples = "".join(path.read_text() for path in sorted(samples_dir().iterdir()))
    text = samples + "".join(TEXTS.values())
    rng = random.Random(0)
    for _ in range(1000):
        begin = rng.randrange(len(text))
        part = text[begin : begin + rng.randrange(1, 6000)]
        size, overlap = rng.randrange(70, 900), rng.randrange(64)
        chunks = list(cut_tokens(part, tokenizer, size, overlap))
        expected = reference(len(tokenizer.tokenize(part)), size, overlap)
        assert [chunk.n_tokens for chunk in chunks] == [right - left for left, right in expected]
        assert (chunks[0].start, chunks[-1].end) == (0, len(part))
        assert all(a.end >= b.start > a.start for a, b in itertools.pairwise(chunks))


@pytest.mark.parametrize(
    ("number", "moment"),  # all of them, on a stand-in: test_cli.py
    [
        (signal.SIGINT, "generating"),
        (signal.SIGTERM, "starting"),
        (signal.SIGKILL, "starting"),
        (signal.SIGKILL, "generating"),
    ],
)
def test_no_process_outlives_the_run(tmp_path, number, moment):
    process = start(tmp_path, "tracking=none")
    if moment == "starting":
        wait_until(lambda: len(vllm_processes()) >= 4, 120)  # the engine is loading
    else:
        pairs = tmp_path / "run" / "pairs.jsonl"
        wait_until(pairs.exists, 300)
    process.send_signal(number)
    wait_until(lambda: not vllm_processes(), 10)
    process.wait(20)
    expected = "RUNNING" if number == signal.SIGKILL else "KILLED"
    assert read_json(tmp_path / "run" / "run.json")["status"] == expected
