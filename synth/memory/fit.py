"""Whether a demand fits its room; a refusal names the settings that would."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from synth.errors import ConfigError
from synth.memory.demand import Demand, Task
from synth.memory.machine import GIB, Gpu

_SHORTEST = 256
"""Tokens: the least that ``model.max_seq_length`` takes."""


@dataclass(frozen=True)
class Room:
    """Memory for all of it, and the part that the KV cache would get."""

    budget_gib: float
    cache_gib: float
    is_cache_asked: bool
    """Whether the user set the size of the KV cache."""


def find_length(task: Task, demand: Demand | None, room: Room) -> int:
    """Return ``model.max_seq_length``, or a shorter one if that is needed and allowed.

    Raises:
        ConfigError: if it does not fit, with the settings that would.
    """
    asked = task.config.model.max_seq_length
    if demand is None:
        return asked
    taken = demand.weights_gib + demand.overhead_gib
    if room.is_cache_asked and taken + room.cache_gib > room.budget_gib:
        raise ConfigError([_refuse_cache(task, room, room.budget_gib - taken)])
    cache_bytes = int(room.cache_gib * GIB)
    if demand.blocks.bytes_for(asked) <= cache_bytes:
        return asked
    longest = demand.blocks.find_longest(cache_bytes, asked) // 16 * 16
    if longest < _SHORTEST:
        raise ConfigError([_refuse_model(task, demand, room)])
    if task.config.memory.may_shorten:
        return longest
    raise ConfigError([_refuse_length(task, demand, room, longest)])


def check_formats(task: Task) -> None:
    """Refuse number formats that the device does not compute.

    Source: vLLM 0.32, v1/attention/backends/cpu_attn.py, platforms/cuda.py; Unsloth's ``load_vllm``
    for the 8-bit KV cache.

    Raises:
        ConfigError: if the machine lacks one.
    """
    problems = []
    old = [gpu for gpu in task.gpus if gpu.compute_capability < (8, 0)]
    if task.config.memory.float8_kv_cache and not _has_float8(task):
        device = old[0].name if old else "a CPU without AVX-512"
        problems.append(f"memory.float8_kv_cache=true: {device} can't; set it to false")
    if old and task.config.model.dtype == "bfloat16":
        problems.append(f"model.dtype=bfloat16: {old[0].name} can't; set model.dtype=float16")
    if task.machine.is_cpu_build and task.quantization == "bitsandbytes":
        problems.append(
            f"model.name={task.config.model.name}: the CPU build of vLLM can't read what "
            "bitsandbytes has packed; choose a model that is not in its 4 bits"
        )
    if problems:
        raise ConfigError(problems)


def check_share(share: float, usable: float, gpu: Gpu) -> None:
    """Refuse a share of the GPU's memory that is not free: vLLM does, minutes later.

    Source: vLLM 0.32, v1/worker/utils.py, request_memory.

    Raises:
        ConfigError: with the share that would do.
    """
    if share * gpu.total_gib > gpu.free_gib:
        problem = (
            f"memory.gpu_memory_utilization={share}: that is {share * gpu.total_gib:.1f} of "
            f"{gpu.total_gib:.1f} GiB, and {gpu.free_gib:.1f} GiB are free now on {gpu.name}; "
            f"set memory.gpu_memory_utilization={usable}, or end what holds the rest"
        )
        raise ConfigError([problem])


def _has_float8(task: Task) -> bool:
    if task.machine.is_cpu_build:
        return bool(task.machine.cpu_flags & {"avx512f", "amx_tile"})
    return all(gpu.compute_capability >= (8, 0) for gpu in task.gpus)


def _refuse_cache(task: Task, room: Room, left_gib: float) -> str:
    flag = task.flag("kv-cache-memory-bytes")
    key = "server.engine_args.kv-cache-memory-bytes" if flag else "memory.cpu_kv_cache_gib"
    value, unit = (flag, GIB) if flag else (task.config.memory.cpu_kv_cache_gib, 1)
    fits = math.floor(left_gib * 10) / 10 * unit
    advice = f"set it to {fits:g} or less" if left_gib >= 0.1 else "choose a smaller model"
    return (
        f"{key}={value}: with the weights it takes more than the {room.budget_gib:.1f} GiB that "
        f"there are; {advice}"
    )


def _refuse_model(task: Task, demand: Demand, room: Room) -> str:
    others = f" and {demand.overhead_gib:.1f} GiB of working memory" if demand.overhead_gib else ""
    return (
        f"model.name={task.config.model.name}: {demand.weights_gib:.1f} GiB of weights{others} "
        f"leave no room for a KV cache in {room.budget_gib:.1f} GiB; "
        + ", ".join([*_ways(task, demand, room), "choose a smaller model or one in 4 bits"])
    )


def _refuse_length(task: Task, demand: Demand, room: Room, longest: int) -> str:
    asked = task.config.model.max_seq_length
    return (
        f"model.max_seq_length={asked}: one sequence takes "
        f"{demand.blocks.bytes_for(asked) / GIB:.2f} GiB of KV cache, and {room.cache_gib:.2f} GiB "
        f"are left for it; set model.max_seq_length={longest} (memory.may_shorten=true does), "
        + ", ".join([*_ways(task, demand, room), "or choose a smaller model"])
    )


def _ways(task: Task, demand: Demand, room: Room) -> Iterator[str]:
    """Yield the settings that would make room for one sequence of full length."""
    length = task.config.model.max_seq_length
    cache_gib = demand.blocks.bytes_for(length) / GIB
    taken_gib = demand.weights_gib + demand.overhead_gib
    fits = math.ceil(cache_gib * 10) / 10
    has_own_key = room.is_cache_asked or task.machine.is_cpu_build
    if has_own_key and fits + taken_gib <= room.budget_gib:
        yield _cache_way(task, fits)
    if share := _wider_share(task, cache_gib + taken_gib, room):
        yield f"set memory.gpu_memory_utilization={share:g}"
    fits_in_float8 = demand.float8_blocks.bytes_for(length) <= room.cache_gib * GIB
    if fits_in_float8 and demand.blocks != demand.float8_blocks and _has_float8(task):
        yield "set memory.float8_kv_cache=true"


def _cache_way(task: Task, gib: float) -> str:
    if task.flag("kv-cache-memory-bytes"):
        return f"set server.engine_args.kv-cache-memory-bytes={int(gib * GIB)}"
    return f"set memory.cpu_kv_cache_gib={gib:g}"


def _wider_share(task: Task, need_gib: float, room: Room) -> float | None:
    """Return the share of the device's memory that would do; None if it is not free."""
    cpu, gpu = task.machine.is_cpu_build, task.gpu
    if not cpu and gpu is None:
        return None
    free = task.free_gib if cpu or gpu is None else gpu.free_gib
    total = free if cpu or gpu is None or _is_unsloth(task) else gpu.total_gib
    share = math.ceil(need_gib / total * 100) / 100
    is_wider = need_gib > room.budget_gib
    return share if is_wider and share <= 1 and share * total <= free else None


def _is_unsloth(task: Task) -> bool:
    return task.config.memory.mode == "unsloth"
