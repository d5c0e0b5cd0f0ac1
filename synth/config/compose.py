"""A configuration without a command line: for the Python class, the doctor and tests."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as compose_node
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from synth.config.check import check_overrides, leaves, open_door
from synth.config.describe import expected, settings
from synth.config.files import conf_dir, option_names, samples_dir
from synth.config.overrides import add_plus
from synth.config.schema import Config
from synth.errors import ConfigError


def register() -> None:
    """Make the schema and our resolver known to Hydra; may be called again."""
    ConfigStore.instance().store(name="synth_schema", node=Config)
    OmegaConf.register_new_resolver("sample_documents", lambda: str(samples_dir()), replace=True)


def compose(
    overrides: Sequence[str] = (),
    values: Mapping[str, object] | None = None,
    config_dir: Path | None = None,
) -> Config:
    """Return the checked configuration of the program, with these changes.

    Args:
        overrides: as on the command line, such as ``qa=reasons``.
        values: keys with their values, such as ``{"gen.temperature": 0.5}``; these win.
        config_dir: a folder of the user's with more options.

    Raises:
        ConfigError: with all problems.
    """
    plain = _compose_unchecked(overrides, config_dir)
    problems = []
    for key, value in (values or {}).items():
        try:
            OmegaConf.update(plain, key, value, merge=False)
        except OmegaConfBaseException:
            problems.append(
                f"{key}={value!r}: expected {expected(key) if key in settings() else 'plain values'}"
            )
    if problems:
        raise ConfigError(problems)
    return open_door(plain)


def keys_set_by(overrides: Sequence[str], base: Sequence[str]) -> frozenset[str]:
    """Return the keys that ``overrides`` set on top of ``base``, also through an option of a group.

    Raises:
        ConfigError: with all problems of the overrides.
    """
    if not overrides:
        return frozenset()
    before, after = (
        dict(leaves(OmegaConf.to_container(_compose_unchecked(typed))))
        for typed in (base, [*base, *overrides])
    )
    named = {text.lstrip("+~").partition("=")[0] for text in overrides}
    changed = {key for key, value in after.items() if value != before.get(key)}
    return frozenset(named | changed)


def _compose_unchecked(overrides: Sequence[str], config_dir: Path | None = None) -> DictConfig:
    """Return the values alone, without the schema's types: the door checks them, all at once."""
    register()
    typed = [add_plus(override) for override in overrides]
    if problems := check_overrides(typed, option_names(config_dir)):
        raise ConfigError(problems)
    if config_dir is not None:
        typed.append(f"hydra.searchpath=[file://{config_dir.absolute()}]")
    with _own_hydra():
        try:
            node = compose_node("config", overrides=typed)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError([str(error)]) from error
    plain = OmegaConf.create(OmegaConf.to_container(node))
    assert isinstance(plain, DictConfig)
    return plain


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Use Hydra here even inside of a program that is a Hydra application itself."""
    of_caller, base = GlobalHydra.instance().hydra, VersionBase.instance().version_base
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = of_caller
        VersionBase.instance().version_base = base
