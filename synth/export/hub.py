"""Put a dataset on the Hugging Face hub."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from synth.config import Config
from synth.errors import ConfigError, ExportError
from synth.export.bars import without_bars
from synth.io import link, write_text

log = logging.getLogger(__name__)

DATA = "data"
"""Folder of the repository that has the tables."""


def check_token(config: Config) -> None:
    """Look for the token that a push needs; whether the hub takes it is seen at the push.

    Raises:
        ConfigError: if the run is to push its dataset, and there is none.
    """
    name = config.export.push_to
    if name is None or "export" not in config.steps or config.model.token is not None:
        return
    from huggingface_hub import get_token

    if get_token() is None:
        raise ConfigError(
            [f"export.push_to={name}: there is no token; set HF_TOKEN to one that may write there"]
        )


def push(config: Config, card: str, tables: Mapping[str, Path], scratch: Path) -> None:
    """Make the repository, if need be, and put card and tables there in one commit.

    Tables that an earlier push has left are removed.

    Args:
        config: says where to, and has the token, unless the environment has it.
        card: text of its ``README.md``.
        tables: the Parquet file of each split.
        scratch: where a folder with what is to be uploaded may be made.

    Raises:
        ExportError: if it can't be done.
    """
    name, token = config.export.push_to, config.model.token
    assert name is not None
    with _told(name):
        from huggingface_hub import HfApi

        for split, path in tables.items():
            link(path, scratch / DATA / path.name.replace(path.stem, split))
        write_text(scratch / "README.md", card)
        api = HfApi(token=token, library_name="synth")
        api.create_repo(name, repo_type="dataset", private=config.export.private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=scratch,
            commit_message=f"Add {config.name}, made with synth",
            delete_patterns=f"{DATA}/*.parquet",
        )
    log.info("%-9s pushed to %s", "export", commit.repo_url)


def _failure(name: str, why: str) -> ExportError:
    return ExportError(
        f"export.push_to={name}: {why}. The datasets are in the run's folder, export/; "
        "resume=<its folder> tries again"
    )


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Translate what the hub's client raises into advice, and keep it from drawing bars."""
    from huggingface_hub import utils
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

    try:
        with without_bars(utils):
            yield
    except HFValidationError as error:
        raise _failure(name, str(error)) from error
    except (HTTPError, OSError, RuntimeError) as error:
        # An upload in a thread of its own says only that it failed, and of what as its cause.
        cause = (
            error if error.__cause__ is None or isinstance(error, HTTPError) else error.__cause__
        )
        why = f"the hub could not be reached ({type(cause).__name__}); check the network"
        if isinstance(cause, HfHubHTTPError):
            why = _reason(cause.response.status_code)
        raise _failure(name, why) from error


def _reason(status: int) -> str:
    if status == 401:
        return "the hub does not know the token; set HF_TOKEN to one that may write there"
    if status == 403:
        return "the token may not write there; set HF_TOKEN to one that may"
    return f"the hub answered with an error (HTTP {status})"
