"""What is settled before a server is launched: its memory, its flags, its weights on this disk."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from synth.config import Config, check_config
from synth.errors import ConfigError
from synth.memory import (
    Machine,
    Plan,
    describe_plan,
    divide,
    find_tightest,
    make_plan,
    read_spread,
)
from synth.models import Model, cache_dir, download, identify
from synth.server.command import Command, build_ladders, engine_args, program
from synth.server.flags import known_flags, unknown_flags
from synth.server.lease import fingerprint
from synth.tally import count_gpus

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """A managed server that can be launched."""

    config: Config
    """The run's configuration, with the length that the plan has settled."""
    ladders: Sequence[Sequence[Command]]
    """For each server what to launch, and then what to try when memory runs out."""
    answerer: str = ""
    """The model, and all of its settings that decide what it answers."""
    n_gpus: int = 0

    @property
    def key(self) -> str:
        """What is equal for jobs that use the same servers."""
        return fingerprint(self.ladders[0][0])

    def adapt(self, config: Config) -> "Serving":
        """Return the same server for a run with the same model, memory and server settings.

        Raises:
            ConfigError: if its chunks don't fit in the length that the plan has settled.
        """
        config = replace(config, model=self.config.model)
        check_config(config)
        return replace(self, config=config)


def plan_serving(config: Config, model: Model, machine: Machine) -> Serving:
    """Return how to serve ``model``, and log the plan; weights are downloaded here, if need be.

    Raises:
        ConfigError: if it can't fit, a flag is unknown, or the weights can't be had.
    """
    part = find_tightest(divide(machine, config))
    plan = make_plan(config, model.shape, model.weight_bytes, part)
    config = _shorten(config, plan)
    ladders = build_ladders(config, model, plan, machine)
    check_flags(config, ladders[0][0].env)
    for line in describe_plan(plan, part, config.server.replicas):
        log.info(line)
    download(model)
    n_gpus = 0 if machine.is_cpu_build else count_gpus(config)
    return Serving(config, ladders, _describe_answerer(config, model, plan), n_gpus)


def check_flags(config: Config, env: Mapping[str, str]) -> None:
    """Refuse flags in ``server.engine_args`` that the installed vLLM does not know, or can't heed.

    Args:
        env: variables that vLLM needs.

    Raises:
        ConfigError: with the nearest flag that it does know, or what is not installed.
    """
    given = engine_args(config)
    if not given or config.server.command:  # a program of the user's own is not asked
        return
    if read_spread(config).n_here is None and find_spec("ray") is None:
        raise ConfigError(
            ["server.engine_args: ray is not installed in this environment; add ray[cgraph] to it"]
        )
    known = known_flags(program(config), env, cache_dir())
    if known and (problems := unknown_flags(given, known)):
        raise ConfigError(problems)


def _describe_answerer(config: Config, model: Model, plan: Plan) -> str:
    settings = {
        "dtype": plan.dtype,
        "tokenizer": config.model.tokenizer,
        "quantization": config.model.quantization,
        "float8_kv_cache": config.memory.float8_kv_cache or None,
        **engine_args(config),
        "command": config.server.command,
    }
    told = [f"{name}={value}" for name, value in settings.items() if value is not None]
    return " ".join([identify(model), *told])


def _shorten(config: Config, plan: Plan) -> Config:
    if plan.max_seq_length == config.model.max_seq_length:
        return config
    shorter = replace(config, model=replace(config.model, max_seq_length=plan.max_seq_length))
    check_config(shorter)
    return shorter
