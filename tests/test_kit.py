"""The Python class, on the stub: as the original where that was right, right where it was not."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from synth import SyntheticDataKit
from synth.cutting.token import spans
from synth.errors import ConfigError, ServerDied, ServerStartError, ServerTimeout
from synth.io import read_json, read_jsonl
from synth.models import cache_dir
from tests.conftest import STUB, is_running, wait_until
from tests.cutting.test_token import TEXTS

CONFIG = "synthetic_data_kit_config.yaml"


@pytest.fixture(scope="module")
def settings(model_dir):
    """What makes a kit run on the stub."""
    return {
        "model_name": model_dir,
        "overrides": [f"server.command=[{sys.executable},{STUB}]", "gen.max_retries=0"],
    }


@pytest.fixture(scope="module")
def shared(settings):
    with SyntheticDataKit(**settings) as kit:
        yield kit


@pytest.fixture
def kit(shared, tmp_path, monkeypatch):
    """A kit that runs, prepared with small chunks, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    shared.prepare_qa_generation(max_generation_tokens=900)
    return shared


def arguments_of(kit):
    port = kit.endpoint.base_url.split(":")[2].removesuffix("/v1")
    for process in psutil.process_iter(["cmdline"]):
        if port in (line := process.info["cmdline"] or []):
            return line
    return None


def test_defaults_are_those_of_the_original():
    def defaults(function):
        code = function.__code__
        names = code.co_varnames[1 : code.co_argcount]
        return dict(zip(names, function.__defaults__, strict=True))

    model = "unsloth/Llama-3.1-8B-Instruct-unsloth-bnb-4bit"
    assert defaults(SyntheticDataKit.__init__) == {
        "model_name": model,
        "max_seq_length": 2048,
        "gpu_memory_utilization": 0.98,
        "float8_kv_cache": False,
        "conservativeness": 1.0,
        "token": None,
        "timeout": 1200,
    }
    assert defaults(SyntheticDataKit.from_pretrained.__func__) == {
        "model_name": model,
        "max_seq_length": 2048,
        "gpu_memory_utilization": 0.9,
    }
    assert defaults(SyntheticDataKit.prepare_qa_generation) == {
        "output_folder": "data",
        "max_generation_tokens": 512,
        "temperature": 0.7,
        "top_p": 0.95,
        "overlap": 64,
        "default_num_pairs": 25,
        "cleanup_threshold": 1.0,
        "cleanup_batch_size": 4,
        "cleanup_temperature": 0.3,
    }


def test_kit_is_ready_on_its_own_port_and_gone_afterwards(settings):
    with SyntheticDataKit.from_pretrained(**settings) as kit:
        assert kit.check_vllm_status()
        assert ":8000/" not in kit.endpoint.base_url
        assert arguments_of(kit)
    assert not kit.check_vllm_status()
    assert arguments_of(kit) is None
    kit.cleanup()


def test_status_may_be_asked_of_the_class(shared):
    assert SyntheticDataKit.check_vllm_status()


def test_taken_port_does_not_pass_for_ours(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerStartError, match=f"server.port={port}: can't listen"):
            SyntheticDataKit(**settings, port=port)


def test_arguments_reach_vllm(settings):
    flags = {"enable_prefix_caching": False, "hf_overrides": {"a": 1}, "dtype": "float32"}
    with SyntheticDataKit(**settings, max_seq_length=1024, max_num_seqs=7, **flags) as kit:
        line = arguments_of(kit)
    assert line[line.index("--max-num-seqs") + 1] == "7"
    assert line[line.index("--max-model-len") + 1] == "1024"
    assert "--no-enable-prefix-caching" in line
    assert line[line.index("--hf-overrides") + 1] == '{"a": 1}'
    assert line[line.index("--dtype") + 1] == "float32"


@pytest.mark.parametrize(
    "arguments",
    [
        {"gpu_memory_utilization": 1},
        {"gpu_memory_utilization": np.float32(0.5), "max_seq_length": np.int64(1024)},
        {"timeout": None},
    ],
    ids=["int", "numpy", "no timeout"],
)
def test_usual_types_are_taken(settings, arguments):
    SyntheticDataKit(**settings, **arguments).cleanup()


@pytest.mark.parametrize(
    ("overrides", "key", "expected"),
    [
        (["memory.conservativeness=0.25"], "--max-num-seqs", "8"),
        (["model.max_seq_length=512"], "--max-model-len", "512"),
        (["server.engine_args={max-num-seqs: 3}"], "--max-num-seqs", "3"),
        (["model=qwen4b", "model.name={model}"], "--max-model-len", "8192"),
    ],
    ids=["key", "key of an argument", "mapping", "group"],
)
def test_overrides_win_over_arguments(settings, overrides, key, expected):
    typed = [text.replace("{model}", str(settings["model_name"])) for text in overrides]
    typed += settings["overrides"]
    with SyntheticDataKit(settings["model_name"], overrides=typed, swap=1) as kit:
        line = arguments_of(kit)
    assert line[line.index(key) + 1] == expected
    assert line[line.index("--swap") + 1] == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_seq_length": object()}, r"^max_seq_length=<object .*: expected a whole number"),
        ({"hf_overrides": {1, 2}}, r"hf-overrides=\{1, 2\}: expected plain values"),
        ({"gpu_memory_utilization": 1.5}, r"^gpu_memory_utilization=1\.5: expected a number"),
        ({"conservativeness": 2}, r"^conservativeness=2: expected"),
        ({"max_seq_length": "long"}, r"^max_seq_length='long': expected a whole number"),
        ({"model_name": "/nowhere"}, r"^model_name=/nowhere: no such folder"),
        ({"served_model_name": "x"}, r"served-model-name: synth sets this itself"),
        ({"overrides": ["gen.temprature=1"]}, r"Did you mean gen\.temperature"),
    ],
)
def test_mistakes_name_their_argument(settings, arguments, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SyntheticDataKit(**settings | arguments)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize(
    ("switch", "kind", "message"),
    [
        ({"exit_at_start": "MemoryError: x"}, RuntimeError, "ran out of memory"),
        ({"exit_at_start": "ImportError: y"}, ServerStartError, "It said: ImportError: y"),
        ({"hang": True, "timeout": 1}, ServerTimeout, "not ready within server.timeout_s=1"),
    ],
)
def test_failed_start_leaves_nothing_but_its_log(settings, offspring, switch, kind, message):
    with pytest.raises(kind, match=message) as caught:
        SyntheticDataKit(**settings, **switch)
    assert offspring() == []
    assert Path(caught.value.log_path).is_file()


def test_length_that_does_not_fit_is_refused_or_shortened_for_all(
    settings, documents, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    tight = [*settings["overrides"], "memory.cpu_kv_cache_gib=0.001", "model.dtype=float32"]
    with pytest.raises(ConfigError, match=r"^max_seq_length=8192: one sequence takes"):
        SyntheticDataKit(settings["model_name"], 8192, overrides=tight)
    allowed = [*tight, "memory.may_shorten=true"]
    with SyntheticDataKit(settings["model_name"], 8192, overrides=allowed) as kit:
        assert kit.max_seq_length < 2048
        kit.prepare_qa_generation(max_generation_tokens=64)
        assert kit.generate(documents)
        assert kit.check_vllm_status()
        with pytest.raises(ConfigError, match=r"max_generation_tokens=1000"):
            kit.prepare_qa_generation(max_generation_tokens=1000)


def test_much_output_does_not_block_the_server(settings, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SyntheticDataKit(**settings, chatter=1_000_000) as kit:
        assert kit.generate(documents)


def test_program_of_the_user_is_left_alone(settings, tmp_path):
    code = f"""
import signal, sys
handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
from synth import SyntheticDataKit
SyntheticDataKit({str(settings["model_name"])!r}, overrides={settings["overrides"]!r}).cleanup()
assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
assert not {{"torch", "ray", "vllm", "transformers"}} & set(sys.modules)
"""
    run = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_kit_whose_server_has_died_says_so(settings, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SyntheticDataKit(**settings) as kit:
        os.kill(
            read_json(kit._fleet.launches[0].server.folder / "state.json")["pid"], signal.SIGKILL
        )
        wait_until(lambda: kit._fleet.launches[0].server.poll() is not None)
        assert not kit.check_vllm_status()
        with pytest.raises(ServerDied, match="code -9 while it was in use") as caught:
            kit.generate(documents)
    assert Path(caught.value.log_path).is_file()


def test_old_logs_are_removed(settings):
    old = cache_dir() / "logs" / "synth-old.log"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.touch()
    os.utime(old, (0, 0))
    SyntheticDataKit(**settings).cleanup()
    assert not old.exists()


def test_kit_that_was_cleaned_up_says_so(settings, documents):
    kit = SyntheticDataKit(**settings)
    kit.cleanup()
    with pytest.raises(RuntimeError, match="make a new one"):
        kit.generate(documents)


def test_key_of_the_environment_is_not_asked_for(settings, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "of another server")
    with SyntheticDataKit(**settings) as kit:
        assert kit.endpoint.api_key is None


def test_folders_and_config_are_where_the_original_has_them(kit, tmp_path):
    folders = {path.name for path in (tmp_path / "data").iterdir() if path.is_dir()}
    assert folders == {
        *("pdf", "html", "youtube", "docx", "ppt", "txt"),
        *("output", "generated", "cleaned", "final"),
    }
    config = yaml.safe_load((tmp_path / CONFIG).read_text())
    assert config["vllm"]["api_base"] == kit.endpoint.base_url
    assert config["vllm"]["port"] == int(kit.endpoint.base_url.split(":")[2].removesuffix("/v1"))
    assert config["paths"]["output"]["parsed"] == str(tmp_path / "data" / "output")
    assert config["paths"]["output"]["curated"] == str(tmp_path / "data" / "cleaned")
    assert config["curate"]["threshold"] == config["cleanup"]["threshold"] == 1.0


def test_folder_with_any_name_keeps_a_config_of_its_own(kit, tmp_path):
    folder = tmp_path / "a 'b' \"c\" #d \\e: f"
    kit.prepare_qa_generation(folder, default_num_pairs=3)
    own = yaml.safe_load((folder / CONFIG).read_text())
    assert own == yaml.safe_load((tmp_path / CONFIG).read_text())
    assert own["paths"]["output"]["final"] == str(folder / "final")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_generation_tokens": 1020}, "max_generation_tokens=1020: too long"),
        ({"max_generation_tokens": 900, "overlap": 200}, "overlap=200: expected less than"),
        ({"temperature": -1}, "temperature=-1: expected"),
        ({"default_num_pairs": 0, "top_p": 3}, "top_p=3.*default_num_pairs=0"),
    ],
)
def test_wrong_settings_name_themselves(kit, arguments, message):
    with pytest.raises(RuntimeError, match=rf"(?s){message}"):
        kit.prepare_qa_generation(**arguments)


def test_chunks_are_the_original_text(kit, tmp_path):
    source = tmp_path / "a.txt"
    source.write_bytes("".join(TEXTS.values()).encode() * 3)
    names = kit.chunk_data("a.txt")
    assert names[:2] == ["a_0.txt", "a_1.txt"]
    text = source.read_bytes().decode()
    parts = [Path(name).read_bytes().decode() for name in names]
    n_tokens = len(kit._tokenizer.tokenize(text))
    assert len(parts) == len(spans(n_tokens, 2048 - 2 * 900 - 128, 64))
    assert all(part in text for part in parts)
    assert text.startswith(parts[0])
    assert text.endswith(parts[-1])


def test_chunks_and_empty_files_have_no_chunks(kit, tmp_path):
    (tmp_path / "a.txt").write_text("The sea is salt. " * 100)
    (tmp_path / "empty.txt").write_text("")
    assert kit.chunk_data(kit.chunk_data(tmp_path / "a.txt")[0]) == []
    assert kit.chunk_data("empty.txt") == []


def test_any_suffix_is_cut_and_an_emptied_document_has_no_chunks(kit, tmp_path):
    (tmp_path / "a.tex").write_text("The sea is salt. " * 100)
    assert kit.chunk_data("a.tex")[0] == "a_0.tex"
    (tmp_path / "a.tex").write_text("")
    assert kit.chunk_data("a.tex") == []
    assert list(tmp_path.glob("a_*.tex")) == []


def test_settings_belong_to_their_folder(kit, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("=" * 20_000)
    kit.chunk_data("a.txt")
    kit.prepare_qa_generation("other", max_generation_tokens=900)
    (tmp_path / "b.txt").write_text("The sea is salt. " * 300)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    kit.chunk_data(tmp_path / "b.txt")
    config = yaml.safe_load((tmp_path / "other" / CONFIG).read_text())
    assert config["paths"]["output"]["final"] == str(tmp_path / "other" / "final")
    assert config["generation"]["chunk_size"] < 20_000


def test_longest_chunk_stays_whole_in_the_external_tool(kit, tmp_path):
    (tmp_path / "a.txt").write_text("=" * 20_000)
    longest = max(len(Path(name).read_text()) for name in kit.chunk_data("a.txt"))
    assert yaml.safe_load((tmp_path / CONFIG).read_text())["generation"]["chunk_size"] >= longest


@pytest.mark.parametrize(("n_bytes", "n_kept"), [(2**30, 1), (0, 0)])
def test_texts_are_kept_within_a_size(kit, tmp_path, monkeypatch, n_bytes, n_kept):
    monkeypatch.setenv("SYNTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("synth.supply._MOST_CACHED_BYTES", n_bytes)
    (tmp_path / "a.html").write_text("<h1>Sea</h1><p>The sea is salt, and it is deep.</p>")
    assert kit.generate(tmp_path / "a.html")
    kept = [path for path in (tmp_path / "cache/texts").iterdir() if path.suffix != ".lock"]
    assert len(kept) == n_kept


def test_chunks_before_the_settings_are_refused(settings):
    with (
        SyntheticDataKit(**settings) as kit,
        pytest.raises(RuntimeError, match="prepare_qa_generation"),
    ):
        kit.chunk_data("a.txt")


def test_generate_returns_the_pairs(kit, documents, tmp_path):
    pairs = kit.generate(documents, "run")
    assert len(pairs) >= 6
    assert all(pair.question and pair.answer for pair in pairs)
    assert (tmp_path / "run" / "export" / "jsonl" / "train.jsonl").is_file()
    assert kit.check_vllm_status()


def test_generate_uses_the_kits_server(kit, documents):
    kit.generate([documents / "moon.txt"])
    (log,) = Path("data/runs").glob("*/server.log")
    assert log.is_file()
    assert len(arguments_of(kit)) > 5


def test_kit_works_inside_of_a_loop(settings, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def notebook_cell():
        with SyntheticDataKit(**settings) as kit:
            return kit.generate(documents)

    assert asyncio.run(notebook_cell())


def test_kit_that_nobody_holds_is_ended(settings):
    kit = SyntheticDataKit(**settings)
    line = arguments_of(kit)
    del kit
    gc.collect()
    port = line[line.index("--port") + 1]
    assert not any(port in (p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))


@pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_server_ends_with_the_process(settings, tmp_path, end):
    code = f"""
import os, signal, sys
from synth import SyntheticDataKit
kit = SyntheticDataKit({str(settings["model_name"])!r}, overrides={settings["overrides"]!r},
                       spawn_child="child", ignore_sigterm=True)
print(kit._session.folder, flush=True)
{end}
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_running(child))
    wait_until(lambda: not Path(done.stdout.strip()).exists())


def test_fork_of_the_program_does_not_end_the_server(shared):
    if (child := os.fork()) == 0:
        shared._close()
        os._exit(0)
    os.waitpid(child, 0)
    assert shared.check_vllm_status()


def test_ctrl_c_while_waiting_leaves_nothing(settings, offspring):
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        SyntheticDataKit(**settings, startup_delay_s=60)
    wait_until(lambda: offspring() == [])  # one that was just being launched ends itself


def test_soak_leaves_nothing(settings, documents, soak):
    assert soak(5, documents, **settings, max_generation_tokens=900) == []


def test_generate_cuts_what_was_prepared(settings, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SyntheticDataKit(**settings) as kit:
        kit.prepare_qa_generation(max_generation_tokens=64)
        kit.generate(documents, tmp_path / "run")
    sizes = [row["n_tokens"] for row in read_jsonl(tmp_path / "run" / "chunks.jsonl")]
    assert max(sizes) > 100
