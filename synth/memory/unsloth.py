"""The memory arithmetic of Unsloth's ``SyntheticDataKit``, to the digit.

It is kept for those who compare with the original, whose figures are not what vLLM then takes: it
knows no head size of its own, experts, MLA or windows, and takes off room for training. Source:
unsloth_zoo/vllm_utils.py of August 2026, ``approximate_vllm_memory_usage`` and ``load_vllm``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synth.memory.machine import GIB

BITSANDBYTES_FACTOR = 16 / 5
FP8_FACTOR = 8 / 5

_BATCHES = (
    (2, 2048, 8),
    (4, 2048, 16),
    (8, 4096, 32),
    (12, 4096, 48),
    (16, 6144, 64),
    (24, 6144, 80),
    (40, 8192, 96),
    (48, 8192, 112),
    (80, 8192, 128),
    (float("inf"), 8192, 256),
)
"""KV cache up to so many GiB: max_num_batched_tokens, max_num_seqs."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the arithmetic starts from."""

    free_gib: float
    total_gib: float
    utilization: float
    """Of the memory that is free now, not of the total as vLLM means it."""
    max_seq_length: int
    float8_kv_cache: bool = False
    conservativeness: float = 1.0
    quantization_factor: float = 1.0
    """How many times smaller the layers are than in 16 bits."""


@dataclass(frozen=True)
class Figures:
    """What the arithmetic ends with."""

    model_gib: float
    kv_cache_gib: float
    gpu_memory_utilization: float
    """Of the total, as vLLM means it."""
    max_num_batched_tokens: int
    max_num_seqs: int
    max_model_len: int
    """Shorter than what was asked for if the KV cache is thought too small."""


def compute_figures(config: Mapping[str, Any], request: Request) -> Figures:
    """Return the settings that the original would start vLLM with.

    Raises:
        KeyError: if the model's ``config.json`` lacks one of the six sizes that are read.
    """
    hidden, n_layers = config["hidden_size"], config["num_hidden_layers"]
    n_heads = config["num_attention_heads"]
    kv = hidden // n_heads * (config.get("num_key_value_heads") or n_heads)
    free = _usable_bytes(config, request, kv)
    model = _model_bytes(config, request.quantization_factor, kv)
    graphs = min(max(172 * hidden * n_layers * 4, 0.15 * GIB), GIB)
    left = max(0.0, free - model - graphs)

    per_token = 2 * kv * n_layers * (1.25 if request.float8_kv_cache else 2)
    n_tokens = int(0.95 * left / per_token) // 256 * 256
    length = min(request.max_seq_length, n_tokens or 256)

    n_batched, n_seqs = next(row[1:] for row in _BATCHES if left / GIB <= row[0])
    if request.float8_kv_cache:
        n_seqs = int(1.05 * n_seqs)
    return Figures(
        model_gib=model / GIB,
        kv_cache_gib=left / GIB,
        gpu_memory_utilization=free / (request.total_gib * GIB),
        max_num_batched_tokens=n_batched,
        max_num_seqs=max(1, int(n_seqs * request.conservativeness)),
        max_model_len=length,
    )


def _usable_bytes(config: Mapping[str, Any], request: Request, kv: int) -> float:
    hidden, inner, length = (
        config["hidden_size"],
        config["intermediate_size"],
        request.max_seq_length,
    )
    values = 2 * length * (hidden + 2 * kv) + 4 * length + 4 * length * inner + inner * hidden
    training = 1.25 * 2 * values
    total = request.total_gib * GIB
    return float(min(request.utilization * request.free_gib * GIB, total - training))


def _model_bytes(config: Mapping[str, Any], factor: float, kv: int) -> float:
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    layer = (2 * hidden + 2 * kv) * hidden + 3 * hidden * config["intermediate_size"]
    ends = vocabulary * hidden * (1 if config.get("tie_word_embeddings", True) else 2)
    norms = 2 * hidden  # once, not in each layer
    return float(layer * config["num_hidden_layers"] * 2 / factor + (norms + ends) * 2)
