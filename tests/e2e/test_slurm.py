"""A sweep on a real Slurm of two nodes, with a real vLLM on each."""

import subprocess
import sys

import pytest

from synth.io import read_json
from tests.cluster import NODES
from tests.e2e.conftest import vllm_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_four_jobs_on_two_nodes(cluster, tmp_path):
    limits = ["chunk.limit=2", "gen.max_tokens=128", "hydra.sweep.dir=sweep", "report=false"]
    grid = ["-m", "gen.temperature=0.2,0.4,0.6,0.8"]
    done = subprocess.run(
        [sys.executable, "-m", "synth", *limits, *NODES, *grid],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    logs = [path.read_text() for path in (tmp_path / "sweep" / "slurm").glob("*_log.out")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    records = [read_json(tmp_path / "sweep" / str(n) / "run.json") for n in range(4)]
    assert {record["status"] for record in records} == {"FINISHED"}
    assert all(record["counts"]["n_pairs"] for record in records)
    assert len({record["server"]["base_url"] for record in records}) == 2
    assert [record["server"]["was_reused"] for record in records].count(False) == 2
    assert vllm_processes() == []
    assert cluster.jobs() == []
