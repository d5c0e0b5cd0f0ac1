"""Real synthetic-data-kit 0.0.5 on a real vLLM with the bundled model and our YAML."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from synth import SyntheticDataKit
from synth.external import LOG, QA_CONFIG, find_tool
from synth.io import read_json, read_jsonl, write_json
from synth.loop import run_async
from synth.models import resolve_model
from synth.qa_config import Layout, write_qa_config
from synth.server.launch import Launch
from synth.server.lease import open_session
from synth.serving import plan_serving
from tests.conftest import STUB

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ODD = "a 'b' \"c\" #d \\e"
EXAMPLES = Path(__file__).with_name("examples.jinja")
SMALL = ("chunk.size=128", "chunk.overlap=16", "chunk.limit=4", "gen.max_tokens=96")
ASKED = ("qa.engine=synthetic-data-kit", "qa.num_pairs=2", "gen.temperature=0.2")
CURATE = ("curate.threshold=2.5", "curate.batch_size=1")


@pytest.fixture(scope="module")
def endpoint(make_config, tmp_path_factory):
    """A server of its own: it stays when the run that uses it has ended."""
    config = make_config(f"server.engine_args={{chat-template: {EXAMPLES}}}")
    with open_session() as session:
        serving = plan_serving(config, resolve_model(config.model), session.machine())
        log_path = tmp_path_factory.mktemp("vllm") / "log"
        launch = Launch(session, serving.ladders[0], config.server, log_path)
        yield run_async(launch.wait_until_ready)


@pytest.fixture(scope="module")
def run(endpoint, tmp_path_factory):
    """The folder of a run with the baseline."""
    folder = tmp_path_factory.mktemp("tool") / ODD
    folder.mkdir()
    where = ["server=external", f"server.api_base={endpoint.base_url}", "hydra.run.dir=run"]
    done = subprocess.run(
        [sys.executable, "-m", "synth", *where, *SMALL, *ASKED, *CURATE, "tracking=none"],
        cwd=folder,
        env=os.environ | {"OPENAI_API_KEY": endpoint.api_key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return folder / "run"


@pytest.fixture(scope="module")
def tool(make_config):
    """Run synthetic-data-kit by hand with a config of ours; return what it said."""
    command = find_tool(make_config().qa)

    def call(endpoint, config, *arguments):
        key = {"API_ENDPOINT_KEY": endpoint.api_key} if endpoint.api_key else {}
        done = subprocess.run(
            [*command, "-c", config, *arguments],
            cwd=config.parent,
            env=os.environ | {"COLUMNS": "10000"} | key,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout

    return call


@pytest.fixture(scope="module")
def curated(endpoint, run, tool):
    """What ``curate`` said to the pairs of the run's files, taken together, and what it made."""
    outputs = [read_json(path) for path in (run / "data" / "generated").glob("*_qa_pairs.json")]
    pairs = [pair for output in outputs for pair in output["qa_pairs"]]
    write_json(run / "data" / "generated" / "all.json", {"summary": "", "qa_pairs": pairs})
    said = tool(endpoint, run / QA_CONFIG, "curate", run / "data" / "generated" / "all.json")
    return said, read_json(run / "data" / "curated" / "all_cleaned.json")["qa_pairs"]


def test_every_chunk_has_pairs_or_a_failure(run):
    """How many have pairs is up to the model, and the tool asks it without a seed."""
    chunks = {row["id"] for row in read_jsonl(run / "chunks.jsonl")}
    sources = {row["chunk_id"] for row in read_jsonl(run / "pairs.jsonl")}
    failed = {row["id"] for row in read_jsonl(run / "failures.jsonl")}
    assert len(chunks) == 4
    assert sources
    assert sources | failed == chunks
    assert not sources & failed


def test_chunk_stays_one_chunk(run):
    said = (run / LOG).read_text()
    assert said.count("Processing 1 chunks to generate QA pairs") == 4
    assert said.count("chunks to generate QA pairs") == 4


def test_system_check_reaches_the_model(endpoint, run, tool):
    assert "API endpoint access confirmed" in tool(endpoint, run / QA_CONFIG, "system-check")


def test_create_by_hand_writes_where_the_config_says(endpoint, run, tool):
    chunk = min((run / "data" / "parsed").iterdir())
    output = run / "data" / "generated" / f"{chunk.stem}_qa_pairs.json"
    output.unlink(missing_ok=True)
    tool(endpoint, run / QA_CONFIG, "create", chunk, "--type", "qa")
    assert read_json(output)["summary"]


def test_curate_applies_the_threshold_of_the_run(curated):
    said, kept = curated
    assert "(threshold: 2.5)" in said
    assert kept
    assert all(pair["rating"] >= 2.5 and pair["question"] for pair in kept)


@pytest.mark.parametrize("form", ["ft", "alpaca", "chatml"])
def test_every_form_has_content(endpoint, run, tool, curated, form):
    source = run / "data" / "curated" / "all_cleaned.json"
    tool(endpoint, run / QA_CONFIG, "save-as", source, "-f", form)
    text = (run / "data" / "final" / f"all_cleaned_{form}.json").read_text()
    rows = text.splitlines() if form == "chatml" else json.loads(text)
    assert len(rows) == len(curated[1])


def test_threshold_is_exact(serve, tool, make_config, tmp_path):
    config = make_config("curate.threshold=6.5")
    layout = Layout(tmp_path / ODD / "c.yaml", tmp_path / ODD)
    endpoint = serve("--ratings", "6,7,6.5,6.4")
    write_qa_config(config, endpoint, layout)
    pairs = [{"question": f"{n}?", "answer": "Yes."} for n in range(4)]
    source = tmp_path / "pairs.json"
    source.write_text(json.dumps({"summary": "", "qa_pairs": pairs}))
    tool(endpoint, layout.path, "curate", source)
    kept = read_json(tmp_path / ODD / "curated" / "pairs_cleaned.json")["qa_pairs"]
    assert [pair["rating"] for pair in kept] == [7, 6.5]


def test_config_of_the_class_works_without_a_key(tool, model_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("The sea is salt. " * 20)
    stub = f"server.command=[{sys.executable},{STUB}]"
    with SyntheticDataKit(model_dir, overrides=[stub]) as kit:
        kit.prepare_qa_generation()
        (chunk,) = kit.chunk_data("a.txt")
        config = tmp_path / QA_CONFIG
        assert "API endpoint access confirmed" in tool(kit.endpoint, config, "system-check")
        tool(kit.endpoint, config, "create", chunk, "--type", "qa")
    assert len(read_json(tmp_path / "data/generated/a_0_qa_pairs.json")["qa_pairs"]) == 3
