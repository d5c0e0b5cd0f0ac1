"""The arguments of the Python class as configuration keys, and back in what an error says."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from synth.config import Config, compose, keys_set_by
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


@dataclass(frozen=True)
class Arguments:
    """What a caller has given: arguments, and overrides, which win over them."""

    overrides: Sequence[str]
    overridden: frozenset[str]
    """Keys that the overrides set."""
    values: Mapping[str, object] = field(default_factory=dict, repr=False)  # a token among them

    @classmethod
    def below(cls, overrides: Sequence[str], base: Sequence[str]) -> Self:
        """Return no arguments yet; ``base`` are overrides that those of the caller win over."""
        return cls([*base, *overrides], keys_set_by(overrides, base))

    def given(self, **arguments: object) -> Self:
        """Return these and more arguments."""
        more = {_KEYS[name]: _plain(value) for name, value in arguments.items()}
        return replace(self, values={**self.values, **more})

    def given_flags(self, flags: Mapping[str, object]) -> Self:
        """Return these and flags of vLLM, each by a key of its own or in ``server.engine_args``."""
        named = {name.replace("_", "-"): _plain(value) for name, value in flags.items()}
        more = {
            KEYS_OF_FLAGS.get(flag) or f"server.engine_args.{flag}": value
            for flag, value in named.items()
        }
        return replace(self, values={**self.values, **more})

    def compose(self, settled: Mapping[str, object]) -> Config:
        """Return the configuration.

        Args:
            settled: keys that neither an argument nor an override changes any more.

        Raises:
            ConfigError: with all problems, settings named as arguments.
        """
        asked = {key: value for key, value in self.values.items() if key not in self.overridden}
        with named_as_arguments():
            return compose(self.overrides, {**asked, **settled})


def _plain(value: Any) -> Any:
    """Return paths as text and numbers of numpy as Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if getattr(value, "ndim", None) == 0 else value


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
