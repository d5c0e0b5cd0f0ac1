"""Passwords in addresses: they are used, and neither shown nor saved."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from synth.config.describe import settings

_USER = re.compile(r"(?<=://)([^/?#@:]*)(:?)([^/?#]*)@")
_QUERY = re.compile(r"(?i)(?<=[?&])((?:password|passwd|pwd|sslpassword|token)=)[^&#]*")
HIDDEN = "***"


def hide_password(uri: str) -> str:
    """Return an address without what is secret in it.

    On the web a user's name may be a token; a database's user is shown.
    """
    if uri.startswith(("http://", "https://")):
        uri = _USER.sub(f"{HIDDEN}@", uri)
    else:
        uri = _USER.sub(lambda user: f"{user[1]}:{HIDDEN}@" if user[2] else user[0], uri)
    return _QUERY.sub(rf"\1{HIDDEN}", uri)


def has_password(uri: str) -> bool:
    """Return whether something in an address is secret."""
    return hide_password(uri) != uri


def written_passwords(node: DictConfig) -> Iterator[str]:
    """Yield a problem for each password that stands in a file: it would be saved with every run."""
    for key, spec in settings().items():
        written = _written(node, key) if spec.may_hold_password else ""
        if has_password(written) and "${" not in written:
            yield (
                f"{key}={hide_password(written)}: its password would be saved with each run; write "
                "${oc.env:NAME} for it and set that variable, or for PostgreSQL PGPASSWORD"
            )


def _written(node: DictConfig, key: str) -> str:
    """Return the text of a key with its interpolations as they stand."""
    value: Any = OmegaConf.to_container(node, resolve=False)
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
