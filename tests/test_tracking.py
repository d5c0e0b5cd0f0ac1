"""MLflow on a real sqlite store, and its failures."""

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter

import mlflow
import pytest

from synth.config import TrackingConfig
from synth.server.address import find_port
from synth.store import RunInfo, open_store, resolve_uri
from synth.tracking import open_tracker
from tests.conftest import _accepts, wait_until

INFO = RunInfo("a run", {"gen.temperature": 0.5, "docs": ["a", "b"]}, {"team": "docs"})


def track(config, info, body=lambda tracker: None):
    """Run ``body`` within a tracker; return the run's id and the tracker."""

    async def run():
        async with open_tracker(config, info) as tracker:
            body(tracker)
            return await tracker.run_id(), tracker

    return asyncio.run(run())


@pytest.fixture
def config(tmp_path, new_store):
    shutil.copy(new_store, tmp_path / "ml.db")
    return TrackingConfig(kind="mlflow", uri=f"sqlite:///{tmp_path}/ml.db", experiment="exp")


def stored(config):
    client = mlflow.MlflowClient(config.uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "exp"]
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def test_run_is_stored(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pairs.jsonl").write_text("{}")

    def log(tracker):
        tracker.log_metrics({"generate/pairs_per_s": 1.5})
        tracker.log_artifacts(tmp_path / "run")

    run_id, _ = track(config, INFO, log)
    client, run = stored(config)
    assert (run.info.run_id, run.info.status, run.info.run_name) == (run_id, "FINISHED", "a run")
    assert run.data.params == {"gen.temperature": "0.5", "docs": "['a', 'b']"}
    assert run.data.metrics["generate/pairs_per_s"] == 1.5
    assert run.data.tags["team"] == "docs"
    assert [file.path for file in client.list_artifacts(run_id)] == ["pairs.jsonl"]
    assert (tmp_path / "mlartifacts").is_dir()


def test_points_are_curves_over_the_seconds_of_the_run(config):
    store = open_store(config.uri, "exp", INFO)
    began_s = stored(config)[1].info.start_time / 1000
    store.log_points(("now", n, began_s + at) for n, at in enumerate((0.1, 5.2, 10.4)))
    store.close("FINISHED")
    points = stored(config)[0].get_metric_history(store.run_id, "now")
    assert [(point.step, point.value) for point in points] == [(1, 0), (5, 1), (10, 2)]
    assert points[1].timestamp == pytest.approx((began_s + 5.2) * 1000, abs=1)


def test_points_are_no_results(config):
    _, tracker = track(config, INFO, lambda tracker: tracker.log_points({"generate/now": 3}))
    assert tracker.metrics == {}
    assert stored(config)[1].data.metrics["generate/now"] == 3


def test_run_that_was_made_and_not_noted_is_gone_on_with(config):
    info = RunInfo("a run", {"gen.temperature": 0.5}, key="k1")
    more = RunInfo("a run", {"gen.temperature": 0.7, "docs": "d"}, key="k1")
    (first, _), (again, tracker) = track(config, info), track(config, more)
    assert (first, tracker.error) == (again, None)
    assert stored(config)[1].data.params == {"gen.temperature": "0.5", "docs": "d"}
    other, _ = track(config, RunInfo("a run", {}, key="k2"))
    assert other != first


def raises(error):
    def body(tracker):
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(143), "KILLED")],
)
def test_how_it_ended_is_stored(config, error, status):
    with pytest.raises(type(error)):
        track(config, INFO, raises(error))
    assert stored(config)[1].info.status == status


def test_error_is_a_tag(config):
    with pytest.raises(ValueError, match="bad"):
        track(config, INFO, raises(ValueError("bad")))
    assert stored(config)[1].data.tags["error"] == "ValueError: bad"


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/ml.db", "nosuch://x"])
def test_store_that_can_not_be_opened_never_raises(tmp_path, caplog, uri):
    config = TrackingConfig(kind="mlflow", uri=uri, experiment="exp")
    with caplog.at_level(logging.WARNING):
        run_id, tracker = track(config, INFO, lambda tracker: tracker.log_metrics({"a": 1}))
    assert run_id is None
    assert uri.partition(":")[0] in str(tracker.error)
    assert len([r for r in caplog.records if r.name == "synth.tracking"]) == 1


def test_none_is_silent(tmp_path):
    config = TrackingConfig(kind="none", uri="", experiment="exp")
    run_id, tracker = track(config, INFO, lambda tracker: tracker.log_metrics({"a": 1}))
    assert (run_id, tracker.error, tracker.metrics) == (None, None, {"a": 1})


def test_no_thread_is_left(config):
    before = threading.active_count()
    track(config, INFO)
    assert threading.active_count() == before


def test_relative_store_is_where_the_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_uri("sqlite:///out/ml.db") == f"sqlite:///{tmp_path}/out/ml.db"
    assert resolve_uri("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_new_store_is_made_by_one_of_many(tmp_path):
    uri = f"sqlite:///{tmp_path}/deep/new.db"
    code = f"""
import asyncio
from synth.config import TrackingConfig
from synth.store import RunInfo
from synth.tracking import open_tracker
config = TrackingConfig(kind="mlflow", uri={uri!r}, experiment="exp")
async def main():
    async with open_tracker(config, RunInfo("r", {{}})) as tracker:
        assert await tracker.run_id(), tracker.error
asyncio.run(main())
"""
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]


WRITER = """
import asyncio, sys, time
from synth.config import TrackingConfig
from synth.records import Call, Usage
from synth.store import RunInfo
from synth.tracking import open_tracker

async def main():
    config = TrackingConfig(kind="mlflow", uri=sys.argv[1], experiment="exp", traces=25)
    async with open_tracker(config, RunInfo(sys.argv[2], {"number": sys.argv[2]})) as tracker:
        for n in range(25):
            tracker.log_metrics({f"m{n}": n, f"n{n}": n})
            tracker.log_points({"now": n})
            tracker.log_call(
                Call(
                    chunk_id=str(n), messages=[{"role": "user", "content": "?"}], parameters={},
                    reply="!", finish_reason="stop", usage=Usage(), began_s=time.time(), latency_s=1
                )
            )
    assert tracker.error is None, tracker.error

asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "server"])
def shared_store(request, config, tmp_path):
    """The address of a store that many write to: a file, or a real MLflow server on loopback."""
    if request.param == "sqlite":
        yield config.uri
        return
    port = find_port("127.0.0.1", 0)
    command = ["-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "--backend-store-uri", config.uri],
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_until(lambda: _accepts(port), 60)
    yield f"http://127.0.0.1:{port}"
    os.killpg(server.pid, 9)
    server.wait()


def test_many_who_log_at_once_lose_nothing(shared_store, config):
    workers = [
        subprocess.Popen([sys.executable, "-c", WRITER, shared_store, str(n)]) for n in range(4)
    ]
    assert [worker.wait(90) for worker in workers] == [0] * 4
    client = mlflow.MlflowClient(config.uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "exp"]
    runs = client.search_runs([experiment.experiment_id])
    wanted = {f"{letter}{n}" for letter in "mn" for n in range(25)}
    assert sorted(run.data.params["number"] for run in runs) == ["0", "1", "2", "3"]
    assert all(wanted <= set(run.data.metrics) for run in runs)
    assert {run.info.status for run in runs} == {"FINISHED"}
    traces = client.search_traces(locations=[experiment.experiment_id], include_spans=False)
    assert Counter(trace.info.trace_metadata["mlflow.sourceRun"] for trace in traces) == {
        run.info.run_id: 25 for run in runs
    }
