"""How a key is declared: its meaning, and the values that it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omegaconf import MISSING

QUALITY = "quality"
"""Short for the metric that sums up all others of its stage."""


@dataclass(frozen=True)
class Setting:
    """What a key means and which values it takes; bounds are inclusive unless ``above`` is used."""

    help: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] | None = None
    accepts: Callable[[Any], bool] | None = None
    expected: str = ""
    """What ``accepts`` accepts, in words."""
    secret: bool = False
    may_hold_password: bool = False
    """Whether it is an address, of which only the password is secret."""


def setting(help: str, **rules: Any) -> Any:  # noqa: A002  (the field's standard term)
    """Declare a key; ``rules`` are the fields of :class:`Setting`."""
    spec = Setting(help, **rules)
    is_shown = not (spec.secret or spec.may_hold_password)
    return field(default=MISSING, repr=is_shown, metadata={"setting": spec})


def is_one_or_more_texts(value: Any) -> bool:
    """Return whether ``value`` is a text, or a list with one text or more."""
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(item, str) and item.strip() for item in items)


def is_file_name(value: Any) -> bool:
    """Return whether ``value`` is the name of a file without its folder."""
    return (
        isinstance(value, str)
        and value.replace("-", "").replace("_", "").replace(".", "").isalnum()
    )


def is_word(value: Any) -> bool:
    """Return whether ``value`` is letters, digits, '-' and '_'."""
    return isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum()


def is_name_of_repository(value: Any) -> bool:
    """Return whether ``value`` is ``owner/name``."""
    owner, _, name = str(value).partition("/")
    return is_file_name(owner) and is_file_name(name)


def is_text(value: Any) -> bool:
    """Return whether ``value`` is a text with more in it than white space."""
    return isinstance(value, str) and bool(value.strip())


def is_metric(value: Any) -> bool:
    """Return whether ``value`` is the name of a metric, or that with a '-' before it."""
    if value in (QUALITY, f"-{QUALITY}"):
        return True
    stage, _, measure = str(value).removeprefix("-").partition("/")
    return stage.isidentifier() and measure.isidentifier()


def are_urls_or_a_file_if_any(value: Any) -> bool:
    """Return whether ``value`` is an address of the web, a list of them, a file, or None."""
    if value is None or (isinstance(value, str) and path_of(value) is not None):
        return True
    items = value if isinstance(value, list) else [value]
    return is_one_or_more_texts(value) and all(map(is_url, items))


def is_url(value: str) -> bool:
    """Return whether ``value`` is an address of the web that names a host."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


def path_of(value: str) -> Path | None:
    """Return the file that is meant: ``file:name``, or a path that can't be anything else."""
    if value.startswith("file:"):
        name = value.removeprefix("file:")
        name = name.removeprefix("//") if name.startswith("///") else name
    else:
        name = value if value.startswith(("/", "./", "../", "~")) else ""
    return Path(name).expanduser() if name.strip() else None
