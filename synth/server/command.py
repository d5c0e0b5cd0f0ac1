"""From the configuration to vLLM's command line and environment; pure.

Flags: https://docs.vllm.ai/en/stable/configuration/engine_args/ and, for the environment,
https://docs.vllm.ai/en/stable/configuration/env_vars/.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synth.config import Config
from synth.errors import ConfigError
from synth.memory import (
    Expected,
    Machine,
    Plan,
    Spread,
    divide,
    read_spread,
    resolve_quantization,
    share_evenly,
)
from synth.models import Model

VLLM = ("-m", "vllm.entrypoints.openai.api_server")
"""The CPU wheel's ``vllm`` command does not start; the module does, in both wheels."""

_SMALL = 8
"""Cores up to which start-up time counts for more than the binding of threads."""

IGNORED_ENV = frozenset({"VLLM_CPU_KVCACHE_SPACE", "VLLM_API_KEY"})
"""Variables that would silently overrule a flag or the key; the server does not get to see them."""

_CPU_FLAGS = {
    "enforce-eager": True,  # compiling takes minutes here and gains nothing for short runs
    # vLLM 0.32 on CPU: a request with a seed whose prompt is cut into steps ends the engine
    # ("CPU Generator does not use offset"), so prompts are taken whole.
    "enable-chunked-prefill": False,
}

KEYS_OF_FLAGS = {
    "model": "model.name",
    "tokenizer": "model.tokenizer",
    "revision": "model.revision",
    "dtype": "model.dtype",
    "quantization": "model.quantization",
    "max-model-len": "model.max_seq_length",
    "gpu-memory-utilization": "memory.gpu_memory_utilization",
    "host": "server.host",
    "port": "server.port",
    "served-model-name": "",
    "api-key": "",
    "hf-token": "model.token",
    "seed": "seed",
}
"""Flags that have a key of their own in the configuration; "" are set by synth alone."""


@dataclass(frozen=True)
class Command:
    """A server that can be launched; port, name and key are given to it at launch."""

    argv: list[str]
    host: str
    port: int
    env: dict[str, str]
    secret_env: dict[str, str] = field(default_factory=dict, repr=False)
    n_slots: int | None = None
    """Sequences that it works on at a time, if a flag says so."""
    takes: str = ""
    """The flags that decide how much memory it takes, for people."""
    expected: Expected | None = None
    """What it should report of its memory when it is up."""


def build_ladders(
    config: Config, model: Model, plan: Plan, machine: Machine
) -> list[list[Command]]:
    """Return for each of ``server.replicas`` how to start it, and what to try when memory runs out.

    Args:
        machine: all of it; each server gets its part.

    Raises:
        ConfigError: as :func:`build_command` and :func:`synth.memory.divide`.
    """
    rungs = (plan, *plan.ladder())
    ladders = []
    for number, part in enumerate(divide(machine, config)):
        ladder = [build_command(config, model, rung, part) for rung in rungs]
        if port := config.server.port:
            ladder = [replace(command, port=port + number) for command in ladder]
        ladders.append(ladder)
    return ladders


def build_command(config: Config, model: Model, plan: Plan, machine: Machine) -> Command:
    """Return how to start vLLM for this configuration, as planned for this machine or part of one.

    Raises:
        ConfigError: if ``server.engine_args`` sets what a key of its own sets.
    """
    memory = {
        "max-model-len": plan.max_seq_length,
        "max-num-seqs": plan.max_num_seqs,
        "max-num-batched-tokens": plan.max_num_batched_tokens,
        "gpu-memory-utilization": plan.gpu_memory_utilization,
        "kv-cache-memory-bytes": plan.kv_cache_bytes,
        "kv-cache-dtype": "fp8" if config.memory.float8_kv_cache else None,
    }
    flags: dict[str, Any] = {
        "model": model.source,
        "tokenizer": model.tokenizer_source if config.model.tokenizer else None,
        "revision": config.model.revision,
        "dtype": plan.dtype,
        **_quantization_flags(config, model),
        **memory,
        "generation-config": "vllm",  # the run's own sampling, not the model's habits
        "disable-fastapi-docs": True,
        "enable-prompt-tokens-details": True,  # how much of a prompt was in the prefix cache
        "structured-outputs-config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    env = {
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "USE_TF": "0",
    }
    if model.is_local:
        env["HF_HUB_OFFLINE"] = "1"
    spread = read_spread(config)
    env |= _part_env(machine)
    if machine.is_cpu_build:
        flags |= _CPU_FLAGS
        env |= _cpu_env(machine, spread)
    flags |= engine_args(config)
    token = config.model.token
    return Command(
        argv=[*program(config), *_to_argv(flags)],
        host=config.server.host,
        port=config.server.port,
        env=env,
        secret_env={"HF_TOKEN": token} if token else {},
        # Each engine of a data-parallel server takes so many.
        n_slots=slots * spread.n_engines
        if isinstance(slots := flags.get("max-num-seqs"), int)
        else None,
        takes=" ".join(_to_argv({name: flags[name] for name in memory})),
        expected=plan.expected and plan.expected.times(spread.n_engines),
    )


def program(config: Config) -> list[str]:
    """Return what starts the server, without its flags."""
    return list(config.server.command or [sys.executable, *VLLM])


def engine_args(config: Config) -> dict[str, Any]:
    """Return ``server.engine_args`` with the names as vLLM spells them.

    Raises:
        ConfigError: if one sets what a key of its own sets.
    """
    given = {key.replace("_", "-"): value for key, value in config.server.engine_args.items()}
    problems = [
        f"server.engine_args.{flag}: "
        + (
            f"set {KEYS_OF_FLAGS[flag]} instead"
            if KEYS_OF_FLAGS[flag]
            else "synth sets this itself"
        )
        for flag in given
        if flag in KEYS_OF_FLAGS
    ]
    if problems:
        raise ConfigError(problems)
    return given


def _quantization_flags(config: Config, model: Model) -> dict[str, Any]:
    method = resolve_quantization(config.model.quantization, config.model.name, model.shape)
    # What bitsandbytes has packed needs its own loader: Unsloth's load_vllm sets both flags.
    loader = {"load-format": "bitsandbytes"} if method == "bitsandbytes" else {}
    return {"quantization": method, **loader}


def _part_env(machine: Machine) -> dict[str, str]:
    """Return what keeps a server on its part of the machine, and tells it from its siblings."""
    if not machine.part:
        return {}
    env = {"SYNTH_REPLICA": machine.part}
    if machine.visible and not machine.is_cpu_build:
        # NVML, which the plan has its figures from, counts in the order of the bus; CUDA would not.
        env |= {
            "CUDA_VISIBLE_DEVICES": ",".join(machine.visible),
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        }
    return env


def _cpu_env(machine: Machine, spread: Spread) -> dict[str, str]:
    n_workers, n_cpus = spread.n_devices, len(machine.cpus)
    env = {"VLLM_TARGET_DEVICE": "cpu"}
    is_shared = n_workers > 1 or bool(machine.part)
    cores = machine.cpus
    if n_cpus <= _SMALL:
        # Importing vLLM takes 15 s on two cores, and it does so once for each of its processes:
        # here the worker stays in the engine's process, with its threads set by us. On larger
        # machines vLLM's own binding of threads to cores is worth the third import.
        env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        env["OMP_NUM_THREADS"] = str(max(1, n_cpus // n_workers))
        is_shared = n_workers > 1
    elif is_shared:
        cores = (machine.cores or machine.cpus)[:-1]  # the engine itself computes on one, too
    if is_shared:
        # By itself vLLM 0.32 binds each server to the first cores of the first memory nodes, and
        # wants a node for each worker: utils/ompmultiprocessing.py.
        env["VLLM_CPU_OMP_THREADS_BIND"] = "|".join(
            ",".join(map(str, own)) for own in share_evenly(cores, n_workers)
        )
    return env


def _to_argv(flags: Mapping[str, Any]) -> list[str]:
    argv: list[str] = []
    for name, value in flags.items():
        if value is None:
            continue
        if isinstance(value, bool):
            argv.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, dict):
            argv += [f"--{name}", json.dumps(value)]
        elif isinstance(value, list):
            argv += [f"--{name}", *map(str, value)]
        else:
            argv += [f"--{name}", str(value)]
    return argv
