"""What varies in a sweep, and the order of its jobs; pure."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from synth.config import Config, flatten
from synth.errors import ConfigError
from synth.measure import MEANS, RATIOS
from synth.qa import Kind

OBJECTIVES = (
    *MEANS,
    *RATIOS,
    *("generate/pairs_per_s", "generate/n_pairs", "generate/n_output_tokens"),
    *("generate/latency_median_s", "generate/latency_max_s", "generate/prefix_cache_hit_frac"),
)
"""Figures of a run by which jobs can be compared."""


@dataclass(frozen=True)
class Request:
    """A job that is asked for."""

    number: int
    overrides: Sequence[str]
    folder: Path
    config: Config


def varying(requests: Sequence[Request], typed: Sequence[str]) -> list[list[str]]:
    """Return, for each job, the overrides that not all of them have.

    Args:
        typed: the overrides of the command line, those that are swept with their lists; for a
            sweep of one job what is not among them varies.
    """
    every = set(typed)
    if len(requests) > 1:
        every = set.intersection(*(set(request.overrides) for request in requests))
    return [[text for text in request.overrides if text not in every] for request in requests]


def settings_of(config: Config, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the overrides as keys with typed values; an option of a group by its name."""
    values, settings = flatten(config), {}
    for text in overrides:
        key, _, value = text.lstrip("+~").partition("=")
        settings[key] = values.get(key, yaml.safe_load(value) if value else None)
    return settings


def ranks(configs: Mapping[int, Config]) -> dict[int, int]:
    """Return the rank of each job: those whose prompts begin in the same way have the same.

    They do up to the end of the text where chunks, model and what stands before the text are the
    same; sampling is not in them, and what is asked comes last.
    """
    keys = {number: repr(_beginning(config)) for number, config in sorted(configs.items())}
    order = list(dict.fromkeys(keys.values()))
    return {number: order.index(key) for number, key in keys.items()}


def server_key(config: Config) -> str:
    """Return the same text for jobs that can share a server, on whatever machine."""
    values = {
        key: value
        for key, value in flatten(config).items()
        if key.startswith(("model.", "memory.", "server."))
    }
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:12]


def check_sweep(requests: Sequence[Request]) -> None:
    """Check what has to be the same for all jobs, or can't be compared.

    Raises:
        ConfigError: with all problems.
    """
    settings = [flatten(request.config) for request in requests]
    problems = [
        f"{key}: it can't differ between the jobs of a sweep"
        for key in ("objective", "tracking.kind", "tracking.uri", "tracking.experiment")
        if len({values[key] for values in settings}) > 1
    ]
    if any(request.config.shards is not None for request in requests):
        problems.append("shards: the jobs of a sweep can't be divided; divide a run of its own")
    objective = requests[0].config.objective.removeprefix("-")
    if objective not in OBJECTIVES:
        close = difflib.get_close_matches(objective, OBJECTIVES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        problems.append(
            f"objective={objective}: no such metric.{hint} Metrics: {', '.join(OBJECTIVES)}"
        )
    if problems:
        raise ConfigError(problems)


def _beginning(config: Config) -> tuple[object, ...]:
    chunk = replace(config.chunk, size=config.chunk_size)
    kind = Kind(config.qa)
    return (config.docs_list, chunk, config.model, kind.n_chunks, kind.opening)
