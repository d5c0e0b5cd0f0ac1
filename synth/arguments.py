"""The arguments of the Python class as configuration keys, and back in what an error says."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from synth.errors import ConfigError
from synth.server.command import KEYS_OF_FLAGS

_KEYS = {
    "model_name": "model.name",
    "max_seq_length": "model.max_seq_length",
    "gpu_memory_utilization": "memory.gpu_memory_utilization",
    "float8_kv_cache": "memory.float8_kv_cache",
    "conservativeness": "memory.conservativeness",
    "token": "model.token",
    "timeout": "server.timeout_s",
    "max_generation_tokens": "gen.max_tokens",
    "temperature": "gen.temperature",
    "top_p": "gen.top_p",
    "overlap": "chunk.overlap",
    "default_num_pairs": "qa.num_pairs",
    "cleanup_threshold": "curate.threshold",
    "cleanup_batch_size": "curate.batch_size",
    "cleanup_temperature": "curate.temperature",
}
"""The configuration key behind each argument."""


def as_keys(**arguments: object) -> dict[str, object]:
    """Return the value of each configuration key that an argument stands for."""
    return {_KEYS[name]: _plain(value) for name, value in arguments.items()}


def flags_as_keys(flags: Mapping[str, Any]) -> dict[str, object]:
    """Return the configuration keys for flags of vLLM: ``server.engine_args`` or one of their own."""
    named = {name.replace("_", "-"): _plain(value) for name, value in flags.items()}
    keys = {KEYS_OF_FLAGS[flag]: value for flag, value in named.items() if KEYS_OF_FLAGS.get(flag)}
    return keys | {
        "server.engine_args": {
            flag: value for flag, value in named.items() if not KEYS_OF_FLAGS.get(flag)
        }
    }


def _plain(value: Any) -> Any:
    """Return paths as text and numbers of numpy as Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") else value


@contextmanager
def named_as_arguments() -> Iterator[None]:
    """Name a setting in an error as the caller has typed it: max_generation_tokens, say."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError([_as_argument(problem) for problem in error.problems]) from error


def _as_argument(problem: str) -> str:
    if problem.startswith("unknown key"):  # of an override, which is typed as a key
        return problem
    for name, key in _KEYS.items():
        problem = re.sub(rf"\b{re.escape(key)}\b", name, problem)
    return problem
