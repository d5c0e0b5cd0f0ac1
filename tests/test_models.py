"""Models are found, or their absence is told before anything starts."""

import pytest

from synth.errors import ConfigError
from synth.models import cache_dir, resolve_model


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
