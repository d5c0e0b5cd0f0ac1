"""The door: overrides are checked before Hydra sees them, the composed config after.

Hydra stops at the first bad override, and it accepts an unknown key behind a ``+``. So all
overrides are checked here first, against the schema, and every problem is reported at once.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from synth.config.contradictions import contradictions
from synth.config.describe import expected, is_mapping, settings, takes_null
from synth.config.passwords import hide_password, written_passwords
from synth.config.schema import Config
from synth.config.setting import Setting
from synth.errors import ConfigError


def open_door(node: DictConfig) -> Config:
    """Turn a composed config into a :class:`Config`.

    Raises:
        ConfigError: with all problems, if a key is unknown, missing, of a wrong type or range.
    """
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    given = {str(key): value for key, value in values.items()}
    problems = [
        problem
        for key, value in leaves(given)
        if (problem := _problem_of(key, value, from_file=True))
    ]
    problems += written_passwords(node)
    if problems:
        raise ConfigError(problems)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), given))
    assert isinstance(config, Config)
    check_config(config)
    return config


def check_config(config: Config) -> None:
    """Check what no single key shows: settings that contradict each other.

    Raises:
        ConfigError: with all problems.
    """
    if problems := list(contradictions(config)):
        raise ConfigError(problems)


def check_overrides(overrides: Sequence[str], groups: dict[str, list[str]]) -> list[str]:
    """Return a sentence for each command-line override that can't be right.

    Args:
        overrides: as typed, such as ``gen.temperature=0.2,0.8`` or ``+model=mine``.
        groups: the options of each config group, such as ``{"model": ["smollm2", …]}``.
    """
    problems: list[str] = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            problems.append(f"{text}: {str(error).splitlines()[0]}")
            continue
        key = override.key_or_group
        if key == "hydra" or key.startswith(("hydra.", "hydra/")):
            continue
        if key == "sweep" and override.is_sweep_override():
            problems.append(f"{text}: one grid at a time; Hydra would run neither of them")
        for value in _values_of(override):
            problem = (
                _group_problem(key, value, groups[key])
                if key in groups
                else _problem_of(key, value, override.is_delete())
            )
            if problem and problem not in problems:
                problems.append(problem)
    return problems


def flatten(config: Config) -> dict[str, Any]:
    """Return the config as ``{"gen.temperature": 0.7, …}`` without secrets."""
    rules = settings()
    return {
        key: hide_password(value) if key in rules and rules[key].may_hold_password else value
        for key, value in leaves(dataclasses.asdict(config))
        if not (key in rules and rules[key].secret)
    }


def leaves(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys of nested mappings, with dots, and their values; mappings of users stay whole."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in settings():
            yield from leaves({str(k): v for k, v in value.items()}, f"{key}.")
        else:
            yield key, value


def _values_of(override: Override) -> list[Any]:
    if override.is_sweep_override():
        if not override.is_choice_sweep() and not override.is_discrete_sweep():
            return []
        return list(override.sweep_iterator())
    return [override.value()]


def _group_problem(group: str, value: Any, options: list[str]) -> str | None:
    names = value if isinstance(value, list) else [value]
    unknown = [name for name in names if name is not None and name not in options]
    if not unknown or not options:
        return None
    wrong = unknown[0]
    return f"{group}={wrong}: no such option.{_hint(str(wrong), options)} Options: " + ", ".join(
        sorted(options)
    )


def _problem_of(
    key: str, value: Any, is_delete: bool = False, *, from_file: bool = False
) -> str | None:
    spec = settings().get(key)
    if spec is None:
        return _unknown_problem(key)
    if is_delete or (isinstance(value, str) and "${" in value):
        return None
    if value == "???":
        return f"{key} is missing: expected {expected(key)}"
    if not _fits(key, value, spec, merge=not from_file):
        return f"{key}={_shown(spec, value)}: expected {expected(key)}"
    return None


def _fits(key: str, value: Any, spec: Setting, *, merge: bool) -> bool:
    schema = _scratch()
    try:
        OmegaConf.update(schema, key, value, merge=merge)
        typed = OmegaConf.select(schema, key)
    except (OmegaConfBaseException, ValueError):
        return False
    if typed is None and takes_null(key):
        return True
    if OmegaConf.is_config(typed):
        typed = OmegaConf.to_container(typed)
    return _is_in_range(spec, typed)


@cache
def _scratch() -> DictConfig:
    """Return a config to try values in; making one takes longer than a thousand tries."""
    node: DictConfig = OmegaConf.structured(Config)
    return node


def _unknown_problem(key: str) -> str | None:
    owner = next((known for known in settings() if key.startswith(f"{known}.")), None)
    if owner is not None and is_mapping(owner):
        return None
    return f"unknown key {key!r}.{_hint(key, settings())}"


def _hint(word: str, known: Any) -> str:
    if close := difflib.get_close_matches(word, list(known), n=1):
        return f" Did you mean {close[0]}?"
    return ""


def _shown(spec: Setting, value: Any) -> str:
    if spec.secret:
        return "<secret>"
    text = repr(value) if isinstance(value, str) else str(value)
    return hide_password(text) if spec.may_hold_password else text


def _is_in_range(spec: Setting, value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    if spec.choices is not None and not all(item in spec.choices for item in items):
        return False
    if spec.accepts is not None and not spec.accepts(value):
        return False
    if not isinstance(value, int | float) or isinstance(value, bool):
        return True
    return (
        (spec.least is None or value >= spec.least)
        and (spec.above is None or value > spec.above)
        and (spec.most is None or value <= spec.most)
    )
