"""From the configuration to vLLM's command line and environment; pure.

Flags: https://docs.vllm.ai/en/stable/configuration/engine_args/ and, for the environment,
https://docs.vllm.ai/en/stable/configuration/env_vars/.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synth.config import Config
from synth.errors import ConfigError
from synth.memory import Machine, make_plan
from synth.models import Model

VLLM = ("-m", "vllm.entrypoints.openai.api_server")
"""The CPU wheel's ``vllm`` command does not start; the module does, in both wheels."""

_SMALL = 8
"""Cores up to which start-up time counts for more than the binding of threads."""

IGNORED_ENV = frozenset({"VLLM_CPU_KVCACHE_SPACE"})
"""Variables that would silently overrule a flag; the server does not get to see them."""

_OURS = {
    "model": "model.name",
    "tokenizer": "model.tokenizer",
    "revision": "model.revision",
    "dtype": "model.dtype",
    "max-model-len": "model.max_seq_length",
    "gpu-memory-utilization": "memory.gpu_memory_utilization",
    "host": "server.host",
    "port": "server.port",
    "served-model-name": "",
    "api-key": "",
    "hf-token": "model.token",
}


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


def build_command(config: Config, model: Model, machine: Machine) -> Command:
    """Return how to start vLLM for this configuration on this machine.

    Raises:
        ConfigError: if ``server.engine_args`` sets what a key of its own sets.
    """
    flags: dict[str, Any] = {
        "model": model.source,
        "tokenizer": model.tokenizer_source if config.model.tokenizer else None,
        "revision": config.model.revision,
        "dtype": config.model.dtype,
        "max-model-len": config.model.max_seq_length,
        "gpu-memory-utilization": config.memory.gpu_memory_utilization,
        "kv-cache-dtype": "fp8" if config.memory.float8_kv_cache else None,
        "seed": config.seed % 2**32,
        "generation-config": "vllm",  # the run's own sampling, not the model's habits
        "disable-fastapi-docs": True,
        "structured-outputs-config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    env = {
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "USE_TF": "0",
    }
    if model.is_local:
        env["HF_HUB_OFFLINE"] = "1"
    if machine.is_cpu_build:
        flags |= _cpu_flags(config, model, machine)
        env |= _cpu_env(machine)
    flags |= _engine_args(config)
    token = config.model.token
    return Command(
        argv=[*(config.server.command or [sys.executable, *VLLM]), *_to_argv(flags)],
        host=config.server.host,
        port=config.server.port,
        env=env,
        secret_env={"HF_TOKEN": token} if token else {},
        n_slots=slots if isinstance(slots := flags.get("max-num-seqs"), int) else None,
    )


def _cpu_flags(config: Config, model: Model, machine: Machine) -> dict[str, Any]:
    plan = make_plan(config, model.shape, model.weight_bytes, machine)
    return {
        "dtype": plan.dtype,
        "max-model-len": plan.max_seq_length,
        "kv-cache-memory-bytes": plan.kv_cache_bytes,
        "max-num-seqs": plan.max_num_seqs,
        "enforce-eager": True,  # compiling takes minutes here and gains nothing for short runs
        # vLLM 0.32 on CPU: a request with a seed whose prompt is cut into steps ends the engine
        # ("CPU Generator does not use offset"), so prompts are taken whole.
        "enable-chunked-prefill": False,
        "max-num-batched-tokens": plan.max_num_batched_tokens,
    }


def _cpu_env(machine: Machine) -> dict[str, str]:
    if len(machine.cpus) > _SMALL:
        return {"VLLM_TARGET_DEVICE": "cpu"}
    # Importing vLLM takes 15 s on two cores, and it does so once for each of its processes: here
    # the worker stays in the engine's process, with its threads set by us. On larger machines
    # vLLM's own binding of threads to cores is worth the third import.
    return {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "OMP_NUM_THREADS": str(len(machine.cpus)),
    }


def _engine_args(config: Config) -> dict[str, Any]:
    given = {key.replace("_", "-"): value for key, value in config.server.engine_args.items()}
    problems = [
        f"server.engine_args.{flag}: "
        + (f"set {_OURS[flag]} instead" if _OURS[flag] else "synth sets this itself")
        for flag in given
        if flag in _OURS
    ]
    if problems:
        raise ConfigError(problems)
    return given


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
