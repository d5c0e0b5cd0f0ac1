"""Two real vLLM servers side by side, one of which is killed; minutes on two cores."""

import os
import signal

import psutil
import pytest

from synth.io import read_json, read_jsonl
from tests.conftest import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

FEW = "server.engine_args={max-num-seqs: 2}"  # so that there is something left for the second
SMALL = (
    *("chunk.limit=10", "qa.num_pairs=1", "gen.max_tokens=96", "gen.max_reasks=0"),
    *("tracking=none", "report=false", "gen.max_failed_frac=1"),
)


@pytest.fixture
def server_of(offspring):
    """Return the process that listens for a server of this test."""
    return lambda part: next(
        one
        for one in map(psutil.Process, offspring())
        if "vllm.entrypoints.openai.api_server" in one.cmdline()
        and one.environ().get("SYNTH_REPLICA") == part
    )


def has_answered(log_path):
    return log_path.exists() and "POST /v1/chat/completions" in log_path.read_text()


def test_run_is_complete_when_one_of_two_servers_is_killed(
    start_cli, tmp_path, server_of, offspring
):
    run = tmp_path / "run"
    process = start_cli("hydra.run.dir=run", "server.replicas=2", FEW, *SMALL)
    wait_until(lambda: all(has_answered(run / f"server{n}.log") for n in ("", "-2")), 400)
    os.kill(server_of("2 of 2").pid, signal.SIGKILL)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, out + err
    record = read_json(run / "run.json")
    assert [row["server"] for row in record["server"]["restarts"]] == ["server 2 of 2"]
    assert record["counts"]["n_chunks"] == 10
    asked = [row["chunk_id"] for row in read_jsonl(run / "requests.jsonl")]
    failed = [row["id"] for row in read_jsonl(run / "failures.jsonl")]
    chunks = {row["id"] for row in read_jsonl(run / "chunks.jsonl")}
    assert chunks == set(asked) | set(failed)
    assert "TransientError" not in str(list(read_jsonl(run / "failures.jsonl")))
    assert has_answered(run / "server-2.1.log")
    assert not offspring()
