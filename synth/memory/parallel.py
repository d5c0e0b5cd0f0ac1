"""Over how many devices one server is spread, and which part of the machine each server has. Pure.

vLLM's flags: https://docs.vllm.ai/en/stable/serving/parallelism_scaling/
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.config import Config
from synth.errors import ConfigError
from synth.memory.machine import Machine

_SIZES = (
    "tensor-parallel-size",
    "pipeline-parallel-size",
    "prefill-context-parallel-size",
    "data-parallel-size",
)
"""vLLM's flags of which each multiplies the devices that a server takes."""
_NODES, _ENGINES_HERE = "nnodes", "data-parallel-size-local"
_BACKENDS = {
    "distributed-executor-backend": ("mp", "ray", "uni", "external_launcher"),
    "data-parallel-backend": ("mp", "ray"),
}
"""Flags that say what starts the worker processes, with vLLM 0.32's names for it."""


@dataclass(frozen=True)
class Spread:
    """How one server uses its devices: GPUs, or worker processes on a CPU."""

    tensor: int
    """Devices over which each layer is spread."""
    n_stages: int
    """Pipeline stages, each with some of the layers."""
    n_engines: int
    """Data-parallel engines, each with the whole model and with sequences of its own."""
    n_devices: int
    """All devices of the server, wherever they are."""
    n_here: int | None
    """Those of this machine; None: Ray finds them, here or elsewhere."""
    is_told: str = ""
    """The sizes that were given, as a product, for people."""

    @property
    def n_per_engine(self) -> int:
        """Devices of each engine."""
        return self.n_devices // self.n_engines


def read_spread(config: Config) -> Spread:
    """Return how ``server.engine_args`` spreads a server.

    Raises:
        ConfigError: with each value that vLLM would not take.
    """
    flags = _flags_of(config)
    if problems := list(_problems(flags)):
        raise ConfigError(problems)
    sizes = {name: flags.get(name) or 1 for name in _SIZES}
    tensor, n_stages, n_contexts, n_engines = sizes.values()
    n_per_engine = tensor * n_stages * n_contexts
    n_here = n_per_engine * (flags.get(_ENGINES_HERE) or n_engines)
    is_by_ray = "ray" in [flags.get(name) for name in _BACKENDS]
    return Spread(
        tensor=tensor,
        n_stages=n_stages,
        n_engines=n_engines,
        n_devices=n_per_engine * n_engines,
        n_here=None if is_by_ray else max(1, n_here // (flags.get(_NODES) or 1)),
        is_told=" × ".join(f"{name}={n}" for name, n in sizes.items() if n > 1),
    )


def divide(machine: Machine, config: Config) -> list[Machine]:
    """Return the part of the machine that each of ``server.replicas`` servers has.

    GPUs are given out in the order in which CUDA shows them; cores and free memory are shared out
    evenly where vLLM computes on the CPU. Ray gives out its GPUs itself.

    Raises:
        ConfigError: if there are too few GPUs, or each server is spread over several machines.
    """
    spread, n = read_spread(config), config.server.replicas
    takes_gpus = not machine.is_cpu_build and spread.n_here is not None
    if takes_gpus:
        _check_number(machine, n, spread)
    if n == 1:
        return [machine]
    flags = _flags_of(config)
    for flag in (_NODES, _ENGINES_HERE, "data-parallel-address"):
        if flags.get(flag) not in (None, 1):
            problem = (
                f"server.replicas={n}: server.engine_args.{flag}={flags[flag]} spreads a server "
                "over several machines; start such servers yourself, and use server=external"
            )
            raise ConfigError([problem])
    if machine.is_cpu_build:
        parts = _share_cpu(machine, n)
    elif spread.n_here is not None:
        parts = [_share_gpus(machine, number, spread.n_here) for number in range(n)]
    else:
        parts = [replace(machine, visible=())] * n
    return [replace(part, part=f"{number} of {n}") for number, part in enumerate(parts, 1)]


def find_tightest(parts: Sequence[Machine]) -> Machine:
    """Return the part on which the least memory is free: what fits there fits on all."""
    return min(parts, key=lambda part: min((gpu.free_gib for gpu in part.gpus), default=0.0))


def share_evenly(items: Sequence[int], n: int) -> list[tuple[int, ...]]:
    """Return ``n`` parts of the items, of equal size or nearly; if they are too few, one for each."""
    size = len(items)
    parts = [tuple(items[k * size // n : (k + 1) * size // n]) for k in range(n)]
    return parts if size >= n or not size else [(items[k % size],) for k in range(n)]


def is_count(value: Any) -> bool:
    """Return whether ``value`` is a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _flags_of(config: Config) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in config.server.engine_args.items()}


def _problems(flags: dict[str, Any]) -> Iterator[str]:
    for name in (*_SIZES, _NODES, _ENGINES_HERE):
        if (value := flags.get(name)) is not None and not is_count(value):
            yield f"server.engine_args.{name}={value}: expected a whole number of at least 1"
    for name, known in _BACKENDS.items():
        value = flags.get(name)
        is_class = name == "distributed-executor-backend" and "." in str(value)
        if value is not None and value not in known and not is_class:
            yield f"server.engine_args.{name}={value}: expected one of {', '.join(known)}"


def _check_number(machine: Machine, n_replicas: int, spread: Spread) -> None:
    n_there = len(machine.gpus or machine.visible)
    n_each = spread.n_here or 1
    if not n_there or n_replicas * n_each <= n_there:  # of none that was seen nothing is known
        return
    factors = [f"server.replicas={n_replicas}"] * (n_replicas > 1)
    factors += [f"server.engine_args: {spread.is_told}"] * bool(spread.is_told)
    least = "server.replicas" if n_replicas > 1 and n_there >= n_each else "the sizes"
    most = f"{n_there // n_each}" if least == "server.replicas" else f"{n_there} GPUs"
    other = "" if n_replicas > 1 else ", or distributed-executor-backend=ray for other machines'"
    problem = (
        f"{' × '.join(factors)} takes {n_replicas * n_each} GPUs, and {n_there} are visible; "
        f"set {least} to {most} or less{other}"
    )
    raise ConfigError([problem])


def _share_cpu(machine: Machine, n: int) -> list[Machine]:
    cpus, cores = share_evenly(machine.cpus, n), share_evenly(machine.cores, n)
    return [
        replace(machine, cpus=cpus[number], cores=cores[number], free_gib=machine.free_gib / n)
        for number in range(n)
    ]


def _share_gpus(machine: Machine, number: int, size: int) -> Machine:
    own = slice(number * size, (number + 1) * size)
    names = machine.visible or tuple(map(str, range(own.stop)))
    return replace(machine, gpus=machine.gpus[own], visible=names[own])
