"""Models are found, or their absence is told before anything starts."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from synth import models
from synth.errors import ConfigError
from synth.models import Model, cache_dir, download, resolve_model

DOWNLOAD = "from synth.models import *; download(Model('owner/model', 'owner/model', None, None))"

RESOLVE = """
from synth.config import ModelConfig
from synth.models import resolve_model

settings = dict.fromkeys(ModelConfig.__dataclass_fields__) | {"name": "owner/model"}
print(resolve_model(ModelConfig(**settings)).weight_bytes)
"""


def test_folder_is_a_model(make_config, model_dir):
    model = resolve_model(make_config(f"model.name={model_dir}").model)
    assert model.is_local
    assert model.shape["num_hidden_layers"] == 2
    assert model.tokenizer_path() == model_dir / "tokenizer.json"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such folder, or no config.json in it"),
        ("not a name!", "neither a folder nor a name such as owner/model"),
    ],
)
def test_model_that_does_not_exist_is_told(make_config, name, message):
    with pytest.raises(ConfigError, match=message):
        resolve_model(make_config(f"model.name='{name}'").model)


def test_hub_that_can_not_be_reached_is_told(make_config, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"model\.name=no/such: it is neither cached nor"):
        resolve_model(make_config("model.name=no/such").model)


def test_token_is_not_in_the_text_of_a_model(make_config, model_dir):
    config = make_config(f"model.name={model_dir}", "model.token=hf_marked")
    assert "hf_marked" not in repr(resolve_model(config.model))


def test_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTH_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path


def test_size_of_the_weights_is_that_of_the_files(make_config, model_dir, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for number in (1, 2):
        (tmp_path / f"model-0000{number}-of-00002.safetensors").write_bytes(bytes(100))
    assert resolve_model(make_config(f"model.name={tmp_path}").model).weight_bytes == 200
    assert resolve_model(make_config(f"model.name={model_dir}").model).weight_bytes is None


def test_nothing_is_downloaded_for_a_folder(model_dir, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    download(Model(str(model_dir), str(model_dir), None, None))


@pytest.fixture
def hub(tmp_path):
    """Start a hub with one model of these files; returns its address and what was fetched."""
    started = []

    def start(*files):
        server = [sys.executable, str(Path(__file__).with_name("fake_hub.py")), *files]
        with (tmp_path / "hub.log").open("w") as log:
            process = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=log, text=True)
        started.append(process)
        return process.stdout.readline().strip(), process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def run_against(address, tmp_path, code, **environment):
    own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | own | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("files", "fetched"),
    [
        (
            ["config.json", "model.safetensors", "pytorch_model.bin", "README.md"],
            {"config.json", "model.safetensors"},
        ),
        (
            ["params.json", "model.safetensors", "consolidated.safetensors"],
            {"params.json", "consolidated.safetensors"},
        ),
        (
            ["config.json", "pytorch_model.bin", "training_args.bin"],
            {"config.json", "pytorch_model.bin"},
        ),
    ],
    ids=["safetensors", "mistral", "pickled"],
)
def test_what_vllm_loads_is_downloaded(hub, tmp_path, files, fetched):
    address, process = hub(*files)
    done = run_against(address, tmp_path, DOWNLOAD)
    assert done.returncode == 0, done.stderr
    process.kill()
    assert set(process.communicate()[0].split()) == fetched


@pytest.mark.parametrize(
    ("files", "size"), [(["model.safetensors.index.json"], "700"), (["model.safetensors"], "None")]
)
def test_size_of_the_weights_is_in_the_index(hub, tmp_path, files, size):
    address, _ = hub("config.json", *files)
    done = run_against(address, tmp_path, RESOLVE)
    assert done.stdout.strip() == size, done.stderr


def test_model_that_the_hub_does_not_have_is_told(hub, tmp_path):
    address, _ = hub("config.json")
    done = run_against(address, tmp_path, DOWNLOAD.replace("owner/model", "owner/other"))
    assert "model.name=owner/other: there is no such model on the hub" in done.stderr


def test_offline_nothing_is_downloaded(tmp_path):
    done = run_against("http://127.0.0.1:1", tmp_path, DOWNLOAD, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr


def test_full_disk_is_not_taken_for_the_network():
    model = Model("x/y", "x/y", None, None)
    with pytest.raises(OSError, match="No space"), models._told("model.name=x/y", "weights", model):
        raise OSError(errno.ENOSPC, "No space left on device")
