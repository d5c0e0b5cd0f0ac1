"""The configuration of a run as Hydra has saved it, for those who go on with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import configure_log, setup_globals
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from synth.config.check import open_door
from synth.config.compose import register
from synth.config.schema import Config
from synth.errors import ConfigError

_FOLDER = ".hydra"


def is_saved(folder: Path) -> bool:
    """Return whether ``folder`` is that of a run."""
    return (folder / _FOLDER / "config.yaml").is_file()


def open_saved(folder: Path) -> Config:
    """Return the configuration of the run in ``folder``.

    Raises:
        ConfigError: if it is not one of this version, or needs a variable that is not set.
    """
    register()
    try:
        return open_door(_load(folder, "config.yaml"))
    except OmegaConfBaseException as error:
        raise ConfigError([f"{folder}: {error}"]) from error


def saved_overrides(folder: Path) -> list[str]:
    """Return how the run in ``folder`` was asked for."""
    return [str(text) for text in OmegaConf.load(folder / _FOLDER / "overrides.yaml")]


def saved_cwd(folder: Path) -> Path:
    """Return where the run in ``folder`` was started: its relative paths begin there."""
    return Path(_load(folder, "hydra.yaml").hydra.runtime.cwd)


def saved_launcher(folder: Path) -> dict[str, Any]:
    """Return the launcher that the run in ``folder`` was started with, as its option's file has it."""
    return launcher_of(_load(folder, "hydra.yaml").hydra)


def launcher_of(hydra: Any) -> dict[str, Any]:
    """Return the launcher of Hydra's own configuration as plain values."""
    values = OmegaConf.to_container(hydra.launcher, resolve=True)
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


def configure_saved_log(folder: Path, log_folder: Path | None) -> None:
    """Log as the run in ``folder`` has, to ``log_folder``; None: to no file."""
    setup_globals()
    node = _load(folder, "hydra.yaml")
    node.hydra.runtime.output_dir = str(log_folder)
    logging = node.hydra.job_logging
    if log_folder is None:
        files = {name for name, one in logging.handlers.items() if "filename" in one}
        logging.root.handlers = [name for name in logging.root.handlers if name not in files]
        for name in files:
            del logging.handlers[name]
    configure_log(logging, node.hydra.verbose)


def save_changed(source: Path, targets: Sequence[Path], changes: Mapping[str, Any]) -> None:
    """Save the configuration of the run in ``source`` for others.

    Secrets that stand there as names of variables stay names.

    Args:
        source: folder of the run.
        targets: folders of the others.
        changes: keys, with dots, and their values.
    """
    config, hydra = (_load(source, name) for name in ("config.yaml", "hydra.yaml"))
    overrides = (source / _FOLDER / "overrides.yaml").read_text(encoding="utf-8")
    for key, value in changes.items():
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    said = OmegaConf.to_yaml(config)
    for target in targets:
        hydra.hydra.runtime.output_dir = str(target.absolute())
        texts = {"config": said, "hydra": OmegaConf.to_yaml(hydra), "overrides": overrides}
        (target / _FOLDER).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (target / _FOLDER / f"{name}.yaml").write_text(text, encoding="utf-8")


def _load(folder: Path, name: str) -> DictConfig:
    node = OmegaConf.load(folder / _FOLDER / name)
    assert isinstance(node, DictConfig)
    return node
