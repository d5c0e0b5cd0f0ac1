"""MLflow on a real sqlite store, and its failures."""

import logging
import shutil
import subprocess
import sys
import threading

import mlflow
import pytest

from synth.config import TrackingConfig
from synth.tracking import RunInfo, open_tracker, resolve_uri

INFO = RunInfo("a run", {"gen.temperature": 0.5, "docs": ["a", "b"]}, {"team": "docs"})


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
    with open_tracker(config, INFO) as tracker:
        tracker.log_metrics({"generate/pairs_per_s": 1.5})
        tracker.log_artifacts(tmp_path / "run")
        run_id = tracker.run_id
    client, run = stored(config)
    assert (run.info.run_id, run.info.status, run.info.run_name) == (run_id, "FINISHED", "a run")
    assert run.data.params == {"gen.temperature": "0.5", "docs": "['a', 'b']"}
    assert run.data.metrics["generate/pairs_per_s"] == 1.5
    assert run.data.tags["team"] == "docs"
    assert [file.path for file in client.list_artifacts(run_id)] == ["pairs.jsonl"]
    assert (tmp_path / "mlartifacts").is_dir()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(143), "KILLED")],
)
def test_how_it_ended_is_stored(config, error, status):
    with pytest.raises(type(error)), open_tracker(config, INFO):
        raise error
    assert stored(config)[1].info.status == status


def test_error_is_a_tag(config):
    with pytest.raises(ValueError, match="bad"), open_tracker(config, INFO):
        raise ValueError("bad")
    assert stored(config)[1].data.tags["error"] == "ValueError: bad"


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/ml.db", "nosuch://x"])
def test_store_that_can_not_be_opened_never_raises(tmp_path, caplog, uri):
    config = TrackingConfig(kind="mlflow", uri=uri, experiment="exp")
    with caplog.at_level(logging.WARNING), open_tracker(config, INFO) as tracker:
        tracker.log_metrics({"a": 1})
        tracker.log_artifacts(tmp_path)
        assert tracker.run_id is None
    assert uri.partition(":")[0] in str(tracker.error)
    assert len([r for r in caplog.records if r.name == "synth.tracking"]) == 1


def test_none_is_silent(tmp_path):
    config = TrackingConfig(kind="none", uri="", experiment="exp")
    with open_tracker(config, INFO) as tracker:
        tracker.log_metrics({"a": 1})
    assert (tracker.run_id, tracker.error) == (None, None)


def test_no_thread_is_left(config):
    before = threading.active_count()
    with open_tracker(config, INFO):
        pass
    assert threading.active_count() == before


def test_relative_store_is_where_the_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_uri("sqlite:///out/ml.db") == f"sqlite:///{tmp_path}/out/ml.db"
    assert resolve_uri("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_new_store_is_made_by_one_of_many(tmp_path):
    uri = f"sqlite:///{tmp_path}/deep/new.db"
    code = f"""
from synth.config import TrackingConfig
from synth.tracking import RunInfo, open_tracker
config = TrackingConfig(kind="mlflow", uri={uri!r}, experiment="exp")
with open_tracker(config, RunInfo("r", {{}})) as tracker:
    assert tracker.run_id, tracker.error
"""
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
