"""A job's place in a sweep, and what a tracker is told of the job."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synth.config import Config, flatten
from synth.config.passwords import hide_password
from synth.record import Summary, versions
from synth.store import RunInfo


@dataclass(frozen=True)
class Place:
    """A job's place in a sweep."""

    number: int
    name: str
    """What varies between the jobs of the sweep: ``chunk.size=512 gen.temperature=0.3``."""
    parent: Callable[[], str | None]
    """Returns the sweep's MLflow run; called when the job's own is opened."""
    rank: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What varies, by key."""


def describe(
    config: Config, summary: Summary, place: Place | None, overrides: Sequence[str] = ()
) -> RunInfo:
    """Return what a job's run is called, made with and found by.

    Args:
        place: None if it is no job of a sweep.
        overrides: how the configuration was asked for, as typed.
    """
    tags = {str(key): str(value) for key, value in config.tags.items()}
    tags |= {"synth.kind": "job", "synth.version": versions()["synth"]}
    parameters = flatten(config)
    if place is None:
        telling = [text for text in overrides if text.lstrip("+").partition("=")[0] in parameters]
        name = " ".join([config.name, *(text for text in telling if not text.startswith("docs="))])
        name = hide_password(name)  # Hydra has put what an override refers to in its place
        return RunInfo(
            name=name[:250],
            parameters=parameters,
            tags=tags,
            run_id=summary.mlflow_run_id,
            key=summary.key,
            began_s=summary.began_s,
        )
    tags["synth.job"] = str(place.number)
    chosen = {key: value for key, value in place.settings.items() if key not in parameters}
    return RunInfo(
        name=place.name[:250],
        parameters=parameters | chosen,
        tags=tags,
        run_id=summary.mlflow_run_id,
        key=summary.key,
        parent=place.parent,
        objective=config.objective.removeprefix("-"),
        began_s=summary.began_s,
    )
