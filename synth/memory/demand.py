"""What a model needs of a machine: weights, working memory, and a KV cache in vLLM's blocks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from synth.config import Config
from synth.errors import ConfigError
from synth.memory.blocks import Blocks, lay_out
from synth.memory.machine import GIB, Gpu, Machine
from synth.memory.parallel import Spread, is_count, read_spread
from synth.memory.shape import read_shape, text_config
from synth.memory.weights import count_stage_bytes, count_weight_bytes, resolve_quantization

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
_GPU_RESERVE_GIB = 1.0
"""CUDA graphs, and what libraries allocate by themselves: an estimate, seen between 0.3 and 1."""


@dataclass(frozen=True)
class Task:
    """What is to be planned: a configuration, its model and the machine."""

    config: Config
    model: Mapping[str, Any]
    """The model's ``config.json``."""
    stored_bytes: int | None
    """Size of its weights' files, if known."""
    machine: Machine

    @property
    def gpu(self) -> Gpu | None:
        """The GPU with the least free memory of those that are used; None if none was seen."""
        return min(self.gpus, key=lambda gpu: gpu.free_gib) if self.gpus else None

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """Those that are used, of the ones that were seen."""
        n_here = self.spread.n_here
        return self.machine.gpus if n_here is None else self.machine.gpus[:n_here]

    @property
    def spread(self) -> Spread:
        """Over how many devices the server is spread."""
        return read_spread(self.config)

    @property
    def free_gib(self) -> float:
        """Main memory for each of the worker processes that share it."""
        return self.machine.free_gib / (self.spread.n_here or 1)

    @property
    def quantization(self) -> str | None:
        """How the weights are packed, where vLLM must be told."""
        model = self.config.model
        return resolve_quantization(model.quantization, model.name, self.model)

    def flag(self, name: str) -> Any:
        """Return a flag of vLLM that the user gave, or None."""
        given = self.config.server.engine_args
        return given.get(name, given.get(name.replace("-", "_")))

    def count_flag(self, name: str) -> int | None:
        """Return a flag that is a count.

        Raises:
            ConfigError: if it is none.
        """
        value = self.flag(name)
        if value is None:
            return None
        if is_count(value):
            return int(value)
        raise ConfigError(
            [f"server.engine_args.{name}={value}: expected a whole number of at least 1"]
        )


@dataclass(frozen=True)
class Demand:
    """What the model needs on each device; its KV cache may be given any size."""

    weights_gib: float
    overhead_gib: float
    """Working memory of the largest step, and a reserve; 0 on a CPU."""
    blocks: Blocks
    float8_blocks: Blocks
    """The same, with the KV cache in 8 bits."""


@dataclass(frozen=True)
class Load:
    """What the server is asked to do at a time."""

    dtype: str | None
    n_seqs: int
    n_batched_tokens: int


def assess(task: Task, load: Load) -> Demand | None:
    """Return the demand of a model; None if its shape is unknown."""
    shape = read_shape(task.model)
    value_bytes = _BYTES.get(load.dtype or "float16", 2)
    weights = count_weight_bytes(task.model, task.stored_bytes, task.quantization, value_bytes)
    cache_bytes = _cache_value_bytes(task, value_bytes)
    if shape is None or weights is None or cache_bytes is None:
        return None
    blocks = lay_out(
        shape,
        cache_bytes,
        task.count_flag("block-size") or _block_tokens(task.machine, bool(shape.latent_dim)),
        # Steps overlap on a GPU: a window lets go two steps late. Source: vLLM 0.32,
        # config/vllm.py, max_in_flight_tokens, with asynchronous scheduling as its default.
        load.n_batched_tokens * (1 if task.machine.is_cpu_build else 2),
        task.spread.tensor,
        task.spread.n_stages,
    )
    n_stages = task.spread.n_stages
    weights = count_stage_bytes(task.model, weights, n_stages, value_bytes)
    return Demand(
        weights_gib=weights / task.spread.tensor / GIB,
        overhead_gib=0.0 if task.machine.is_cpu_build else _gpu_overhead_gib(task, load),
        blocks=blocks,
        float8_blocks=replace(blocks, block_bytes=blocks.block_bytes // cache_bytes),
    )


def _cache_value_bytes(task: Task, value_bytes: int) -> int | None:
    asked = task.flag("kv-cache-dtype") or ("fp8" if task.config.memory.float8_kv_cache else "auto")
    return value_bytes if asked == "auto" else _BYTES.get(asked)


def _block_tokens(machine: Machine, is_latent: bool) -> int:
    """Return vLLM 0.32's default: platforms/cpu.py; on a GPU that of FlashAttention and FlashMLA."""
    if not machine.is_cpu_build:
        return 64 if is_latent else 16
    return 16 if is_latent and "amx_tile" not in machine.cpu_flags else 128


def _gpu_overhead_gib(task: Task, load: Load) -> float:
    """Estimate what vLLM's profile run finds beside the weights.

    The widest moment of a layer (two hidden vectors, and three of the MLP's or of each chosen
    expert's width) for each token of the largest step, in 16 bits; then for each sequence the
    scores of the whole vocabulary, in 16 bits and twice in 32.
    """
    text = text_config(task.model)
    hidden, n_chosen = text.get("hidden_size", 0), text.get("num_experts_per_tok") or 0
    chosen = n_chosen * (3 * (text.get("moe_intermediate_size") or 0) + hidden)
    inner = max(3 * text.get("intermediate_size", 0), chosen) // task.spread.tensor
    step = load.n_batched_tokens * 2 * (2 * hidden + inner)
    scores = load.n_seqs * text.get("vocab_size", 0) * (2 + 4 + 4)
    return float((step + scores) / GIB + _GPU_RESERVE_GIB)
