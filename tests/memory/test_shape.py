"""KV bytes and layers, against values by hand."""

import pytest

from synth.memory.shape import EVERYTHING, read_shape


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("llama-3.1-8b", 2 * 32 * 8 * 128 * 2),  # keys and values, layers, KV heads, size, bytes
        ("qwen3-0.6b", 2 * 28 * 8 * 128 * 2),  # 128 is not 1024 / 16
        ("gemma-3-1b", 2 * 26 * 1 * 256 * 2),
        ("deepseek-v2-lite", 27 * (512 + 64) * 2),  # one vector, whatever the heads
        ("mixtral-8x7b", 2 * 32 * 8 * 128 * 2),  # experts have no cache
        ("qwen3-30b-a3b", 2 * 48 * 4 * 128 * 2),
        ("smollm2-135m", 2 * 30 * 3 * 64 * 2),
    ],
)
def test_kv_bytes_of_a_token(models, name, by_hand):
    assert read_shape(models[name]).kv_bytes_per_token(2) == by_hand


def test_gpus_share_heads_but_no_latent_vector(models):
    llama, deepseek = read_shape(models["llama-3.1-8b"]), read_shape(models["deepseek-v2-lite"])
    assert llama.kv_bytes_per_layer(2, n_gpus=4) == 2 * (8 // 4) * 128 * 2
    assert llama.kv_bytes_per_layer(2, n_gpus=16) == 2 * 1 * 128 * 2
    assert deepseek.kv_bytes_per_layer(2, n_gpus=4) == (512 + 64) * 2


BASE = {"num_hidden_layers": 4, "num_attention_heads": 4, "hidden_size": 64, "sliding_window": 32}


@pytest.mark.parametrize(
    ("config", "windows"),
    [
        ({"model_type": "mistral"}, (32, 32, 32, 32)),
        ({"model_type": "mistral", "sliding_window": None}, (0, 0, 0, 0)),
        ({"model_type": "gemma2"}, (32, 0, 32, 0)),
        ({"model_type": "gemma3_text", "num_hidden_layers": 7}, (32, 32, 32, 32, 32, 0, 32)),
        ({"model_type": "cohere2"}, (33, 33, 33, 0)),
        ({"model_type": "new", "sliding_window_pattern": 2}, (32, 0, 32, 0)),
        ({"use_sliding_window": False}, (0, 0, 0, 0)),
        ({"use_sliding_window": True, "max_window_layers": 3}, (0, 0, 0, 32)),
        ({"layer_types": ["full_attention", "sliding_attention"]}, (0, 32)),
        ({"layer_types": ["chunked_attention", "full_attention"]}, (0, 0)),
    ],
)
def test_windows_of_the_layers(config, windows):
    assert read_shape(BASE | config).windows == windows


def test_nested_shape_is_read():
    assert read_shape({"text_config": BASE, "model_type": "gemma2"}).windows == (32, 0, 32, 0)


def test_linear_attention_has_a_state_and_no_cache():
    linear = {
        "layer_types": ["linear_attention"] * 3 + ["full_attention"],
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 8,
        "linear_conv_kernel_dim": 4,
        "mamba_ssm_dtype": "float32",
    }
    shape = read_shape(BASE | linear)
    assert shape.windows == (EVERYTHING,)
    assert shape.n_state_layers == 3
    by_interval = {"layer_types": None, "full_attention_interval": 4}
    assert read_shape(BASE | linear | by_interval) == shape
    conv, state = (2 * 2 * 16 + 4 * 8) * 3, 4 * 8 * 16
    assert shape.state_bytes_per_layer(2) == conv * 2 + state * 4


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "unheard_of"},  # a window, and no word on which layers have it
        {"layer_types": ["conv", "full_attention"]},
        {"layer_types": ["linear_attention"]},
        {"sliding_window": None, "num_kv_shared_layers": 2},
        {"sliding_window": None, "multi_query": True},
        {"sliding_window": None, "index_topk": 2048},
    ],
)
def test_unknown_shape_is_not_guessed(config):
    assert read_shape(BASE | config if config else {}) is None
