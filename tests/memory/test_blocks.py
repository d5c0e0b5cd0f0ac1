"""Tokens and sequences of a KV cache, against what vLLM 0.32 reported for it on a CPU."""

import pytest

from synth.memory.blocks import lay_out
from synth.memory.machine import GIB
from synth.memory.shape import Shape, read_shape

GEMMA2 = Shape(n_kv_heads=2, head_dim=64, windows=(1024, 0) * 3)
# 2 full and 6 linear layers: a state of 8 · 128 · 128 values, and 3 steps of 2,048 values.
QWEN3_NEXT = Shape(2, 64, (0,) * 2, n_state_layers=6, conv_values=6144, state_values=131_072)
MISTRAL = Shape(n_kv_heads=2, head_dim=32, windows=(1024,) * 4)


def n_tokens(shape, bytes_per_value, block_tokens, in_flight_tokens, length):
    blocks = lay_out(shape, bytes_per_value, block_tokens, in_flight_tokens)
    return int(blocks.count_sequences(GIB, length) * length)


@pytest.mark.parametrize(
    ("name", "arguments", "reported"),
    [
        ("smollm2-135m", (4, 128, 4096, 2048), 23_296),
        ("gemma-3-1b", (4, 128, 8192, 8192), 18_477),  # prompts taken whole: windows save nothing
        ("gemma-3-1b", (4, 128, 1024, 8192), 59_074),
    ],
)
def test_tokens_are_those_that_vllm_reports(models, name, arguments, reported):
    assert n_tokens(read_shape(models[name]), *arguments) == reported


@pytest.mark.parametrize(
    ("shape", "arguments", "reported"),
    [
        (GEMMA2, (2, 128, 1024, 8192), 552_302),
        (MISTRAL, (4, 128, 1024, 8192), 1_973_790),
        (Shape(n_kv_heads=2, head_dim=64, windows=(0,) * 12), (4, 128, 4096, 4096), 87_296),
        (Shape(4, 192, (0,) * 5, latent_dim=512 + 64), (2, 16, 4096, 4096), 186_400),
        (QWEN3_NEXT, (4, 128, 4096, 4096), 258_048),
    ],
    ids=["gemma2", "mistral", "experts", "latent", "linear"],
)
def test_tokens_of_tiny_models_are_those_that_vllm_reports(shape, arguments, reported):
    assert n_tokens(shape, *arguments) == reported


def test_hybrid_in_blocks_by_hand(models):
    blocks = lay_out(read_shape(models["gemma-3-1b"]), 2, 16, 2 * 2048)
    # 4 full and 22 sliding layers: groups of 4, so 1 + 6 of them, the last two layers padding.
    assert blocks.block_bytes == 4 * 16 * (2 * 1 * 256 * 2)
    assert blocks.n_per_sequence(8192) == 8192 // 16 + 6 * (-(-(512 - 1 + 4096) // 16) + 1)


def test_kinds_that_are_almost_as_common_share_the_larger_group():
    blocks = lay_out(Shape(1, 64, (32,) * 12 + (0,) * 13), 2, 16, 1024)
    assert len(blocks.group_windows) == 2
    assert blocks.block_bytes == 13 * 16 * (2 * 64 * 2)


def test_block_is_as_large_as_a_state():
    shape = Shape(1, 64, (0,) * 2, n_state_layers=6, state_values=50_000)
    blocks = lay_out(shape, 2, 16, 1024)
    assert blocks.block_tokens == 400  # 50,000 · 2 bytes in pages of 16 · 256
    assert blocks.n_per_sequence(4000) == 10 + 3 * 2


@pytest.mark.parametrize(("gib", "longest"), [(1, 8192), (1 / 8, 1024), (0, 0)])
def test_longest_sequence(models, gib, longest):
    blocks = lay_out(read_shape(models["llama-3.1-8b"]), 2, 16, 2048)  # 128 KiB a token
    assert blocks.find_longest(int(gib * GIB), 100_000) == longest
