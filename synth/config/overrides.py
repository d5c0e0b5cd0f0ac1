"""The command line before Hydra reads it.

Hydra writes every override to the run's ``.hydra`` folder and refuses new names in a mapping
without ``++``; so secrets are moved to the environment here and mappings get their ``++``.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.config.describe import is_mapping, settings
from synth.config.passwords import has_password
from synth.config.setting import Setting

_QUESTIONS = {
    *("--hydra-help", "--version"),
    *("-c", "--cfg", "-i", "--info", "-sc", "--shell-completion"),
}


@dataclass(frozen=True)
class CommandLine:
    """What was typed: arguments for Hydra, the overrides among them, secrets taken out."""

    arguments: list[str]
    overrides: list[str]
    secrets: dict[str, str]
    """Environment variables that the rewritten overrides refer to."""
    config_dir: Path | None
    """The user's own folder of options."""
    resume: str | None
    """The run or sweep to go on with."""
    is_question: bool
    """Whether it only asks for help or the configuration, so that nothing will run."""


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """Split and rewrite the arguments behind the program's name.

    Flags come first in what Hydra gets: its parser takes no ``model=llama8b -m seed=0,1``.
    """
    flags: list[str] = []
    positional: list[str] = []
    overrides: list[str] = []
    secrets: dict[str, str] = {}
    completes = not {"-sc", "--shell-completion"}.isdisjoint(arguments)
    for argument in arguments:
        if argument.startswith("~") and not completes:
            positional.append(argument)
        elif argument.startswith("-") or "=" not in argument or completes:
            flags.append(argument)
        else:
            override = _hide_secret(add_plus(argument), secrets)
            positional.append(override)
            overrides.append(override)
    is_question = any(argument.split("=")[0] in _QUESTIONS for argument in arguments)
    values = dict(override.partition("=")[::2] for override in overrides)
    resume = _unquoted(values["resume"]) if values.get("resume", "null") != "null" else None
    return CommandLine(
        [*flags, *positional], overrides, secrets, _config_dir_in(arguments), resume, is_question
    )


def add_plus(override: str) -> str:
    """Return the override with ``++`` if it names something in a mapping of the user's own."""
    owner = override.partition("=")[0]
    while owner and owner not in settings():
        owner = owner.rpartition(".")[0]
    return f"++{override}" if owner and is_mapping(owner) else override


def _unquoted(value: str) -> str:
    return value.strip("'\"")


def _config_dir_in(arguments: Sequence[str]) -> Path | None:
    for argument, following in itertools.pairwise([*arguments, ""]):
        flag, _, value = argument.partition("=")
        if flag in ("-cd", "--config-dir"):
            return Path(value or following)
    return None


def _is_secret(spec: Setting, value: str) -> bool:
    if spec.may_hold_password:
        return has_password(value) and "${" not in value
    return spec.secret and value not in ("", "null") and not value.startswith("${")


def _hide_secret(override: str, secrets: dict[str, str]) -> str:
    typed, _, value = override.partition("=")
    key = typed.lstrip("+")
    spec = settings().get(key)
    if spec is None or not _is_secret(spec, value):
        return override
    name = "SYNTH_" + key.replace(".", "_").upper()
    secrets[name] = _unquoted(value)
    return f"{typed}=${{oc.env:{name}}}"
