"""Where an MLflow store is: its address, what it needs, and how to look at it."""

import importlib.metadata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from synth.config import TrackingConfig
from synth.config.files import conf_dir
from synth.config.passwords import hide_password
from synth.errors import ConfigError
from synth.filesystems import network_filesystem

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SERVERS = ("http", "https", "databricks", "databricks-uc", "uc")


def resolve_uri(uri: str) -> str:
    """Return ``uri`` with a relative sqlite path made absolute."""
    if not (path := sqlite_path(uri)):
        return uri
    return f"sqlite:///{path.absolute()}"


def sqlite_path(uri: str) -> Path | None:
    """Return the file of an sqlite store; None for another one."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def is_server(uri: str) -> bool:
    """Return whether an MLflow server has the store, and decides where files go."""
    return _kind(uri) not in _DATABASES


def artifacts_uri(config: TrackingConfig) -> str | None:
    """Return where files of a new experiment go; None: beside sqlite, or where a server has them.

    MLflow's own default for a database is below the current folder, whichever that is.
    """
    if config.artifacts:
        is_uri = "://" in config.artifacts
        return config.artifacts if is_uri else Path(config.artifacts).absolute().as_uri()
    if sqlite_path(config.uri) or is_server(config.uri):
        return None
    return Path("outputs/mlartifacts").absolute().as_uri()


def ui_command(uri: str) -> str:
    """Return what to type to look at the runs in a store."""
    path = sqlite_path(resolve_uri(uri))
    script = conf_dir().parent / "scripts" / "ui"
    if path is not None and script.exists():
        return f"{script} {path}"
    if is_server(uri):
        return hide_password(uri)
    return f"mlflow ui --backend-store-uri {hide_password(resolve_uri(uri))}"


def ui_address(uri: str) -> str:
    """Return where the UI of a store is: the server's own, or where ``scripts/ui`` opens it."""
    return hide_password(uri).rstrip("/") if is_server(uri) else "http://127.0.0.1:5000"


def check_store(config: TrackingConfig) -> None:
    """Check what can be known of a store without asking it.

    Raises:
        ConfigError: if no run can be logged there.
    """
    if config.kind != "none" and (problems := _problems(resolve_uri(config.uri))):
        raise ConfigError([f"tracking.uri={hide_password(config.uri)}: {one}" for one in problems])


@cache
def _problems(uri: str) -> tuple[str, ...]:
    return (*_scheme_problems(uri), *_place_problems(sqlite_path(uri)))


def _kind(uri: str) -> str:
    """Return the kind of a store: the scheme without the driver, as in ``postgresql+psycopg``."""
    return uri.partition(":")[0].partition("+")[0]


def _scheme_problems(uri: str) -> Iterator[str]:
    kind = _kind(uri)
    if kind in _DATABASES and "://" in uri:
        if kind != "sqlite":
            yield from _driver_problems(uri)
    elif kind not in (*_SERVERS, *_plugins()):
        yield (
            "MLflow has no such kind of store; expected sqlite:///PATH, http://HOST:PORT of an "
            "MLflow server, or postgresql://USER@HOST/DATABASE"
        )


def _driver_problems(uri: str) -> Iterator[str]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ImportError as error:
        extra = " (the extra postgres has it)" if error.name == "psycopg" else ""
        yield f"{error.name}, which talks to the database, is not installed: install it{extra}"
    except (ArgumentError, NoSuchModuleError, ValueError):
        yield "SQLAlchemy has no such database or driver; expected postgresql://USER@HOST/DATABASE"


def _plugins() -> list[str]:
    entries = importlib.metadata.entry_points(group="mlflow.tracking_store")
    return [entry.name for entry in entries if entry.name not in ("file", "file-plugin")]


def _place_problems(path: Path | None) -> Iterator[str]:
    if path is not None and (kind := network_filesystem(path)):
        yield (
            f"it is on a network file system ({kind}), where SQLite's locks do not hold and the "
            "store would be damaged; use an MLflow server (http://…), PostgreSQL (postgresql://…), "
            "a path on a local disk, or tracking=none"
        )
