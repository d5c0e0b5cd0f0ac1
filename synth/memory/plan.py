"""What the server may take of this machine: planned, and refused if it can't fit, before launch.

``auto`` reckons with the model's real shape. ``unsloth`` takes its settings from the original's
arithmetic, and the expectation and the refusal from ``auto``'s. Nothing is made smaller unless
``memory.may_shorten`` allows it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from synth.config import Config
from synth.errors import ConfigError
from synth.memory import unsloth
from synth.memory.demand import Demand, Load, Task, assess
from synth.memory.fit import Room, check_formats, check_share, find_length
from synth.memory.machine import GIB, Gpu, Machine, choose_cpu_dtype
from synth.memory.shape import text_config

VLLM_UTILIZATION = 0.92
"""vLLM 0.32's own share of a GPU: config/cache.py."""

GPU_MARGIN_GIB = 0.5
"""Free memory that vLLM does not get to see, for its CUDA context takes it first: an estimate."""

_STEP_DOWN = 0.85
"""Share that is kept of the memory after a start without enough: Unsloth's ``load_vllm``."""


@dataclass(frozen=True)
class Expected:
    """What vLLM should report when it is up."""

    weights_gib: float
    kv_cache_gib: float
    kv_tokens: int
    concurrency: float
    """Sequences of full length that fit the KV cache at a time."""
    overhead_gib: float = 0.0
    """Working memory and reserve on a GPU: an estimate."""

    @property
    def total_gib(self) -> float:
        """All of it."""
        return self.weights_gib + self.kv_cache_gib + self.overhead_gib

    def times(self, n_engines: int) -> "Expected":
        """Return what so many engines report together; the memory is that of each device."""
        return replace(
            self, kv_tokens=self.kv_tokens * n_engines, concurrency=self.concurrency * n_engines
        )

    def scale(self, kv_cache_gib: float) -> "Expected":
        """Return the same for another size of the KV cache."""
        ratio = kv_cache_gib / self.kv_cache_gib
        return replace(
            self,
            kv_cache_gib=kv_cache_gib,
            kv_tokens=int(self.kv_tokens * ratio),
            concurrency=self.concurrency * ratio,
        )


@dataclass(frozen=True)
class Plan:
    """The settings that vLLM is started with, and what comes of them; None leaves one to vLLM."""

    mode: str
    dtype: str | None
    max_seq_length: int
    max_num_seqs: int
    max_num_batched_tokens: int | None
    gpu_memory_utilization: float | None
    kv_cache_bytes: int | None
    """On a CPU, and where the user set it."""
    expected: Expected | None
    """None for a shape that is unknown, and on a GPU that could not be looked at."""
    asked_seq_length: int
    fixed: frozenset[str] = frozenset()
    """Fields that the user set: they are never stepped down."""

    def ladder(self) -> Iterator["Plan"]:
        """Yield the plans to try after a start that ran out of memory: at most three, ever smaller.

        Half the sequences, a quarter of them, then less memory for all. Source: Unsloth's
        ``load_vllm`` steps sequences and utilisation down, once.
        """
        plan = self
        for _ in range(2):
            if plan.max_num_seqs > 1 and "max_num_seqs" not in self.fixed:
                plan = replace(plan, max_num_seqs=plan.max_num_seqs // 2)
                yield plan
        if smaller := _take_less(plan):
            yield smaller


def make_plan(
    config: Config, shape: Mapping[str, Any], weight_bytes: int | None, machine: Machine
) -> Plan:
    """Return what vLLM should be started with.

    Args:
        shape: the model's ``config.json``.
        weight_bytes: size of its weights' files, if known.

    Raises:
        ConfigError: if it can't fit, with the settings that would.
    """
    task = Task(config, shape, weight_bytes, machine)
    check_formats(task)
    return _plan_cpu(task) if machine.is_cpu_build else _plan_gpu(task)


def _plan_cpu(task: Task) -> Plan:
    config, memory = task.config, task.config.memory
    length = config.model.max_seq_length
    auto = config.model.dtype == "auto"
    load = Load(
        dtype=choose_cpu_dtype(task.machine) if auto else config.model.dtype,
        # Of 16, 32 and 64 the fastest on two cores.
        n_seqs=task.count_flag("max-num-seqs") or _scale(32, memory.conservativeness),
        n_batched_tokens=task.count_flag("max-num-batched-tokens") or max(4096, length),
    )
    demand = assess(task, load)
    asked = task.count_flag("kv-cache-memory-bytes") or int((memory.cpu_kv_cache_gib or 0) * GIB)
    budget = task.free_gib * (memory.gpu_memory_utilization or 1)
    cache = asked or _choose_cpu_cache(task, demand, budget)
    fits = find_length(task, demand, Room(budget, cache / GIB, bool(asked)))
    return Plan(
        mode=memory.mode,
        dtype=load.dtype,
        max_seq_length=fits,
        max_num_seqs=load.n_seqs,
        max_num_batched_tokens=load.n_batched_tokens,
        gpu_memory_utilization=None,
        kv_cache_bytes=cache,
        expected=_expect(demand, cache, fits),
        asked_seq_length=length,
        fixed=_fixed(task, kv_cache_bytes=bool(asked)),
    )


def _choose_cpu_cache(task: Task, demand: Demand | None, budget_gib: float) -> int:
    """Return the KV cache that eight sequences of full length fill, within what is free.

    Not more than that: vLLM writes zeros over all of it at start, 1.5 s for a GiB. At least 1 GiB,
    and at most a quarter of the free memory, which is also the answer for a shape unknown here.
    """
    most = max(GIB, int(task.free_gib / 4 * GIB))
    if demand is None:
        return most
    wanted = max(GIB, 8 * demand.blocks.bytes_for(task.config.model.max_seq_length))
    left = int((budget_gib - demand.weights_gib) * GIB)
    return max(0, min(most, wanted, left))


def _plan_gpu(task: Task) -> Plan:
    memory = task.config.memory
    gpu, figures = task.gpu, None
    if memory.mode == "unsloth" and gpu:
        figures = _ask_unsloth(task, gpu)
    n_seqs = figures.max_num_seqs if figures else _scale(256, memory.conservativeness)
    asked_batch = task.count_flag("max-num-batched-tokens")
    n_batched = asked_batch or (figures.max_num_batched_tokens if figures else None)
    load = Load(
        dtype=_gpu_dtype(task.config.model.dtype, gpu),
        n_seqs=task.count_flag("max-num-seqs") or n_seqs,
        n_batched_tokens=n_batched or _default_batch(gpu),
    )
    share = _choose_share(task, gpu, figures)
    demand = assess(task, load) if gpu else None
    asked = task.count_flag("kv-cache-memory-bytes")
    cache, fits = asked or 0, task.config.model.max_seq_length
    if gpu and demand:
        # With a cache of a given size vLLM pays no heed to the share: v1/worker/gpu_worker.py.
        budget = gpu.free_gib if asked else gpu.total_gib * (share or 0)
        left = budget - demand.weights_gib - demand.overhead_gib
        cache = asked or int(max(0.0, left) * GIB)
        fits = find_length(task, demand, Room(budget, cache / GIB, bool(asked)))
    return Plan(
        mode=memory.mode,
        dtype=load.dtype,
        max_seq_length=fits,
        max_num_seqs=load.n_seqs,
        max_num_batched_tokens=n_batched,
        gpu_memory_utilization=share,
        kv_cache_bytes=asked,
        expected=_expect(demand, cache, fits),
        asked_seq_length=task.config.model.max_seq_length,
        fixed=_fixed(
            task,
            kv_cache_bytes=bool(asked),
            # What mode=unsloth makes of a given share is its own figure.
            gpu_memory_utilization=memory.gpu_memory_utilization is not None and not figures,
        ),
    )


def _ask_unsloth(task: Task, gpu: Gpu) -> unsloth.Figures:
    config, memory = task.config, task.config.memory
    stored = text_config(task.model).get("quantization_config") or {}
    factors = {"bitsandbytes": unsloth.BITSANDBYTES_FACTOR, "fp8": unsloth.FP8_FACTOR}
    request = unsloth.Request(
        free_gib=gpu.free_gib,
        total_gib=gpu.total_gib,
        utilization=memory.gpu_memory_utilization or 0.9,  # of its from_pretrained
        max_seq_length=config.model.max_seq_length,
        float8_kv_cache=memory.float8_kv_cache,
        conservativeness=memory.conservativeness,
        quantization_factor=factors.get(task.quantization or stored.get("quant_method", ""), 1.0),
    )
    try:
        return unsloth.compute_figures(text_config(task.model), request)
    except KeyError as error:
        raise ConfigError(
            [f"memory.mode=unsloth: it needs the model's {error}; set memory.mode=auto"]
        ) from error


def _choose_share(task: Task, gpu: Gpu | None, figures: unsloth.Figures | None) -> float | None:
    given = task.config.memory.gpu_memory_utilization
    if gpu is None:
        return given
    usable = max(0.01, math.floor((gpu.free_gib - GPU_MARGIN_GIB) / gpu.total_gib * 100) / 100)
    if figures:  # 0.98 of what is free, say, is more than vLLM finds when its context is there
        return min(figures.gpu_memory_utilization, usable)
    if given is not None:
        check_share(given, usable, gpu)
    return given or min(VLLM_UTILIZATION, usable)


def _gpu_dtype(asked: str, gpu: Gpu | None) -> str | None:
    if asked != "auto":
        return asked
    return "float16" if gpu and gpu.compute_capability < (8, 0) else None


def _default_batch(gpu: Gpu | None) -> int:
    """Return vLLM 0.32's own max_num_batched_tokens of a server: engine/arg_utils.py."""
    if gpu is None or gpu.total_gib < 70 or "a100" in gpu.name.lower():
        return 2048
    return 8192 if gpu.total_gib < 160 else 16384


def _scale(n_seqs: int, conservativeness: float) -> int:
    return max(1, int(n_seqs * conservativeness))


def _fixed(task: Task, **given: bool) -> frozenset[str]:
    given["max_num_seqs"] = task.flag("max-num-seqs") is not None
    return frozenset(name for name, is_given in given.items() if is_given)


def _expect(demand: Demand | None, cache_bytes: int, length: int) -> Expected | None:
    if demand is None:
        return None
    concurrency = demand.blocks.count_sequences(cache_bytes, length)
    return Expected(
        weights_gib=demand.weights_gib,
        kv_cache_gib=cache_bytes / GIB,
        kv_tokens=int(concurrency * length),
        concurrency=concurrency,
        overhead_gib=demand.overhead_gib,
    )


def _take_less(plan: Plan) -> Plan | None:
    """Return the plan with less memory; None where the user set it or too little is left."""
    cache, share, expected = plan.kv_cache_bytes, plan.gpu_memory_utilization, plan.expected
    if cache and "kv_cache_bytes" not in plan.fixed:
        less = replace(plan, kv_cache_bytes=int(cache * _STEP_DOWN))
        budget_gib = cache / GIB
    elif share and not cache and "gpu_memory_utilization" not in plan.fixed:
        less = replace(plan, gpu_memory_utilization=round(share * _STEP_DOWN, 4))
        budget_gib = expected.total_gib if expected else 0
    else:
        return None
    if expected is None:
        return less
    smaller = expected.scale(expected.kv_cache_gib - budget_gib * (1 - _STEP_DOWN))
    return replace(less, expected=smaller) if smaller.concurrency >= 1 else None
