"""Parameters against published totals, bytes against values by hand."""

import pytest

from synth.memory import resolve_quantization
from synth.memory.weights import count_parameters, count_weight_bytes


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("llama-3.1-8b", 8_030_261_248),
        ("qwen3-0.6b", 596_049_920),
        ("gemma-3-1b", 999_885_952),
        ("deepseek-v2-lite", 15_706_484_224),
        ("mixtral-8x7b", 46_702_792_704),
        ("qwen3-30b-a3b", 30_532_122_624),
    ],
)
def test_parameters_are_the_published_ones_but_for_norms(models, name, published):
    assert count_parameters(models[name]).total == pytest.approx(published, rel=2e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu"},
        {"vision_config": {}},
        {"layer_types": ["conv"]},
        {"intermediate_size": None},
    ],
)
def test_unknown_model_is_not_counted(models, change):
    assert count_parameters(models["llama-3.1-8b"] | change) is None


def test_layers_without_experts_are_told_one_by_one(models):
    model = models["qwen3-30b-a3b"]
    dense = 3 * 2048 * 6144 - (3 * 128 * 2048 * 768 + 128 * 2048)
    sparse = count_parameters(model).matrices
    assert count_parameters(model | {"mlp_only_layers": [0]}).matrices - sparse == dense
    assert count_parameters(model | {"decoder_sparse_step": 2}).matrices - sparse == 24 * dense


@pytest.mark.parametrize(("loaded", "expected"), [(2, 1000), (4, 2000)])
def test_stored_weights_grow_with_the_format_they_are_loaded_in(models, loaded, expected):
    assert count_weight_bytes(models["llama-3.1-8b"], 1000, None, loaded) == expected


MATRICES = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
ENDS = 2 * 128256 * 4096 * 2
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 8}}},
}


@pytest.mark.parametrize(
    ("stored", "asked", "bits"),
    [
        (None, None, 16),
        (None, "bitsandbytes", 4.5),
        (None, "fp8", 8),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, None, 4.5),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, None, 8),
        ({"quant_method": "fp8"}, None, 8),
        (AWQ, None, 4 + 20 / 128),
        (COMPRESSED, None, 8),
    ],
)
def test_quantised_layers_shrink_and_embeddings_do_not(models, stored, asked, bits):
    model = models["llama-3.1-8b"] | {"quantization_config": stored}
    assert count_weight_bytes(model, None, asked, 2) == int(MATRICES * bits / 8) + ENDS


def test_quantised_files_are_as_large_as_they_are(models):
    assert (
        count_weight_bytes(models["llama-3.1-8b"] | {"quantization_config": AWQ}, 7, None, 4) == 7
    )


def test_unknown_quantisation_is_not_guessed(models):
    model = models["llama-3.1-8b"] | {"quantization_config": {"quant_method": "new"}}
    assert count_weight_bytes(model, None, None, 2) is None


@pytest.mark.parametrize(
    ("asked", "name", "stored", "resolved"),
    [
        (None, "unsloth/Llama-3.1-8B-Instruct-unsloth-bnb-4bit", {}, "bitsandbytes"),
        (None, "me/x", {"quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
        (None, "me/x", {"quantization_config": AWQ}, None),
        ("fp8", "me/x-bnb-4bit", {}, "fp8"),
    ],
)
def test_quantisation_that_vllm_must_be_told(asked, name, stored, resolved):
    assert resolve_quantization(asked, name, stored) == resolved
