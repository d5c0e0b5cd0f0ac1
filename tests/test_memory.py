"""What a machine's figures lead to."""

import pytest

from synth.memory import (
    GIB,
    Machine,
    choose_cpu_dtype,
    choose_cpu_kv_cache_bytes,
    kv_bytes_per_token,
    probe_machine,
)

SMOLLM2 = {
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "hidden_size": 576,
}


def machine(*flags: str, free_gib: float = 20) -> Machine:
    return Machine(True, (0, 1), frozenset(flags), free_gib)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [(["avx2"], "float32"), (["avx512_bf16"], "bfloat16"), (["amx_bf16", "avx2"], "bfloat16")],
)
def test_dtype_is_what_the_cpu_computes(flags, dtype):
    assert choose_cpu_dtype(machine(*flags)) == dtype


def test_kv_bytes_of_a_token():
    assert kv_bytes_per_token(SMOLLM2, 2) == 2 * 30 * 3 * 64 * 2
    assert kv_bytes_per_token({**SMOLLM2, "head_dim": 128}, 2) == 2 * 30 * 3 * 128 * 2
    assert kv_bytes_per_token({"text_config": {}}, 2) == 0


@pytest.mark.parametrize(
    ("free_gib", "length", "expected_gib"),
    [(20, 2048, 1), (20, 8192, 8 * 8192 * 46_080 / GIB), (8, 8192, 2), (1, 8192, 1)],
)
def test_kv_cache_is_what_eight_sequences_fill(free_gib, length, expected_gib):
    made = choose_cpu_kv_cache_bytes(machine(free_gib=free_gib), SMOLLM2, length, "float32")
    assert made == pytest.approx(expected_gib * GIB)


def test_this_machine_is_seen():
    seen = probe_machine()
    assert seen.cpus
    assert seen.cpu_flags
    assert seen.free_gib > 0
