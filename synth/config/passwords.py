"""Passwords in addresses: they are used, and neither shown nor saved."""

import re

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
