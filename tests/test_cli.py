"""The program as its users meet it: a process, its exit code, its files."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import mlflow
import psutil
import pytest
import yaml

from synth.io import read_json, read_jsonl, read_text
from tests.conftest import STUB, is_running, wait_until

COUNTS = {"n_documents": 2, "n_failures": 0}
TRACKED = ("tracking=mlflow", "tracking.uri=sqlite:///ml.db")


def fails(done, *parts):
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert "Traceback" not in text
    for part in parts:
        assert part in text
    return True


@pytest.fixture
def store(new_store, tmp_path):
    """An MLflow store that is there already: making one takes seconds."""
    shutil.copy(new_store, tmp_path / "ml.db")


def mlflow_run(tmp_path):
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/ml.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "synth"]
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


def test_run_leaves_what_it_promises(run_cli, stub, run_dir):
    done = run_cli(*stub, "report=true")
    assert done.returncode == 0, done.stderr
    record = read_json(run_dir / "run.json")
    pairs = list(read_jsonl(run_dir / "pairs.jsonl"))
    assert record["status"] == "FINISHED"
    assert record["counts"] | COUNTS == record["counts"]
    assert record["counts"]["n_pairs"] == len(pairs) == 3 * record["counts"]["n_chunks"]
    assert set(record["timings"]) == {
        f"{step}_s"
        for step in ("ingest", "chunk", "serve", "config", "generate", "curate", "export")
    }
    assert (run_dir / "synthetic_data_kit_config.yaml").is_file()
    assert len(list(read_jsonl(run_dir / "export" / "chatml" / "train.jsonl"))) == len(pairs)
    assert f"{len(pairs)} pairs, {len(pairs)} kept, from" in done.stdout
    assert (run_dir / "report.html").is_file()


def test_every_pair_leads_to_its_characters(run_cli, stub, run_dir):
    run_cli(*stub)
    documents = {row["id"]: row for row in read_jsonl(run_dir / "documents.jsonl")}
    chunks = {row["id"]: row for row in read_jsonl(run_dir / "chunks.jsonl")}
    assert {pair["chunk_id"] for pair in read_jsonl(run_dir / "pairs.jsonl")} == set(chunks)
    for chunk in chunks.values():
        text = read_text(run_dir / documents[chunk["doc_id"]]["text_path"])
        assert text[chunk["start"] : chunk["end"]] == read_text(run_dir / chunk["path"])


def test_run_is_in_mlflow(run_cli, stub, store, tmp_path, run_dir):
    done = run_cli(*stub, *TRACKED, "gen.temperature=0.25", "tags.team=docs")
    assert done.returncode == 0, done.stderr
    client, run = mlflow_run(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.params["gen.temperature"] == "0.25"
    assert run.data.tags["team"] == "docs"
    assert {"server/startup_s", "generate/pairs_per_s", "chunk/n_chunks"} <= set(run.data.metrics)
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"pairs.jsonl", "run.json", "server.log", "export"} <= artifacts
    assert read_json(run_dir / "run.json")["mlflow_run_id"] == run.info.run_id


def test_plan_and_what_became_of_it_are_kept(run_cli, stub, store, tmp_path, run_dir):
    done = run_cli(*stub, *TRACKED)
    planned, reported = 1_048_576, 8_192  # 1 GiB for 2 layers of 4 heads; what the stub says
    memory = read_json(run_dir / "run.json")["server"]["memory"]
    assert memory["planned_kv_cache_tokens"] == pytest.approx(planned, rel=1e-3)
    assert memory["kv_cache_tokens"] == reported
    metrics = mlflow_run(tmp_path)[1].data.metrics
    assert metrics["server/kv_cache_error_frac"] == pytest.approx(1 - reported / planned, rel=1e-3)
    assert metrics["server/planned_concurrency"] == pytest.approx(planned / 2048, rel=1e-3)
    assert "KV cache" in done.stdout
    assert "vLLM has made 8,192 tokens" in done.stdout


def test_out_of_memory_steps_down_and_the_sweep_stays_there(run_cli, stub, tmp_path):
    limit = "server.engine_args={out-of-memory-above: 10}"
    done = run_cli("-m", *stub, limit, "gen.temperature=0.3,0.7")
    assert done.returncode == 0, done.stderr
    first, second = (read_json(tmp_path / "sweep" / job / "run.json")["server"] for job in "01")
    assert ["--max-num-seqs 32" in step for step in first["steps_down"]] == [True, False]
    assert "--max-num-seqs 8" in first["takes"]
    assert second["was_reused"]
    assert second["takes"] == first["takes"]


def test_end_of_the_ladder_is_recorded(run_cli, stub, run_dir):
    done = run_cli(*stub, "server.engine_args={out-of-memory-above: 1}")
    assert fails(done, "ran out of memory", "OutOfMemoryError")
    record = read_json(run_dir / "run.json")
    assert (record["status"], len(record["server"]["steps_down"])) == ("FAILED", 3)
    assert {path.name for path in run_dir.glob("server*.log")} == {
        *("server.1.log", "server.2.log", "server.3.log", "server.log")
    }


def test_what_can_not_fit_is_refused_before_anything_starts(run_cli, stub, run_dir):
    done = run_cli(*stub, "memory.cpu_kv_cache_gib=0.001")
    assert fails(done, "model.max_seq_length=2048", "set memory.cpu_kv_cache_gib=")
    assert not (run_dir / "server.log").exists()


def test_length_that_is_shortened_holds_for_the_chunks(run_cli, stub, run_dir):
    allowed = ["memory.cpu_kv_cache_gib=0.001", "memory.may_shorten=true", "gen.max_tokens=64"]
    done = run_cli(*[text for text in stub if "chunk.size" not in text], *allowed, "chunk=full")
    assert done.returncode == 0, done.stderr
    length = int(re.search(r"from 2,048 to ([\d,]+) tokens", done.stdout)[1].replace(",", ""))
    sizes = [row["n_tokens"] for row in read_jsonl(run_dir / "chunks.jsonl")]
    assert max(sizes) <= length - 2 * 64 - 128
    assert f"--max-model-len {length}" in read_json(run_dir / "run.json")["server"]["takes"]


def test_sweep_runs_every_job_on_one_server(run_cli, stub, tmp_path):
    done = run_cli("-m", *stub, "gen.temperature=0.3,0.7")
    assert done.returncode == 0, done.stderr
    records = [read_json(tmp_path / "sweep" / job / "run.json") for job in "01"]
    assert [record["status"] for record in records] == ["FINISHED", "FINISHED"]
    assert [record["server"]["was_reused"] for record in records] == [False, True]
    logs = [tmp_path / "sweep" / job / "server.log" for job in "01"]
    assert logs[0].samefile(logs[1])


def test_failed_job_does_not_stop_the_others(run_cli, stub, tmp_path):
    done = run_cli("-m", *stub, f"docs=nowhere,{tmp_path / 'documents'}")
    assert fails(done, "nowhere")
    assert read_json(tmp_path / "sweep" / "1" / "run.json")["status"] == "FINISHED"


def test_same_seed_gives_the_same_pairs(run_cli, stub, tmp_path):
    for name in ("a", "b"):
        run_cli(*stub, f"hydra.run.dir={name}")
    assert (tmp_path / "a/pairs.jsonl").read_text() == (tmp_path / "b/pairs.jsonl").read_text()


def find_server(word):
    """Return the stub whose command line holds ``word``."""
    return next(
        process
        for process in psutil.process_iter(["cmdline"])
        if {str(STUB), word} <= set(process.info["cmdline"] or ())
    )


def test_folder_of_a_run_is_not_written_again(run_cli, stub, run_dir):
    run_cli(*stub)
    before = (run_dir / "pairs.jsonl").read_bytes()
    assert fails(run_cli(*stub), "holds a run already")
    assert (run_dir / "pairs.jsonl").read_bytes() == before


def test_external_endpoint_is_used(run_cli, start_cli, stub, tmp_path, run_dir):
    start_cli(*stub, "hydra.run.dir=first", "server.engine_args={delay-s: 30}")
    config = tmp_path / "first" / "synthetic_data_kit_config.yaml"
    wait_until(config.exists)
    vllm = yaml.safe_load(config.read_text())["vllm"]
    key = find_server(str(vllm["port"])).environ()["VLLM_API_KEY"]
    external = ["server=external", f"server.api_base={vllm['api_base']}", "steps=[serve]"]
    done = run_cli(*stub, *external, OPENAI_API_KEY=key)
    assert done.returncode == 0, done.stderr
    assert read_json(run_dir / "run.json")["server"]["model"] == vllm["model"]


TOOL = f"qa.command=[{sys.executable},{STUB.with_name('stub_tool.py')}]"


def test_baseline_gives_the_pairs_of_every_chunk(run_cli, stub, store, tmp_path, run_dir):
    done = run_cli(*stub, *TRACKED, "qa=synthetic-data-kit", TOOL, "curate=none")
    assert done.returncode == 0, done.stderr
    chunks = {row["id"] for row in read_jsonl(run_dir / "chunks.jsonl")}
    assert {row["chunk_id"] for row in read_jsonl(run_dir / "pairs.jsonl")} == chunks
    metrics = mlflow_run(tmp_path)[1].data.metrics
    assert metrics["generate/n_pairs"] == len(chunks)
    assert "generate/n_requests" not in metrics
    assert (run_dir / "export" / "jsonl" / "train.jsonl").stat().st_size > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_baseline_does_not_outlive_the_run(start_cli, stub, run_dir, number):
    slow = TOOL.replace("]", ",--delay-s,60]")
    process = start_cli(*stub, "qa=synthetic-data-kit", slow)
    wait_until(lambda: "key: " in read_log(run_dir / "synthetic_data_kit.log"))
    tools = [p for p in psutil.process_iter(["cwd"]) if str(run_dir) in (p.info["cwd"] or "")]
    process.send_signal(number)
    process.communicate(timeout=30)
    assert tools
    wait_until(lambda: not any(is_running(tool.pid) for tool in tools), timeout_s=10)


def read_log(path):
    return path.read_text() if path.exists() else ""


def test_steps_without_a_server(run_cli, stub, run_dir):
    done = run_cli(*stub, "steps=[ingest,chunk,config]")
    assert done.returncode == 0, done.stderr
    assert (run_dir / "chunks.jsonl").is_file()
    assert not (run_dir / "server.log").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gen.temprature=1", "Did you mean gen.temperature?"),
        ("+gen.temprature=1", "Did you mean gen.temperature?"),
        ("experiment=nope", "experiment=nope: no such option"),
        ("+experiment=nope", "experiment=nope: no such option"),
        ("gen.temperature=hot", "gen.temperature='hot': expected a number"),
        ("gen.temperature=9", "at most 2"),
        ("docs=nowhere", "docs=nowhere: there is no such file or folder"),
        ("docs=empty", "docs=empty: the folder holds no files"),
        ("model.name=./nowhere", "model.name"),
        ("qa.prompt='{{ text }} {{ x }}'", "'x' is undefined"),
        ("server.engine_args={exit-at-start: 'RuntimeError: planted'}", "RuntimeError: planted"),
        ("server.command=[/nowhere/python]", "check server.command"),
        ("hydra.run.dir=/proc/nowhere", "/proc/nowhere"),
        ("gen.temperature=0.1,0.2", "gen.temperature"),
        ("--config-name=nope", "nope"),
        ("server.engine_args={garbage: true}", "the reply holds no pair"),
        ("server.engine_args={exit-after-requests: 1}", "while it was in use"),
        ("server.engine_args={fail-every: 1}", "planted failure"),
    ],
)
def test_mistake_is_one_message(run_cli, stub, tmp_path, override, message):
    (tmp_path / "empty").mkdir()
    assert fails(run_cli(*stub, override), message)


def test_all_problems_in_one_message(run_cli):
    assert fails(run_cli("gen.top_p=7", "foo=1"), "2 problems", "gen.top_p=7", "'foo'")


def test_taken_port_is_one_message(run_cli, stub):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert fails(run_cli(*stub, f"server.port={port}"), f"server.port={port}")


def test_bad_files_are_reported_and_the_others_done(run_cli, stub, documents, run_dir):
    (documents / "photo.txt").write_bytes(b"\x89PNG\xff\x00")
    (documents / "dangling.md").symlink_to("nowhere")
    done = run_cli(*stub)
    assert done.returncode == 0, done.stderr
    failures = list(read_jsonl(run_dir / "failures.jsonl"))
    assert [(Path(row["id"]).name, row["stage"]) for row in failures] == [
        ("dangling.md", "ingest"),
        ("photo.txt", "ingest"),
    ]
    assert read_json(run_dir / "run.json")["counts"]["n_documents"] == 2


def test_only_bad_files_is_a_failure(run_cli, stub, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\x00\xfd")
    assert fails(run_cli(*stub, "docs=bad.txt"), "none of the 1 files could be read")


def test_store_that_can_not_be_reached_keeps_the_data(run_cli, stub, run_dir):
    at_nobody = ("tracking=mlflow", "tracking.uri=http://127.0.0.1:9", "tracking.wait_s=0")
    done = run_cli(*stub, *at_nobody)
    assert fails(done, "tracking.uri=http://127.0.0.1:9", "The run's own files are complete")
    record = read_json(run_dir / "run.json")
    assert record["status"] == "FINISHED"
    assert "127.0.0.1:9" in record["tracking_error"]
    assert (run_dir / "export" / "jsonl" / "train.jsonl").stat().st_size > 0


def group_of(run_dir):
    """Return the pids of the run's server and of the server's child."""
    child = run_dir / "child"
    wait_until(lambda: child.exists() and child.read_text())
    return find_server(str(child)).pid, int(child.read_text())


@pytest.fixture
def start_stubborn(start_cli, stub, run_dir):
    """Start a run whose server and the server's child ignore TERM."""

    def start(*arguments):
        switches = f"{{ignore-sigterm: true, spawn-child: {run_dir / 'child'}, delay-s: 60"
        moment = ", startup-delay-s: 60}" if "starting" in arguments else "}"
        extra = [text for text in arguments if text != "starting"]
        process = start_cli(*stub, f"server.engine_args={switches}{moment}", *extra)
        if "starting" not in arguments:
            wait_until((run_dir / "synthetic_data_kit_config.yaml").exists)
        return process, *group_of(run_dir)

    return start


@pytest.mark.parametrize("moment", [["starting"], []], ids=["starting", "generating"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_nothing_outlives_the_run(start_stubborn, store, tmp_path, run_dir, number, code, moment):
    process, server, child = start_stubborn(*TRACKED, *moment)
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until(lambda: not is_running(server) and not is_running(child), timeout_s=10)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert read_json(run_dir / "run.json")["status"] == "KILLED"
        assert mlflow_run(tmp_path)[1].info.status == "KILLED"


def test_no_secret_is_written_or_shown(start_cli, stub, store, tmp_path, run_dir):
    secrets = {"HF_TOKEN": "hf_marked_in_environment", "OPENAI_API_KEY": "sk-marked-env"}
    typed = ["model.token=hf_marked_typed", "server.api_key=sk-marked-typed"]
    process = start_cli(*stub, *TRACKED, *typed, "server.engine_args={delay-s: 1}", **secrets)
    wait_until((run_dir / "synthetic_data_kit_config.yaml").exists)
    shown = str([p.info for p in psutil.process_iter(["cmdline"]) if p.pid != process.pid])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"gen.temperature" in written
    for text in (out.encode(), err.encode(), shown.encode(), written):
        assert b"marked" not in text


def test_log_of_the_server_holds_no_key(run_cli, stub, run_dir):
    run_cli(*stub)
    assert "environment key: set" in (run_dir / "server.log").read_text()


@pytest.mark.parametrize("flags", [["--help"], ["--cfg", "job"], ["--info", "defaults"]])
def test_questions_are_answered_without_heavy_imports(tmp_path, flags):
    code = (
        f"import sys; from synth.main import main; sys.argv[1:] = {flags!r}\n"
        "try: main()\nexcept SystemExit as e: assert not e.code\n"
        "heavy = {'mlflow', 'torch', 'transformers', 'vllm', 'aiohttp', 'tokenizers', 'numpy',"
        " 'pandas', 'huggingface_hub', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "gen" in done.stdout


def test_help_explains_groups_and_keys(run_cli):
    text = run_cli("--help").stdout
    assert "model=llama3b | llama8b | qwen4b | qwen72b | smollm2" in text
    assert "gen.temperature\n      randomness of the replies [a number, at least 0" in text


def test_own_options_are_found(run_cli, stub, tmp_path, run_dir):
    own = tmp_path / "own" / "gen"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("defaults: [default]\ntemperature: 0.125\n")
    done = run_cli("--config-dir", "own", *stub, "gen=mine", "steps=[ingest]")
    assert done.returncode == 0, done.stderr
    assert "0.125" in (run_dir / ".hydra" / "config.yaml").read_text()


def test_completion_offers_options(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "synth", "-sc", "query=bash"],
        cwd=tmp_path,
        env=os.environ | {"COMP_LINE": "synth model=", "COMP_POINT": "12"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "model=llama8b" in done.stdout


def test_command_line_stays_as_typed_in_the_record(run_cli, stub, run_dir):
    run_cli(*stub, "steps=[ingest]")
    assert "steps=[ingest]" in (run_dir / ".hydra" / "overrides.yaml").read_text()
    assert json.loads((run_dir / "run.json").read_text())["timings"].keys() == {"ingest_s"}


def test_server_that_is_not_ready_in_time_is_told(run_cli, stub):
    slow = ["server.timeout_s=0.2", "server.engine_args={startup-delay-s: 30}"]
    assert fails(run_cli(*stub, *slow), "server.timeout_s=0.2")
