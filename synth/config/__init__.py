"""The typed configuration: its schema, the check at the door, and its description for ``--help``.

Dataclasses are the schema, the YAML files under ``conf/`` hold the values. Below the door nothing
knows of Hydra or OmegaConf: every layer gets the plain :class:`Config`.
"""

from synth.config.check import check_config, check_overrides, flatten, open_door
from synth.config.compose import compose, keys_set_by, register
from synth.config.curation import FAULTS, CurateConfig, ExportConfig
from synth.config.dataset import ChunkConfig, GenConfig, IngestConfig, QaConfig
from synth.config.saved import (
    configure_saved_log,
    is_saved,
    launcher_of,
    open_saved,
    save_changed,
    saved_cwd,
    saved_launcher,
    saved_overrides,
)
from synth.config.schema import (
    Config,
    CostConfig,
    MemoryConfig,
    ModelConfig,
    ServerConfig,
    TrackingConfig,
)

__all__ = [
    "FAULTS",
    "ChunkConfig",
    "Config",
    "CostConfig",
    "CurateConfig",
    "ExportConfig",
    "GenConfig",
    "IngestConfig",
    "MemoryConfig",
    "ModelConfig",
    "QaConfig",
    "ServerConfig",
    "TrackingConfig",
    "check_config",
    "check_overrides",
    "compose",
    "configure_saved_log",
    "flatten",
    "is_saved",
    "keys_set_by",
    "launcher_of",
    "open_door",
    "open_saved",
    "register",
    "save_changed",
    "saved_cwd",
    "saved_launcher",
    "saved_overrides",
]
