"""Sweeps as their users meet them: on the stub, as a process, to their end or not."""

import hashlib
import json
import shutil
import signal

import mlflow
import psutil
import pytest

from synth.io import read_json, read_jsonl
from synth.sweep.plan import OBJECTIVES
from tests.conftest import wait_until
from tests.test_cli import fails

GRID = ("-m", "chunk.size=32,64", "gen.temperature=0.3,0.7")
NAMES = [f"chunk.size={size} gen.temperature={t}" for size in (32, 64) for t in (0.3, 0.7)]
TRACKED = ("tracking=mlflow", "tracking.uri=sqlite:///ml.db")
ROCK = "The Moon is a rock. " * 20
AWAY = "tracking.uri=sqlite:///store/ml.db"


@pytest.fixture
def grid(stub, tmp_path):
    """A grid over what the model is asked, on a stub that notes its starts."""
    kept = [text for text in stub if "chunk.size" not in text]
    return [*kept, f"server.engine_args.note-start={tmp_path}/starts"]


@pytest.fixture
def store(new_store, tmp_path):
    shutil.copy(new_store, tmp_path / "ml.db")
    return mlflow.MlflowClient(f"sqlite:///{tmp_path}/ml.db")


def records(tmp_path, name="run.json"):
    folders = sorted(path for path in (tmp_path / "sweep").iterdir() if path.name.isdigit())
    return [read_json(folder / name) for folder in folders]


def n_starts(tmp_path):
    return len((tmp_path / "starts").read_text().splitlines())


def runs_of(client):
    (experiment,) = [e for e in client.search_experiments() if e.name == "synth"]
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if run.data.tags["synth.kind"] == "sweep"]
    return parents, [run for run in runs if run not in parents]


def hashes(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_jobs_share_a_server_and_are_compared(run_cli, grid, tmp_path):
    done = run_cli(*grid, *GRID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [record["status"] for record in records(tmp_path)] == ["FINISHED"] * 4
    assert n_starts(tmp_path) == 1
    jobs = read_json(tmp_path / "sweep" / "sweep.json")["jobs"]
    assert [(job["number"], job["folder"], job["name"]) for job in jobs] == [
        (n, str(n), name) for n, name in enumerate(NAMES)
    ]
    files = {path.name for path in (tmp_path / "sweep").iterdir()}
    assert {"report.html", "comparison.csv", "plots"} <= files
    assert all(name in (tmp_path / "sweep" / "report.html").read_text() for name in NAMES)


def test_documents_are_read_and_tokenised_once(run_cli, grid, tmp_path):
    run_cli(*grid, *GRID)
    texts = [next((tmp_path / "sweep" / str(n) / "data" / "txt").iterdir()) for n in range(4)]
    assert len({path.stat().st_ino for path in texts}) == 1


@pytest.mark.parametrize("step", [1, -1], ids=["models first", "models last"])
@pytest.mark.parametrize("launcher", ["synth", "joblib"])
def test_each_server_starts_once_in_any_order(run_cli, grid, tmp_path, model_dir, step, launcher):
    shutil.copytree(model_dir, tmp_path / "other")
    swept = [f"model.name={model_dir},{tmp_path}/other", "gen.temperature=0.3,0.7"][::step]
    fixed = [text for text in grid if not text.startswith("model.name")]
    done = run_cli(*fixed, "chunk.size=64", f"hydra/launcher={launcher}", "-m", *swept)
    assert done.returncode == 0, done.stdout + done.stderr
    assert n_starts(tmp_path) == 2
    jobs = read_json(tmp_path / "sweep" / "sweep.json")["jobs"]
    assert jobs[0]["name"] == " ".join(text.split(",")[0] for text in swept)
    assert [list(job["settings"]) for job in jobs] == [[s.split("=")[0] for s in swept]] * 4


def test_twins_ask_for_the_same_chunk_at_about_the_same_time(run_cli, grid, tmp_path):
    note = f"server.engine_args.note-requests={tmp_path}/requests"
    run_cli(*grid, note, "server.engine_args.delay-s=0.02", "gen.concurrency=1", *GRID)
    asked = [row["messages"][-1]["content"] for row in read_jsonl(tmp_path / "requests")]
    # Jobs begin when they have read; by the second half those that began later have caught up.
    late = range(len(asked) // 2, len(asked) - 8)
    assert sum(asked[n] in asked[n - 8 : n] + asked[n + 1 : n + 9] for n in late) > 0.9 * len(late)


def test_sweep_is_in_mlflow(run_cli, grid, store, tmp_path):
    done = run_cli(*grid, *TRACKED, *GRID)
    assert done.returncode == 0, done.stdout + done.stderr
    (parent,), jobs = runs_of(store)
    assert sorted(run.info.run_name for run in jobs) == NAMES
    assert {run.data.tags["mlflow.parentRunId"] for run in jobs} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *jobs]} == {"FINISHED"}
    assert all("quality/accepted_frac" in run.data.metrics for run in jobs)
    artifacts = {file.path for file in store.list_artifacts(parent.info.run_id)}
    assert {"report.html", "comparison.csv", "plots"} <= artifacts
    experiment = store.get_experiment(parent.info.experiment_id)
    (view,) = [v for key, v in experiment.tags.items() if key.startswith("mlflow.sharedViewState")]
    assert "params.`chunk.size`" in json.loads(view)["selectedColumns"]
    assert f"/runs/{parent.info.run_id}" in done.stdout


def test_job_that_fails_is_recorded_and_the_others_go_on(run_cli, grid, store, tmp_path, documents):
    done = run_cli(*grid, *TRACKED, "-m", f"docs={documents},nowhere", "chunk.size=32,64")
    assert fails(done, "there is no such file or folder", "resume=")
    assert [record["status"] for record in records(tmp_path)] == ["FINISHED"] * 2 + ["FAILED"] * 2
    (parent,), jobs = runs_of(store)
    assert parent.info.status == "FAILED"
    assert sorted(run.info.status for run in jobs) == ["FAILED"] * 2 + ["FINISHED"] * 2
    assert "nowhere" in (tmp_path / "sweep" / "2" / "synth.log").read_text()
    assert "nowhere" in (tmp_path / "sweep" / "report.html").read_text()


def test_mistake_in_one_job_ends_all_before_anything_starts(run_cli, grid, tmp_path):
    done = run_cli(*grid, "-m", "chunk.size=64,1900")
    assert fails(done, "chunk.size=1900")
    assert not (tmp_path / "starts").exists()


def test_server_that_can_not_start_fails_its_jobs_once(run_cli, grid, tmp_path):
    broken = "server.engine_args.exit-at-start=no luck"
    done = run_cli(*grid, broken, *GRID)
    assert fails(done, "no luck")
    assert {record["status"] for record in records(tmp_path)} == {"FAILED"}
    assert not (tmp_path / "starts").exists()


def test_killed_sweep_goes_on_where_it_was(start_cli, run_cli, grid, store, tmp_path, offspring):
    slow = ["gen.concurrency=2", "hydra.launcher.n_jobs=2", "server.engine_args.delay-s=0.1"]
    note = f"server.engine_args.note-requests={tmp_path}/requests"
    process = start_cli(*grid, *TRACKED, *slow, note, *GRID)
    record = tmp_path / "sweep" / "0" / "run.json"
    wait_until(lambda: record.exists() and read_json(record)["status"] == "FINISHED", 60)
    pairs = tmp_path / "sweep" / "2" / "pairs.jsonl"
    wait_until(lambda: pairs.exists() and pairs.stat().st_size, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not offspring())  # the server has said its last words
    before, answered = hashes(tmp_path / "sweep" / "0"), len(list(read_jsonl(pairs)))
    done = run_cli("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashes(tmp_path / "sweep" / "0") == before
    assert [one["status"] for one in records(tmp_path)] == ["FINISHED"] * 4
    for job in "0123":
        ids = [row["id"] for row in read_jsonl(tmp_path / "sweep" / job / "pairs.jsonl")]
        assert len(ids) == len(set(ids)) == 3 * len({one.rpartition("-")[0] for one in ids})
    n_asked = len(list(read_jsonl(tmp_path / "requests")))
    n_chunks = sum(one["counts"]["n_chunks"] for one in records(tmp_path))
    assert answered > 0
    assert n_asked <= n_chunks + 2 * 2 * 2  # what was in flight or not yet in order is asked again
    (parent,), jobs = runs_of(store)
    assert {run.info.status for run in [parent, *jobs]} == {"FINISHED"}
    assert len(jobs) == 4


def test_failed_jobs_are_what_resume_runs(run_cli, grid, tmp_path, documents):
    late = tmp_path / "late"
    run_cli(*grid, "-m", f"docs={documents},{late}", "chunk.size=64")
    before = hashes(tmp_path / "sweep" / "0")
    shutil.copytree(documents, late)
    done = run_cli("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [record["status"] for record in records(tmp_path)] == ["FINISHED"] * 2
    assert hashes(tmp_path / "sweep" / "0") == before


def test_mlflow_run_that_a_killed_process_left_open_is_closed(run_cli, grid, store, tmp_path):
    done = run_cli(*grid, *TRACKED, *GRID)
    assert done.returncode == 0, done.stdout + done.stderr
    _, (job, *_) = runs_of(store)
    shutil.rmtree(job.info.artifact_uri.removeprefix("file://"))
    store.update_run(job.info.run_id, status="RUNNING")
    before = hashes(tmp_path / "sweep" / job.data.tags["synth.job"])
    done = run_cli("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert store.get_run(job.info.run_id).info.status == "FINISHED"
    assert "run.json" in {file.path for file in store.list_artifacts(job.info.run_id)}
    assert hashes(tmp_path / "sweep" / job.data.tags["synth.job"]) == before


def test_store_that_was_out_of_reach_gets_all_by_resume(run_cli, grid, store, tmp_path):
    (tmp_path / "store").touch()
    assert fails(run_cli(*grid, *TRACKED, AWAY, *GRID), "tracking.uri", "resume=")
    assert [record["status"] for record in records(tmp_path)] == ["FINISHED"] * 4
    (tmp_path / "store").unlink()
    (tmp_path / "store").symlink_to(tmp_path)
    done = run_cli("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    (parent,), jobs = runs_of(store)
    assert sorted(run.info.run_name for run in jobs) == NAMES
    assert {run.data.tags["mlflow.parentRunId"] for run in jobs} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *jobs]} == {"FINISHED"}
    assert all("quality/accepted_frac" in run.data.metrics for run in jobs)
    assert run_cli("resume=sweep").returncode == 0
    assert len(runs_of(store)[1]) == 4


def test_single_run_gets_into_the_store_by_resume(run_cli, stub, store, tmp_path):
    (tmp_path / "store").touch()
    assert fails(run_cli(*stub, *TRACKED, AWAY), "tracking.uri", "resume=")
    (tmp_path / "store").unlink()
    (tmp_path / "store").symlink_to(tmp_path)
    assert run_cli("resume=run").returncode == 0
    _, (run,) = runs_of(store)
    assert run.info.status == "FINISHED"
    assert read_json(tmp_path / "run" / "run.json")["mlflow_run_id"] == run.info.run_id
    assert fails(run_cli("resume=run"), "the run is finished")


def test_single_run_goes_on_where_it_was(start_cli, run_cli, stub, tmp_path):
    process = start_cli(*stub, "gen.concurrency=1", "server.engine_args.delay-s=0.2")
    pairs = tmp_path / "run" / "pairs.jsonl"
    wait_until(lambda: pairs.exists() and pairs.stat().st_size, 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    n_before = len(list(read_jsonl(pairs)))
    done = run_cli("resume=run")
    assert done.returncode == 0, done.stdout + done.stderr
    record = read_json(tmp_path / "run" / "run.json")
    assert record["status"] == "FINISHED"
    assert record["counts"]["n_pairs"] == 3 * record["counts"]["n_chunks"] > n_before > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resume=nowhere"], "there is neither a run nor a sweep"),
        (["resume=nowhere", "chunk.size=64"], "leave out chunk.size=64"),
        (["-m", "gen.temperature=0.1,0.2", "objective=quality/useable_frac"], "Did you mean"),
        (["-m", "tracking=none,mlflow"], "tracking.kind: it can't differ"),
        (["-m", "sweep=prompts,models"], "one grid at a time"),
    ],
    ids=["nothing there", "another setting", "no such objective", "two stores", "two grids"],
)
def test_mistakes_are_told(run_cli, arguments, said):
    assert fails(run_cli(*arguments), said)


def test_sweep_is_not_overwritten(run_cli, grid):
    assert run_cli(*grid, *GRID).returncode == 0
    assert fails(run_cli(*grid, *GRID), "holds a sweep already")


def test_run_logs_every_objective(run_cli, stub, tmp_path):
    run_cli(*stub, "curate=full")
    assert set(OBJECTIVES) <= set(read_json(tmp_path / "run" / "run.json")["metrics"])


def test_workers_share_the_server(run_cli, grid, store, tmp_path):
    done = run_cli(*grid, *TRACKED, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *GRID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert n_starts(tmp_path) == 1
    (parent,), jobs = runs_of(store)
    assert {run.data.tags["mlflow.parentRunId"] for run in jobs} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *jobs]} == {"FINISHED"}


def test_killed_worker_leaves_the_others(start_cli, run_cli, grid, tmp_path):
    (tmp_path / "text.txt").write_text(f"{ROCK}HOLD {ROCK}")
    held = [f"docs={tmp_path}/text.txt", f"server.engine_args.hold-until={tmp_path}/go"]
    workers = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "gen.concurrency=1"]
    process = start_cli(*grid, *held, *workers, "chunk.size=64", "-m", "seed=1,2,3,4")
    files = [tmp_path / "sweep" / str(n) / "pairs.jsonl" for n in range(2)]
    wait_until(lambda: all(path.exists() and path.stat().st_size for path in files), 60)
    at_work = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "loky.backend.popen_loky_posix" in " ".join(child.cmdline())
    ]
    at_work[0].kill()
    psutil.wait_procs(at_work, timeout=20)  # joblib ends the other, too
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=90)
    assert process.returncode == 1, out + err
    statuses = [record["status"] for record in records(tmp_path)]
    assert "KILLED" in statuses[:2]
    assert "its process was killed" in (tmp_path / "sweep" / "report.html").read_text()
    assert statuses[2:] == ["FINISHED", "FINISHED"]
    assert run_cli("resume=sweep").returncode == 0
    assert [record["status"] for record in records(tmp_path)] == ["FINISHED"] * 4


def test_all_that_can_happen_to_a_sweep_is_made_good(
    start_cli, run_cli, grid, store, tmp_path, offspring
):
    """Of four jobs one is done, one raises, one is killed, and then the whole sweep is."""
    texts = [tmp_path / f"{name}.txt" for name in ("late", "short", "third", "fourth")]
    for path, text in zip(texts[1:], (ROCK, f"{ROCK}HOLD {ROCK}", f"{ROCK}HOLD"), strict=True):
        path.write_text(text)
    held = ["gen.concurrency=1", f"server.engine_args.hold-until={tmp_path}/go"]
    note = f"server.engine_args.note-requests={tmp_path}/requests"
    workers = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "gen.reuse=false"]
    swept = "docs=" + ",".join(map(str, texts))
    process = start_cli(*grid, *TRACKED, *held, *workers, note, "chunk.size=64", "-m", swept)
    files = [tmp_path / "sweep" / str(n) / "pairs.jsonl" for n in (2, 3)]
    wait_until(lambda: all(path.exists() and path.stat().st_size for path in files), 90)
    assert [one["status"] for one in records(tmp_path)] == [
        "FAILED", "FINISHED", "RUNNING", "RUNNING"
    ]  # fmt: skip
    holders = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if str(files[0]) in {file.path for file in child.open_files()}
    ]
    holders[0].kill()
    process.kill()
    process.wait()
    wait_until(lambda: not offspring(), 60)
    before, n_asked = hashes(tmp_path / "sweep" / "1"), len(list(read_jsonl(tmp_path / "requests")))
    shutil.copy(texts[1], texts[0])
    (tmp_path / "go").touch()
    done = run_cli("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one["status"] for one in records(tmp_path)] == ["FINISHED"] * 4
    assert hashes(tmp_path / "sweep" / "1") == before
    for job in "0123":
        ids = [row["id"] for row in read_jsonl(tmp_path / "sweep" / job / "pairs.jsonl")]
        assert len(ids) == len(set(ids)) > 0
    n_chunks = sum(one["counts"]["n_chunks"] for one in records(tmp_path))
    n_in_flight = 2  # are asked again
    assert (
        n_asked < n_chunks <= len(list(read_jsonl(tmp_path / "requests"))) <= n_chunks + n_in_flight
    )
    (parent,), jobs = runs_of(store)
    assert [run.info.status for run in [parent, *jobs]] == ["FINISHED"] * 5


def test_interrupted_sweep_says_how_to_go_on(start_cli, grid, store, tmp_path):
    process = start_cli(*grid, *TRACKED, "server.engine_args.delay-s=0.2", *GRID)
    pairs = tmp_path / "sweep" / "0" / "pairs.jsonl"
    wait_until(lambda: pairs.exists() and pairs.stat().st_size, 60)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"resume={tmp_path}/sweep" in out
    (parent,), jobs = runs_of(store)
    assert {run.info.status for run in [parent, *jobs]} == {"KILLED"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_the_sweep(start_cli, grid, store, tmp_path, offspring, number):
    workers = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = start_cli(*grid, *TRACKED, *workers, "server.engine_args.delay-s=0.5", *GRID)
    pairs = tmp_path / "sweep" / "0" / "pairs.jsonl"
    wait_until(lambda: pairs.exists() and pairs.stat().st_size, 60)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143), out + err
    wait_until(lambda: not offspring())
    assert read_json(tmp_path / "sweep" / "0" / "run.json")["status"] == "KILLED"
    (parent,), jobs = runs_of(store)
    assert {run.info.status for run in [parent, *jobs]} == {"KILLED"}


def test_server_that_dies_is_started_for_the_next_job(run_cli, grid, tmp_path):
    mortal = [
        "server.engine_args.exit-after-requests=30",
        "server.max_restarts=0",
        "hydra.launcher.n_jobs=1",
    ]
    done = run_cli(*grid, *mortal, "chunk.size=64", "-m", "gen.temperature=0.1,0.2,0.3")
    assert fails(done, "the server ended with code 5")
    statuses = [record["status"] for record in records(tmp_path)]
    assert statuses == ["FINISHED", "FAILED", "FINISHED"]
    assert n_starts(tmp_path) == 2
