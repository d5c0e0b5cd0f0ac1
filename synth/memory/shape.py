"""What a model's ``config.json`` says of its attention layers.

A model whose cache can't be told from its configuration has no :class:`Shape`: nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVERYTHING = 0
"""The window of a layer that sees all tokens."""

_OTHER_LAYOUTS = (
    "attn_layer_period",  # Jamba
    "block_configs",  # layers that differ: Llama-Nemotron
    "global_head_dim",  # Gemma 4
    "hybrid_override_pattern",  # Nemotron-H
    "index_topk",  # a second cache: DeepSeek V3.2
    "is_encoder_decoder",
    "layers_block_type",  # Bamba, Zamba
    "linear_attn_config",  # Kimi Linear
    "multi_query",  # Falcon, StarCoder
    "multi_query_attention",  # ChatGLM
    "num_kv_shared_layers",  # Gemma 3n
)
_ALL_SLIDING = frozenset({"mistral", "mixtral", "phi3", "starcoder2"})
_SLIDING_PATTERNS = {"gemma2": 2, "gpt_oss": 2, "cohere2": 4, "gemma3": 6, "gemma3_text": 6}
"""Every n-th layer sees everything, the others a window: what a model type does if not told."""


@dataclass(frozen=True)
class Shape:
    """The layers of a model that remember tokens."""

    n_kv_heads: int
    head_dim: int
    windows: tuple[int, ...]
    """For each layer with a KV cache the tokens that it sees, or :data:`EVERYTHING`."""
    latent_dim: int = 0
    """MLA: width of the one vector that a token leaves in place of keys and values."""
    n_state_layers: int = 0
    """Layers of linear attention: a state of fixed size for each sequence."""
    conv_values: int = 0
    """Values of a layer's state in the model's number format …"""
    state_values: int = 0
    """… and in that of ``state_bytes_per_value``."""
    state_bytes_per_value: int | None = None
    """None = the model's own."""

    def kv_bytes_per_layer(self, bytes_per_value: int, n_gpus: int = 1) -> int:
        """Return what one token takes in one layer's cache, on one of ``n_gpus``.

        A key and a value for each KV head, shared among the GPUs down to one head each. MLA keeps
        one vector, ``kv_lora_rank + qk_rope_head_dim`` wide, on every GPU.
        Source: vLLM 0.32, v1/kv_cache_interface.py, AttentionSpec and MLAAttentionSpec.
        """
        if self.latent_dim:
            return self.latent_dim * bytes_per_value
        return 2 * max(1, self.n_kv_heads // n_gpus) * self.head_dim * bytes_per_value

    def kv_bytes_per_token(self, bytes_per_value: int, n_gpus: int = 1) -> int:
        """Return what one token takes in all layers, as long as no window has moved on."""
        return len(self.windows) * self.kv_bytes_per_layer(bytes_per_value, n_gpus)

    def state_bytes_per_layer(self, bytes_per_value: int, n_gpus: int = 1) -> int:
        """Return what one sequence takes in one layer of linear attention.

        Source: vLLM 0.32, model_executor/layers/mamba/mamba_utils.py, gated_delta_net_state_shape.
        """
        state = self.state_values * (self.state_bytes_per_value or bytes_per_value)
        return (self.conv_values * bytes_per_value + state) // n_gpus


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the language model's settings; models that see or hear nest them."""
    return {**config, **(config.get("text_config") or {})}


def read_shape(config: Mapping[str, Any]) -> Shape | None:
    """Return the shape that a ``config.json`` describes; None if it describes another kind."""
    text = text_config(config)
    if any(text.get(key) for key in _OTHER_LAYOUTS):
        return None
    try:
        kinds = layer_kinds(text)
        n_heads = text["num_attention_heads"]
        n_state_layers = kinds.count("linear_attention")
        return Shape(
            n_kv_heads=text.get("num_key_value_heads") or n_heads,
            head_dim=text.get("head_dim") or text["hidden_size"] // n_heads,
            windows=tuple(
                _window(text) if kind == "sliding_attention" else EVERYTHING
                for kind in kinds
                if kind != "linear_attention"
            ),
            latent_dim=text["kv_lora_rank"] + text["qk_rope_head_dim"]
            if text.get("kv_lora_rank")
            else 0,
            n_state_layers=n_state_layers,
            **(_read_state(text) if n_state_layers else {}),
        )
    except (KeyError, TypeError):
        return None


def layer_kinds(text: Mapping[str, Any]) -> list[str]:
    """Return for each layer ``full_attention``, ``sliding_attention`` or ``linear_attention``.

    Raises:
        KeyError: for a kind that is not one of these, and for a window of unknown extent.
    """
    told = text.get("layer_types")
    if told:
        # vLLM keeps all tokens of a layer with chunked attention: config/vllm.py, "latency
        # regression when using chunked local attention with the hybrid KV cache manager".
        return [_KINDS[kind] for kind in told]
    full, sliding = "full_attention", "sliding_attention"
    n_layers, name = text["num_hidden_layers"], text.get("model_type")
    if interval := text.get("full_attention_interval"):  # Qwen3-Next
        return ["linear_attention" if (i + 1) % interval else full for i in range(n_layers)]
    if not text.get("sliding_window") or text.get("use_sliding_window") is False:
        return [full] * n_layers
    if text.get("use_sliding_window"):  # Qwen2, Qwen3
        first = text["max_window_layers"]
        return [full if i < first else sliding for i in range(n_layers)]
    if name in _ALL_SLIDING:
        return [sliding] * n_layers
    period = text.get("sliding_window_pattern") or _SLIDING_PATTERNS[str(name)]
    return [sliding if (i + 1) % period else full for i in range(n_layers)]


_KINDS = {
    "full_attention": "full_attention",
    "chunked_attention": "full_attention",
    "sliding_attention": "sliding_attention",
    "linear_attention": "linear_attention",
}


def _window(text: Mapping[str, Any]) -> int:
    # Cohere's layers see the token itself, too: vLLM 0.32, model_executor/models/commandr.py.
    return int(text["sliding_window"]) + (text.get("model_type") == "cohere2")


def _read_state(text: Mapping[str, Any]) -> dict[str, Any]:
    key_dim, value_dim = text["linear_key_head_dim"], text["linear_value_head_dim"]
    n_keys, n_values = text["linear_num_key_heads"], text["linear_num_value_heads"]
    width = 2 * n_keys * key_dim + n_values * value_dim
    return {
        "conv_values": width * (text["linear_conv_kernel_dim"] - 1),
        "state_values": n_values * value_dim * key_dim,
        "state_bytes_per_value": 4 if text.get("mamba_ssm_dtype") == "float32" else None,
    }
