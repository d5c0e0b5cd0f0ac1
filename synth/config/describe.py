"""What the schema says of its keys, in words: for ``--help`` and for the messages of the check."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from synth.config.files import option_names
from synth.config.schema import Config
from synth.config.setting import Setting

_HELP = """\
synth turns documents into question-answer pairs with a model that it serves itself.

  python -m synth docs=manuals model=llama8b gen.temperature=0.5
  python -m synth -m chunk.size=512,1024 gen.temperature=0.3,0.7     (a sweep: every combination)
  python -m synth doctor docs=manuals model=llama8b                  (what fits, what is wrong)
  python -m synth replies max_age_d=30                               (what is stored, and clean it)

Groups: choose one option of each (group=option)
{groups}

Keys: set any value (key=value)
{keys}

  --cfg job          show the configuration that would run
  --info defaults    show where each part of it comes from
  --config-dir DIR   add options of your own to the groups
  -m, --multirun     run every combination of values that are separated by commas
  --hydra-help       all flags of Hydra
Tab completion: eval "$(synth -sc install=bash)"
"""


@cache
def settings() -> dict[str, Setting]:
    """Return every key of the schema with its setting, in the schema's order."""
    return {key: field.metadata["setting"] for key, field in _fields().items()}


def is_mapping(key: str) -> bool:
    """Return whether ``key`` takes a mapping with names of the user's own."""
    return typing.get_origin(_fields()[key].type) is dict


def takes_null(key: str) -> bool:
    """Return whether ``key`` may be null."""
    return type(None) in typing.get_args(_fields()[key].type)


def expected(key: str) -> str:
    """Return in words which values ``key`` takes, such as ``a number from 0 to 2``."""
    spec = settings()[key]
    return ", or ".join([_kind(key, spec) + _range(spec)] + ["null"] * takes_null(key))


def describe() -> str:
    """Return what ``--help`` prints: usage, the config groups, every key.

    Hydra's own help takes a second longer, most of it for a list of groups that says less.
    """
    groups = "\n".join(
        f"  {group}={' | '.join(options)}" for group, options in option_names().items()
    )
    keys = "\n".join(
        f"  {key}\n      {spec.help} [{expected(key)}]" for key, spec in settings().items()
    )
    return _HELP.format(groups=groups, keys=keys)


@cache
def _fields() -> dict[str, dataclasses.Field[Any]]:
    return dict(_walk(Config, ""))


def _walk(section: type, prefix: str) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    for field in dataclasses.fields(section):
        if "setting" in field.metadata:
            yield prefix + field.name, field
        else:
            assert isinstance(field.type, type)
            yield from _walk(field.type, f"{prefix}{field.name}.")


def _kind(key: str, spec: Setting) -> str:
    declared = _fields()[key].type
    if isinstance(declared, types.UnionType):
        declared = next(part for part in typing.get_args(declared) if part is not type(None))
    if spec.expected:
        return spec.expected
    if spec.choices is not None:
        listed = ", ".join(spec.choices)
        return f"a list of {listed}" if typing.get_origin(declared) is list else f"one of {listed}"
    if is_mapping(key):
        return "a mapping"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return names.get(declared, "a list of texts") if isinstance(declared, type) else "a list"


def _range(spec: Setting) -> str:
    low = f"at least {_number(spec.least)}" if spec.least is not None else ""
    low = f"above {_number(spec.above)}" if spec.above is not None else low
    high = f"at most {_number(spec.most)}" if spec.most is not None else ""
    bounds = " and ".join(filter(None, (low, high)))
    return f", {bounds}" if bounds else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
