"""What a model's weights take in memory, from its ``config.json`` or from the size of its files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synth.memory.shape import layer_kinds, text_config

BITSANDBYTES_BITS = 4.5
"""Bits of a weight in bitsandbytes' 4 bits: 4, and a 32-bit scale for each block of 64 weights.

Source: QLoRA (arXiv 2305.14314), section 3, without its double quantisation, which saves 0.37.
"""

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_METHOD_BITS = {"fp8": 8.0, "fbgemm_fp8": 8.0, "mxfp4": 4.25}


@dataclass(frozen=True)
class Parameters:
    """How many values a model has, without norms and biases: less than one in a thousand."""

    matrices: int
    """In the layers: what a quantisation packs."""
    embeddings: int
    """At both ends, in the model's number format."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.matrices + self.embeddings


def resolve_quantization(asked: str | None, name: str, config: Mapping[str, Any]) -> str | None:
    """Return what vLLM must be told of a model's quantisation; None = it sees for itself.

    Args:
        asked: ``model.quantization``.
        name: ``model.name``; Unsloth marks its 4-bit models with ``-bnb-4bit``.
    """
    if asked:
        return asked
    is_bitsandbytes = _stored(config).get("quant_method") == "bitsandbytes"
    return "bitsandbytes" if is_bitsandbytes or "-bnb-4bit" in name.lower() else None


def count_weight_bytes(
    config: Mapping[str, Any],
    stored_bytes: int | None,
    quantization: str | None,
    bytes_per_value: int,
) -> int | None:
    """Return what the loaded weights take; None if neither the files nor the configuration tell.

    Args:
        config: the model's ``config.json``.
        stored_bytes: size of its files, if known: what a quantised model takes, too.
        quantization: as :func:`resolve_quantization` returns it.
        bytes_per_value: of the number format that the model is loaded in.
    """
    if _stored(config) and stored_bytes:
        return stored_bytes
    parameters = count_parameters(config)
    bits = _bits_of_matrices(config, quantization)
    if _stored(config) or quantization:
        if parameters is None or bits is None:
            return stored_bytes
        return int(parameters.matrices * bits / 8 + parameters.embeddings * bytes_per_value)
    stored_as = _BYTES.get(text_config(config).get("dtype") or config.get("torch_dtype") or "")
    if stored_bytes and stored_as:
        return stored_bytes * bytes_per_value // stored_as
    return parameters.total * bytes_per_value if parameters else None


def count_stage_bytes(
    config: Mapping[str, Any], weight_bytes: int, n_stages: int, bytes_per_value: int
) -> int:
    """Return what the largest stage of a pipeline has of the weights: its layers, and one end.

    Tied embeddings are at both ends then. Source: vLLM 0.32, model_executor/models/llama.py.
    """
    if n_stages == 1:
        return weight_bytes
    text = text_config(config)
    n_layers = text["num_hidden_layers"]
    share = math.ceil(n_layers / n_stages) / n_layers
    if (parameters := count_parameters(config)) is None:
        return int(weight_bytes * share)
    ends = parameters.embeddings * bytes_per_value
    one = ends // (1 if text.get("tie_word_embeddings", True) else 2)
    return int((weight_bytes - ends) * share) + one


def count_parameters(config: Mapping[str, Any]) -> Parameters | None:
    """Return a text model's parameters; None for a kind of model that is unknown here."""
    text = text_config(config)
    gelu_gated = str(text.get("model_type")).startswith("gemma")
    if "vision_config" in config or "audio_config" in config or "interleave_moe_layer_step" in text:
        return None
    if text.get("hidden_act", "silu") not in ("silu", "swiglu") and not gelu_gated:
        return None  # no third matrix, or it is unknown
    try:
        kinds = layer_kinds(text)
        matrices = sum(
            (_linear_attention(text) if kind == "linear_attention" else _attention(text))
            + (_experts(text) if _is_sparse(text, i) else 3 * _product(text, "intermediate_size"))
            for i, kind in enumerate(kinds)
        )
        n_ends = 1 if text.get("tie_word_embeddings", True) else 2
        return Parameters(matrices, n_ends * _product(text, "vocab_size"))
    except (KeyError, TypeError):
        return None


def _product(text: Mapping[str, Any], key: str) -> int:
    return int(text["hidden_size"] * text[key])


def _attention(text: Mapping[str, Any]) -> int:
    hidden, n_heads = text["hidden_size"], text["num_attention_heads"]
    if text.get("kv_lora_rank"):
        return _latent_attention(text)
    head_dim = text.get("head_dim") or hidden // n_heads
    n_kv_heads = text.get("num_key_value_heads") or n_heads
    n_queries = n_heads * (2 if text.get("attn_output_gate") else 1)  # Qwen3.5
    return int(hidden * head_dim * (n_queries + n_heads + 2 * n_kv_heads))


def _latent_attention(text: Mapping[str, Any]) -> int:
    """DeepSeek's MLA: queries, keys and values each through a narrow matrix.

    Source: DeepSeek-V2 (arXiv 2405.04434), section 2.1; the queries of V2-Lite go straight.
    """
    hidden, n_heads = text["hidden_size"], text["num_attention_heads"]
    nope, rope, value = text["qk_nope_head_dim"], text["qk_rope_head_dim"], text["v_head_dim"]
    narrow, query = text["kv_lora_rank"], n_heads * (nope + rope)
    rank = text.get("q_lora_rank")
    queries = rank * (hidden + query) if rank else hidden * query
    keys_and_values = hidden * (narrow + rope) + narrow * n_heads * (nope + value)
    return int(queries + keys_and_values + n_heads * value * hidden)


def _linear_attention(text: Mapping[str, Any]) -> int:
    """Gated DeltaNet of Qwen3-Next and Qwen3.5: queries, keys, values, a gate, two scalars a head."""
    n_keys, n_values = text["linear_num_key_heads"], text["linear_num_value_heads"]
    keys, values = n_keys * text["linear_key_head_dim"], n_values * text["linear_value_head_dim"]
    return int(text["hidden_size"] * (2 * keys + 3 * values + 2 * n_values))


def _n_experts(text: Mapping[str, Any]) -> int:
    # Mixtral and gpt-oss; Qwen; DeepSeek and GLM.
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    return next((int(text[name]) for name in names if text.get(name)), 0)


def _is_sparse(text: Mapping[str, Any], layer: int) -> bool:
    """Whether a layer has experts: DeepSeek's first have none, Qwen's may be told one by one."""
    step = text.get("decoder_sparse_step") or text.get("moe_layer_freq") or 1
    return (
        _n_experts(text) > 0
        and layer >= (text.get("first_k_dense_replace") or 0)
        and layer not in (text.get("mlp_only_layers") or ())
        and (layer + ("decoder_sparse_step" in text)) % step == 0
    )


def _experts(text: Mapping[str, Any]) -> int:
    """Experts, the ones that all tokens share, and the router."""
    width = text.get("moe_intermediate_size") or text["intermediate_size"]
    shared = text.get("shared_expert_intermediate_size") or (
        (text.get("n_shared_experts") or 0) * width
    )
    n_experts = _n_experts(text)
    return int(text["hidden_size"] * (3 * (n_experts * width + shared) + n_experts))


def _stored(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return text_config(config).get("quantization_config") or {}


def _bits_of_matrices(config: Mapping[str, Any], quantization: str | None) -> float | None:
    """Return the bits that a quantised weight takes, its share of the scales included."""
    stored = _stored(config)
    method = quantization or str(stored.get("quant_method"))
    if method == "bitsandbytes":
        return 8.0 if stored.get("load_in_8bit") else BITSANDBYTES_BITS
    if method.startswith(("awq", "gptq")):
        return _packed_bits(stored.get("bits"), stored.get("group_size"))
    if method == "compressed-tensors":
        groups = list((stored.get("config_groups") or {}).values())
        weights = groups[0].get("weights") or {} if len(groups) == 1 else {}
        return _packed_bits(weights.get("num_bits"), weights.get("group_size"))
    return _METHOD_BITS.get(method)


def _packed_bits(bits: int | None, group_size: int | None) -> float | None:
    """AWQ and GPTQ: for each group of weights a 16-bit scale and a zero point of ``bits``."""
    if not bits:
        return None
    return bits + (16 + bits) / group_size if group_size and group_size > 0 else float(bits)
