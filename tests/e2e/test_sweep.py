"""A sweep on a real vLLM: one start, four jobs, one comparison."""

import re
import subprocess
import sys

import mlflow
import pytest

from synth.io import read_json
from tests.e2e.conftest import vllm_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The folder in which four jobs were run to their end, and what was said."""
    folder = tmp_path_factory.mktemp("sweep")
    grid = ["-m", "chunk.size=256,512", "gen.temperature=0.2,0.8", "objective=quality"]
    limits = ["chunk.limit=4", "gen.max_tokens=256", "hydra.sweep.dir=sweep"]
    done = subprocess.run(
        [sys.executable, "-m", "synth", *limits, *grid],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_four_jobs_are_done_on_one_server(sweep):
    folder, said = sweep
    records = [read_json(folder / "sweep" / str(n) / "run.json") for n in range(4)]
    assert {record["status"] for record in records} == {"FINISHED"}
    assert [record["server"]["was_reused"] for record in records] == [False, True, True, True]
    assert said.count("vLLM is starting") == 1
    log = (folder / "sweep" / "3" / "server.log").read_text()
    assert len(re.findall("Application startup complete", log)) == 1
    assert vllm_processes() == []


def test_jobs_that_differ_in_sampling_meet_the_prefix_cache(sweep):
    folder, _ = sweep
    name = "generate/prefix_cache_hit_frac"
    hits = [read_json(folder / "sweep" / str(n) / "run.json")["metrics"][name] for n in range(4)]
    assert max(hits[:2]) > 0.3
    assert max(hits[2:]) > 0.3


def test_sweep_is_compared(sweep):
    folder, said = sweep
    report = (folder / "sweep" / "report.html").read_text()
    assert all(f"chunk.size={size}" in report for size in (256, 512))
    assert "quality/overall" in said
    client = mlflow.MlflowClient(f"sqlite:///{folder}/outputs/mlflow.db")
    parent = read_json(folder / "sweep" / "sweep.json")["mlflow_run_id"]
    run = client.get_run(parent)
    assert run.info.status == "FINISHED"
    jobs = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert {job.info.status for job in jobs} == {"FINISHED"}
    assert len(jobs) == 4
