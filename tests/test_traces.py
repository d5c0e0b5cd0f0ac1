"""Calls as MLflow traces, on a real store."""

import asyncio
import shutil
from dataclasses import replace

import mlflow
import pytest

from synth.delivery import Desk, MlflowTracker
from synth.records import Call, Usage
from synth.store import RunInfo
from synth.traces import Sample
from synth.tracking import SilentTracker
from synth.worker import Worker
from tests.conftest import settings

BEGAN_S = 1_700_000_000.25
CALL = Call(
    chunk_id="d-0-9",
    messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "¿Y la Luna?"},
    ],
    parameters={"temperature": 0.5, "seed": 7},
    reply='[{"question": "¿Qué?"}]',
    finish_reason="stop",
    usage=Usage(prompt_tokens=30, output_tokens=12, cached_tokens=16),
    began_s=BEGAN_S,
    latency_s=2.5,
)


@pytest.fixture
def config(tmp_path, new_store):
    shutil.copy(new_store, tmp_path / "ml.db")
    uri = f"sqlite:///{tmp_path}/ml.db"
    return settings(uri)


def keep(config, *calls, worker=None):
    """Log calls to a run of their own; return its id and its experiment's."""

    async def run():
        tracker = MlflowTracker(config, RunInfo("a run", {}), Desk(worker=worker))
        for call in calls:
            tracker.log_call(call)
        await tracker.finish("FINISHED")
        assert tracker.error is None
        return await tracker.run_id(), await tracker.experiment_id()

    return asyncio.run(run())


def kept(config, run_id, experiment_id):
    """Return a run's traces as MLflow's page of the run asks for them."""
    return mlflow.MlflowClient(config.uri).search_traces(
        locations=[experiment_id],
        filter_string=f"metadata.`mlflow.sourceRun` = '{run_id}'",
    )


def test_call_is_a_conversation_with_its_tokens(config):
    (trace,) = kept(config, *keep(config, CALL))
    (span,) = trace.data.spans
    assert span.inputs == {"messages": list(CALL.messages), **CALL.parameters}
    assert span.outputs["choices"][0]["message"]["content"] == CALL.reply
    tokens = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
    assert trace.info.token_usage == tokens | {"cache_read_input_tokens": 16}
    assert span.attributes["mlflow.chat.tokenUsage"] == trace.info.token_usage
    assert (trace.info.request_preview, trace.info.response_preview) == ("¿Y la Luna?", CALL.reply)


def test_times_are_those_of_the_call(config):
    (trace,) = kept(config, *keep(config, CALL))
    (span,) = trace.data.spans
    assert (trace.info.request_time, trace.info.execution_duration) == (1_700_000_000_250, 2500)
    assert (span.end_time_ns - span.start_time_ns) / 1e9 == pytest.approx(2.5)
    assert trace.info.state.value == "OK"


def test_failed_call_says_why(config):
    (trace,) = kept(config, *keep(config, replace(CALL, reply="", error="429: too many")))
    assert trace.info.state.value == "ERROR"
    assert trace.data.spans[0].status.description == "429: too many"
    assert trace.info.response_preview == "429: too many"


def test_runs_in_one_process_do_not_mix(config):
    worker = Worker()
    first = keep(config, CALL, replace(CALL, chunk_id="d-9-18"), worker=worker)
    second = keep(replace(config, experiment="other"), CALL, worker=worker)
    worker.close()
    chunks = [
        sorted(trace.info.tags["synth.chunk_id"] for trace in kept(config, *place))
        for place in (first, second)
    ]
    assert chunks == [["d-0-9", "d-9-18"], ["d-0-9"]]
    assert first[1] != second[1]


def test_process_keeps_no_state_of_mlflow(config):
    before = mlflow.get_tracking_uri()
    keep(config, CALL)
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None


def test_silent_twin_does_nothing():
    tracker = SilentTracker()
    tracker.log_call(CALL)
    tracker.log_points({"generate/now_in_flight": 3})
    assert tracker.metrics == {}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 20, 101, 1000])
def test_sample_has_its_size_in_a_long_run(size):
    assert sum(map(Sample(size, seed=0).has, range(100 * 2**11))) == size


def test_sample_has_all_of_a_short_run_and_thins_out():
    sample = Sample(100, seed=0)
    assert all(map(sample.has, range(50)))
    per_block = [sum(map(sample.has, range(a, b))) for a, b in ((50, 150), (150, 350), (350, 750))]
    assert per_block == [25, 13, 7]


def test_sample_depends_on_the_seed_alone():
    first, same, other = ([*filter(Sample(20, n).has, range(1000))] for n in (1, 1, 2))
    assert first == same != other
