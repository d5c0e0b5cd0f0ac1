"""A real MLflow server that goes away and comes back, or does not: nothing is lost."""

import asyncio
import json
import signal
from dataclasses import asdict

import mlflow
import pytest

from synth.delivery import Desk, MlflowTracker
from synth.errors import TrackingError
from synth.io import read_json, read_jsonl
from synth.outages import is_away, is_refused
from synth.outbox import NAME
from synth.records import Call, Usage
from synth.store import RunInfo
from synth.worker import Worker
from tests.conftest import settings, wait_until

ROCK = "The Moon is a rock. " * 20
CALL = Call(
    chunk_id="d-0-9",
    messages=[{"role": "user", "content": "?"}],
    parameters={},
    reply="!",
    finish_reason="stop",
    usage=Usage(),
    began_s=1_700_000_000.25,
    latency_s=2.5,
)


@pytest.fixture
def store(tmp_path, new_store):
    """The address of a database, and of an MLflow server's files beside it."""
    (tmp_path / "ml.db").write_bytes(new_store.read_bytes())
    return f"sqlite:///{tmp_path}/ml.db"


@pytest.fixture
def folder(tmp_path):
    """A run's folder with files of all kinds."""
    folder = tmp_path / "a" / "run"
    (folder / "plots").mkdir(parents=True)
    (folder / ".hydra").mkdir()
    for name in ("pairs.jsonl", "plots/one.svg", ".hydra/config.yaml", ".lock", ".replies.db"):
        (folder / name).write_text(name)
    return folder


def log_half(tracker, half):
    tracker.log_metrics({f"generate/m{half}": half, "generate/both": half})
    tracker.log_points({"generate/now": half})
    tracker.log_points({"generate/now": half + 0.5})
    tracker.log_call(CALL)
    tracker.set_tags({f"tag{half}": "x"})


async def track(config, folder, server, outage):
    """Log a run with half of it in an outage; return its id."""
    info = RunInfo("a run", {"gen.temperature": 0.5}, {"team": "docs"}, key="k", objective="q/x")
    tracker = MlflowTracker(config, info, Desk(folder))
    log_half(tracker, 0)
    if outage == "middle":
        await tracker.run_id()
        await until(lambda: not tracker.has_more())
    if outage:
        server.stop()
    log_half(tracker, 1)
    tracker.log_artifacts(folder)
    if outage:
        await until((folder / NAME).exists)
        tracker.log_metrics({"generate/late": 2})
        server.start()
    else:
        tracker.log_metrics({"generate/late": 2})
    await tracker.finish("FINISHED")
    assert tracker.error is None
    return await tracker.run_id()


async def until(condition):
    await asyncio.to_thread(wait_until, condition, 60)


def files_of(client, run_id, path=None):
    for file in client.list_artifacts(run_id, path):
        if file.is_dir:
            yield from files_of(client, run_id, file.path)
        else:
            yield file.path


def content(uri, run_id):
    """Return all that a store has of a run but what tells of time and machine."""
    client = mlflow.MlflowClient(uri)
    run = client.get_run(run_id)
    histories = {
        name: [(point.value, point.step > 0) for point in client.get_metric_history(run_id, name)]
        for name in run.data.metrics
        if not name.startswith("system/")
    }
    traces = client.search_traces(
        locations=[run.info.experiment_id],
        filter_string=f"metadata.`mlflow.sourceRun` = '{run_id}'",
    )
    spans = [trace.data.spans[0].inputs for trace in traces]
    tags = {name: text for name, text in run.data.tags.items() if name != "synth.key"}
    files = list(files_of(client, run_id))
    status = run.info.status
    return json.loads(json.dumps([status, run.data.params, histories, tags, files, spans]))


@pytest.mark.parametrize("outage", ["middle", "start"])
def test_run_with_an_outage_is_as_one_without(store, serve_store, folder, tmp_path, outage):
    server = serve_store(store)
    config = settings(server.uri, wait_s=60)
    other = settings(server.uri, wait_s=60, experiment="other")
    calm = asyncio.run(track(config, folder, server, None))
    if outage == "start":
        server.stop()
    rough = asyncio.run(track(other, folder, server, outage))
    assert content(server.uri, rough) == content(server.uri, calm)
    assert not (folder / NAME).exists()
    assert set(content(server.uri, calm)[4]) == {
        ".hydra/config.yaml",
        "pairs.jsonl",
        "plots/one.svg",
    }


def test_points_keep_their_times(store, serve_store, folder):
    server = serve_store(store, is_away=True)
    tracker = MlflowTracker(settings(server.uri), RunInfo("r", {}, began_s=1e9), Desk(folder))
    tracker.log_points({"generate/now": 1})
    asyncio.run(tracker.finish("FINISHED"))
    assert isinstance(tracker.error, TrackingError)
    (row, *_) = [
        row for row in read_jsonl(folder / NAME) if "generate/now" in row.get("points", ())
    ]
    server.start()
    again = MlflowTracker(
        settings(server.uri), RunInfo("r", {}, began_s=1e9), Desk(folder, is_at_work=False)
    )
    asyncio.run(again.finish("FINISHED"))
    client = mlflow.MlflowClient(store)
    run_id = asyncio.run(again.run_id())
    (point,) = client.get_metric_history(run_id, "generate/now")
    assert (point.timestamp, point.step) == (int(row["at"] * 1000), round(row["at"] - 1e9))
    assert client.get_run(run_id).info.start_time == 10**12


def test_call_that_was_stored_and_not_noted_is_one_trace(store, tmp_path, folder):
    config = settings(store)
    for _ in range(2):  # as after a kill between the store's answer and the note
        (folder / NAME).write_text(json.dumps({"call": asdict(CALL), "id": "ab" * 16}) + "\n")
        tracker = MlflowTracker(config, RunInfo("r", {}, key="k"), Desk(folder, is_at_work=False))
        asyncio.run(tracker.finish("FINISHED"))
    assert len(content(store, asyncio.run(tracker.run_id()))[5]) == 1


def test_worker_waits_once_for_all_its_runs(tmp_path):
    async def run():
        worker = Worker()
        trackers = []
        for n in range(50):
            (tmp_path / str(n)).mkdir()
            desk = Desk(tmp_path / str(n), worker)
            trackers.append(MlflowTracker(settings("http://127.0.0.1:9"), RunInfo("r", {}), desk))
            trackers[-1].log_metrics({"a": n})
            await trackers[-1].finish("FINISHED")
        worker.close_soon(0.5)
        await worker.closed()
        return worker, trackers

    worker, trackers = asyncio.run(run())
    assert len(worker.errors) == 1
    assert all(tracker.error is not None for tracker in trackers)
    assert all((tmp_path / str(n) / NAME).exists() for n in range(50))


def test_what_was_given_up_is_sent_when_it_is_mended(tmp_path, folder, store):
    (tmp_path / "place").touch()  # a file where a folder should be
    config = settings(f"sqlite:///{tmp_path}/place/ml.db")
    info = RunInfo("r", {}, key="k")
    tracker = MlflowTracker(config, info, Desk(folder))
    asyncio.run(tracker.run_id())
    log_half(tracker, 0)
    asyncio.run(tracker.finish("FINISHED"))
    assert "resume=" in str(tracker.error)
    (tmp_path / "place").unlink()
    (tmp_path / "place").symlink_to(tmp_path)
    again = MlflowTracker(config, info, Desk(folder, is_at_work=False))
    asyncio.run(again.finish("FINISHED"))
    status, _, histories, tags, _, spans = content(config.uri, asyncio.run(again.run_id()))
    assert (status, tags["tag0"], len(spans)) == ("FINISHED", "x", 1)
    assert histories["generate/now"] == [[0, True], [0.5, True]]
    assert not (folder / NAME).exists()


def test_figure_that_is_refused_leaves_the_others(store, folder):
    tracker = MlflowTracker(settings(store), RunInfo("r", {}), Desk(folder))
    tracker.log_metrics({"good": 1})
    tracker.log_metrics({"b@d": 1})
    tracker.log_metrics({"late": 1})
    asyncio.run(tracker.finish("FINISHED"))
    assert "b@d" in str(tracker.error)
    run_id = asyncio.run(tracker.run_id())
    assert set(content(store, run_id)[2]) == {"good", "late"}
    assert not (folder / NAME).exists()


def error_of(call, *arguments):
    try:
        call(*arguments)
    except mlflow.MlflowException as error:
        return error
    raise AssertionError("it succeeds")


def test_errors_of_a_server_are_told_apart(store, serve_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server = serve_store(store)
    client = mlflow.MlflowClient(server.uri)
    run_id = client.create_run("0").info.run_id
    errors = [
        error_of(client.get_run, "a" * 32),
        error_of(client.get_experiment, "12345"),
        error_of(client.log_metric, run_id, "b@d", 1),
        error_of(client.log_batch, run_id, [], [], [mlflow.entities.RunTag("x" * 300, "y")]),
    ]
    assert [is_away(error) for error in errors] == [False] * 4
    assert [is_refused(error) for error in errors] == [False, False, True, True]
    server.stop()
    assert is_away(error_of(client.get_run, run_id))


def run_of(store):
    client = mlflow.MlflowClient(store)
    (experiment,) = [e for e in client.search_experiments() if e.name == "synth"]
    (run,) = client.search_runs([experiment.experiment_id])
    return run


@pytest.fixture
def held(stub, tmp_path):
    """Overrides of a run that waits in its middle for a file."""
    (tmp_path / "text.txt").write_text(f"{ROCK}HOLD {ROCK}")
    rest = [text for text in stub if not text.startswith(("tracking", "docs"))]
    hold = f"server.engine_args.hold-until={tmp_path}/go"
    return [*rest, f"docs={tmp_path}/text.txt", hold, "gen.concurrency=1", "tracking.wait_s=60"]


def rows_of(path):
    try:
        return list(read_jsonl(path))
    except (FileNotFoundError, ValueError):  # it is being written
        return []


def test_killed_run_of_a_store_that_was_away_gets_there(
    start_cli, run_cli, held, store, serve_store, tmp_path, offspring
):
    server = serve_store(store, is_away=True)
    process = start_cli(*held, f"tracking.uri={server.uri}")
    waiting = tmp_path / "run" / NAME
    wait_until(lambda: any("call" in row for row in rows_of(waiting)), 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not offspring())
    kept = rows_of(waiting)
    (tmp_path / "go").touch()
    server.start()
    done = run_cli("resume=run")
    assert done.returncode == 0, done.stdout + done.stderr
    run = run_of(store)
    _, _, histories, _, files, spans = content(server.uri, run.info.run_id)
    n_calls = sum("call" in row for row in kept)
    assert len(spans) >= n_calls > 0
    assert histories["chunk/n_chunks"]
    assert "pairs.jsonl" in files
    assert not waiting.exists()
    assert read_json(tmp_path / "run" / "run.json")["mlflow_run_id"] == run.info.run_id


def test_run_goes_on_while_the_store_is_away_and_all_is_sent_in_the_end(
    start_cli, held, store, serve_store, tmp_path
):
    server = serve_store(store)
    process = start_cli(*held, f"tracking.uri={server.uri}")
    pairs = tmp_path / "run" / "pairs.jsonl"
    wait_until(lambda: pairs.exists() and pairs.stat().st_size, 60)
    server.stop()
    (tmp_path / "go").touch()
    exports = tmp_path / "run" / "export" / "jsonl" / "train.jsonl"
    wait_until(exports.exists, 60)
    wait_until((tmp_path / "run" / NAME).exists, 60)
    server.start()
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, out + err
    text = out + err
    assert (text.count("MLflow is away"), text.count("MLflow is back")) == (1, 1)
    run = run_of(store)
    record = read_json(tmp_path / "run" / "run.json")
    assert (run.info.status, record["tracking_error"]) == ("FINISHED", None)
    assert run.data.metrics["generate/n_pairs"] == record["metrics"]["generate/n_pairs"]


@pytest.mark.timeout(300)
def test_sweep_of_a_store_that_was_away_is_sent_by_resume(
    start_cli, run_cli, stub, store, serve_store, tmp_path
):
    rest = [text for text in stub if not text.startswith(("tracking", "chunk.size"))]
    server = serve_store(store, is_away=True)
    tracked = (f"tracking.uri={server.uri}", "tracking.wait_s=0", "hydra/launcher=joblib")
    process = start_cli(*rest, *tracked, "-m", "chunk.size=32,64")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert all(part in out + err for part in ("MLflow is away", "resume="))
    for job in "01":
        assert read_json(tmp_path / "sweep" / job / "run.json")["tracking_error"]
        assert (tmp_path / "sweep" / job / NAME).exists()
    server.start()
    done = run_cli("resume=sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    client = mlflow.MlflowClient(store)
    runs = client.search_runs([client.get_experiment_by_name("synth").experiment_id])
    (parent,) = [run for run in runs if run.data.tags["synth.kind"] == "sweep"]
    jobs = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in jobs} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(content(server.uri, run.info.run_id)[5] for run in jobs)
    assert not list((tmp_path / "sweep").rglob(NAME))
    assert not read_json(tmp_path / "sweep" / "0" / "run.json")["tracking_error"]
    assert run_cli("resume=sweep").returncode == 0
    assert len(client.search_runs([parent.info.experiment_id])) == 3
