"""The worked table of the original's arithmetic, row by row."""

import pytest

from synth.memory.unsloth import BITSANDBYTES_FACTOR, Request, compute_figures

SMALL, LARGE = "llama-3.2-3b", "llama-3.1-8b"


def compute(model, total, free, length=2048, **more):
    request = Request(
        free_gib=free, total_gib=total, utilization=0.9, max_seq_length=length, **more
    )
    return compute_figures(model, request)


@pytest.mark.parametrize(
    ("name", "request_", "model_gib", "kv_gib", "share", "n_batched", "n_seqs"),
    [
        (SMALL, {"total": 14.74, "free": 14.6}, 5.98, 7.01, 0.8915, 4096, 32),
        (LARGE, {"total": 14.74, "free": 14.6}, 14.96, 0.0, 0.8915, 2048, 8),
        (LARGE, {"total": 22.5, "free": 22}, 14.96, 4.69, 0.88, 4096, 32),
        (
            LARGE,
            {"total": 22.5, "free": 22, "quantization_factor": BITSANDBYTES_FACTOR},
            *(6.02, 13.63, 0.88, 6144, 64),
        ),
        (LARGE, {"total": 79.2, "free": 79}, 14.96, 55.99, 0.8977, 8192, 128),
        (LARGE, {"total": 139.8, "free": 139, "length": 8192}, 14.96, 109.99, 0.8948, 8192, 256),
        (
            LARGE,
            {"total": 139.8, "free": 139, "length": 8192, "float8_kv_cache": True},
            *(14.96, 109.99, 0.8948, 8192, 268),
        ),
    ],
    ids=["T4-3B", "T4-8B", "L4-8B", "L4-8B-bnb", "A100-8B", "H200-8B", "H200-8B-fp8"],
)
def test_worked_rows(models, name, request_, model_gib, kv_gib, share, n_batched, n_seqs):
    made = compute(models[name], **request_)
    assert round(made.model_gib, 2) == model_gib
    assert round(made.kv_cache_gib, 2) == kv_gib
    assert round(made.gpu_memory_utilization, 4) == share
    assert (made.max_num_batched_tokens, made.max_num_seqs) == (n_batched, n_seqs)


def test_length_shrinks_to_256_without_a_cache(models):
    assert compute(models[LARGE], 14.74, 14.6).max_model_len == 256


def test_length_shrinks_to_what_the_cache_is_thought_to_hold(models):
    # 0.95 · (0.9 · 18.333 − 14.957 − 0.15) GiB / (2 · 1024 · 32 · 2 bytes), in steps of 256
    assert compute(models[LARGE], 22.5, 16.5 / 0.9, length=16_384).max_model_len == 10_752


@pytest.mark.parametrize(("conservativeness", "n_seqs"), [(1.0, 32), (0.5, 16), (0.0, 1)])
def test_conservativeness_scales_the_sequences_alone(models, conservativeness, n_seqs):
    made = compute(models[LARGE], 22.5, 22, conservativeness=conservativeness)
    assert (made.max_num_seqs, made.max_num_batched_tokens) == (n_seqs, 4096)


def test_room_for_training_is_kept_where_all_is_free(models):
    made = compute_figures(
        models[SMALL],
        Request(free_gib=14.74, total_gib=14.74, utilization=1.0, max_seq_length=2048),
    )
    training = 1.25 * 2 * (2 * 2048 * (3072 + 2 * 1024) + 4 * 2048 + 4 * 2048 * 8192 + 8192 * 3072)
    assert made.gpu_memory_utilization == pytest.approx(1 - training / (14.74 * 2**30))
