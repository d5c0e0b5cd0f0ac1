"""Sweeps on a real Slurm of two nodes, against the stub: to their end, whatever happens to nodes."""

import json
import re
import shutil
import signal
from collections import Counter

import mlflow
import pytest

from synth.io import read_json, read_jsonl
from tests.cluster import NODES
from tests.conftest import wait_until
from tests.test_cli import fails
from tests.test_sweep import GRID, records, runs_of

EIGHT = ("-m", "chunk.size=32,64", "gen.temperature=0.1,0.2,0.3,0.4")
TRACKED = ("tracking=mlflow", "tracking.uri=sqlite:///ml.db")
SLOW = ("server.engine_args.delay-s=0.5", "gen.concurrency=2")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def grid(stub, tmp_path):
    """A grid over what the model is asked, on a stub that notes its starts and requests."""
    noted = [f"server.engine_args.note-{what}={tmp_path}/{what}" for what in ("start", "requests")]
    return [*(text for text in stub if "chunk.size" not in text), *noted, *NODES]


@pytest.fixture
def store(new_store, tmp_path):
    shutil.copy(new_store, tmp_path / "ml.db")
    return mlflow.MlflowClient(f"sqlite:///{tmp_path}/ml.db")


@pytest.fixture
def run(start_cli):
    """Run ``python -m synth …`` to its end, which Slurm may delay."""

    def run(*arguments, **environment):
        process = start_cli(*arguments, **environment)
        process.stdout_text, process.stderr_text = process.communicate(timeout=240)
        return Done(process.returncode, process.stdout_text, process.stderr_text)

    return run


class Done:
    def __init__(self, returncode, stdout, stderr):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr


def statuses(tmp_path):
    return [record.get("status") for record in records(tmp_path)]


def begun(tmp_path):
    """The jobs that have pairs."""
    return [path for path in (tmp_path / "sweep").glob("*/pairs.jsonl") if path.stat().st_size]


def n_repeated(tmp_path):
    """How many requests were sent again."""
    bodies = [json.dumps(row, sort_keys=True) for row in read_jsonl(tmp_path / "requests")]
    return len(bodies) - len(set(bodies))


def are_whole(tmp_path):
    """Every job has every chunk once: in one row of requests, its pairs together."""
    for folder in (path.parent for path in (tmp_path / "sweep").glob("*/run.json")):
        chunks = [row["id"] for row in read_jsonl(folder / "chunks.jsonl")]
        pairs = [row["id"] for row in read_jsonl(folder / "pairs.jsonl")]
        asked = {row["chunk_id"] for row in read_jsonl(folder / "pairs.jsonl")}
        failed = [row["id"] for row in read_jsonl(folder / "failures.jsonl")]
        assert len(pairs) == len(set(pairs))
        assert Counter(chunks) == Counter([*asked, *failed])
    return True


def test_eight_jobs_on_two_nodes(cluster, run, grid, store, tmp_path):
    done = run(*grid, *TRACKED, *EIGHT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(tmp_path) == ["FINISHED"] * 8
    assert len((tmp_path / "start").read_text().splitlines()) == 2  # a server for each node
    assert n_repeated(tmp_path) == 0
    assert are_whole(tmp_path)
    (parent,), jobs = runs_of(store)
    assert [run.data.tags["mlflow.parentRunId"] for run in jobs] == [parent.info.run_id] * 8
    assert {run.info.status for run in [parent, *jobs]} == {"FINISHED"}
    assert (tmp_path / "sweep" / "report.html").exists()
    assert cluster.jobs() == []


def test_node_that_is_lost_and_node_that_is_drained(
    cluster, start_cli, grid, store, tmp_path, offspring
):
    process = start_cli(*grid, *TRACKED, *SLOW, "hydra.launcher.n_jobs=2", *EIGHT)
    wait_until(lambda: len(begun(tmp_path)) >= 3, 60)  # both nodes are at work
    cluster.ask("scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=test")
    cluster.lose("n2")
    wait_until(lambda: [job[1] for job in cluster.jobs()].count("PENDING") == 1, 60)  # requeued
    cluster.bring_back("n2")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    assert statuses(tmp_path) == ["FINISHED"] * 8
    assert are_whole(tmp_path)
    # What was on its way on the lost node went again: two requests of each of its two jobs.
    assert n_repeated(tmp_path) <= 4
    (parent,), jobs = runs_of(store)
    assert [run.data.tags["synth.job"] for run in sorted(jobs, key=job_number)] == list("01234567")
    assert {run.info.status for run in [parent, *jobs]} == {"FINISHED"}
    assert not [pid for pid in offspring() if pid != process.pid]


def job_number(run):
    return int(run.data.tags["synth.job"])


def test_time_is_up_and_the_job_goes_on(cluster, start_cli, grid, store, tmp_path):
    one = "hydra.launcher.array_parallelism=1"
    process = start_cli(*grid, *TRACKED, *SLOW, one, "-m", "chunk.size=32,64")
    wait_until(lambda: len(begun(tmp_path)) == 2, 60)
    wait_until(lambda: all(record["mlflow_run_id"] for record in records(tmp_path)), 60)
    before = {path: next(read_jsonl(path))["question"] for path in begun(tmp_path)}
    ids = {record["mlflow_run_id"] for record in records(tmp_path)}
    (job,) = cluster.ask("squeue", "--noheader", "--format=%A").split()
    cluster.ask("scancel", "--signal=USR2", job)  # what Slurm sends when the time is nearly up
    wait_until(lambda: cluster.jobs() == [["N/A", "PENDING"]], 60)
    assert statuses(tmp_path) == ["KILLED"] * 2  # it has ended in order
    cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")  # Slurm waits two minutes
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert statuses(tmp_path) == ["FINISHED"] * 2
    assert are_whole(tmp_path)
    assert {path: next(read_jsonl(path))["question"] for path in begun(tmp_path)} == before
    parents, jobs = runs_of(store)
    assert {run.info.run_id for run in jobs} == ids
    assert {run.info.status for run in [*parents, *jobs]} == {"FINISHED"}


def test_nodes_work_on_without_the_one_who_waits(cluster, start_cli, run, grid, store, tmp_path):
    process = start_cli(*grid, *TRACKED, *SLOW, *GRID)
    wait_until(lambda: begun(tmp_path), 60)
    process.kill()
    job = read_json(tmp_path / "sweep" / "sweep.json")["allocation"]
    done = run("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        read_json(tmp_path / "sweep" / "sweep.json")["allocation"] == job
    )  # no other was asked for
    assert statuses(tmp_path) == ["FINISHED"] * 4
    assert n_repeated(tmp_path) == 0
    assert {run.info.status for runs in runs_of(store) for run in runs} == {"FINISHED"}


def test_ctrl_c_gives_the_nodes_back(cluster, start_cli, run, grid, tmp_path, offspring):
    process = start_cli(*grid, *SLOW, *GRID)
    wait_until(lambda: len(begun(tmp_path)) >= 2, 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, out + err
    assert "resume=" in out
    assert cluster.jobs() == []
    assert not offspring()
    assert "KILLED" in statuses(tmp_path)
    assert run("resume=sweep").returncode == 0
    assert statuses(tmp_path) == ["FINISHED"] * 4
    assert are_whole(tmp_path)


def test_cancelled_job_is_not_asked_for_again(cluster, start_cli, grid, tmp_path):
    process = start_cli(*grid, *SLOW, *GRID)
    wait_until(lambda: begun(tmp_path), 60)
    cluster.ask("scancel", read_json(tmp_path / "sweep" / "sweep.json")["allocation"])
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1, out + err
    assert re.search(r"Slurm job \d+ was cancelled", out + err)
    assert "resume=" in out
    assert "Traceback" not in out + err


def test_failed_job_runs_again_when_the_sweep_goes_on(cluster, run, grid, tmp_path, documents):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("")
    done = run(*grid, "-m", f"docs={documents},empty")
    assert fails(done, "none of the 1 files could be read", "resume=")
    assert statuses(tmp_path) == ["FINISHED", "FAILED"]
    (tmp_path / "empty" / "a.txt").write_text("The Sun is a star. " * 60)
    done = run("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(tmp_path) == ["FINISHED"] * 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("hydra.launcher.partition=nowhere", "invalid partition specified: nowhere"),
        ("+hydra.launcher.partitoin=main", "partitoin"),
        ("hydra.launcher.array_parallelism=0", "hydra.launcher.array_parallelism=0: expected 1"),
        ("hydra.launcher.timeout_min=soon", "timeout_min"),
    ],
)
def test_what_slurm_does_not_take_is_named(cluster, run, grid, tmp_path, override, said):
    assert fails(run(*grid, override, *GRID), said)
    assert not begun(tmp_path)


def test_no_slurm(run, grid, tmp_path):
    (tmp_path / "bin").mkdir()
    assert fails(run(*grid, *GRID, PATH=str(tmp_path / "bin")), "no sbatch here", "login node")


def test_secrets_are_in_no_file(cluster, run, grid, tmp_path):
    done = run(*grid, "model.token=hf_secret", "-m", "gen.temperature=0.1,0.2")
    assert done.returncode == 0, done.stdout + done.stderr
    files = [path for path in (tmp_path / "sweep").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if b"hf_secret" in path.read_bytes()]


def test_one_file_makes_equal_datasets_on_every_launcher(cluster, run, grid, tmp_path):
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    params = "{chunk.size: '32,64', seed: '0,1'}"
    file.write_text(
        "# @package _global_\nname: mine\ngen: {temperature: 0.4, reuse: false}\n"
        f"hydra: {{mode: MULTIRUN, sweeper: {{params: {params}}}}}\n"
    )
    found = []
    for launcher in ("basic", "joblib", "slurm"):
        common = [text for text in grid if text not in NODES]
        nodes = NODES if launcher == "slurm" else [f"hydra/launcher={launcher}"]
        mine = ["--config-dir", "conf", "experiment=mine", f"hydra.sweep.dir={launcher}"]
        done = run(*common, *nodes, *mine)
        assert done.returncode == 0, done.stdout + done.stderr
        found.append([(tmp_path / launcher / str(n) / "pairs.jsonl").read_text() for n in range(4)])
    assert found[0] == found[1] == found[2]
    assert all(found[0])
