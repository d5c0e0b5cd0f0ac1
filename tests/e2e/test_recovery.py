"""A real vLLM whose engine is killed in the middle of a run; minutes on two cores."""

import pytest

from synth.io import read_json, read_jsonl
from tests.conftest import wait_until
from tests.e2e.conftest import vllm_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def engines():
    return [one for one in vllm_processes() if "EngineCore" in one.info["name"]]


def test_run_ends_complete_when_its_engine_is_killed(start_cli, tmp_path):
    run = start_cli("hydra.run.dir=run", "chunk.limit=5", "gen.max_tokens=256", "tracking=none")
    requests = tmp_path / "run/requests.jsonl"
    wait_until(lambda: requests.exists() and requests.read_text().count("\n") >= 2, 300)
    (engine,) = engines()
    engine.kill()
    out, err = run.communicate(timeout=600)
    assert run.returncode == 0, err
    record = read_json(tmp_path / "run/run.json")
    assert record["server"]["n_restarts"] == 1
    assert "starting it again (1 of 3)" in out
    with_pairs = {row["chunk_id"] for row in read_jsonl(tmp_path / "run/pairs.jsonl")}
    failed = {row["id"] for row in read_jsonl(tmp_path / "run/failures.jsonl")}
    assert len(with_pairs | failed) == record["counts"]["n_chunks"] == 5
    assert "TransientError" not in str(list(read_jsonl(tmp_path / "run/failures.jsonl")))
    assert vllm_processes() == []
