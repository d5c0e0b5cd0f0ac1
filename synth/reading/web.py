"""Fetch what a URL names: within limits, and not from where only this machine can look.

Addresses are checked at the connection, when the name is resolved and before anything is sent, so
neither a redirect nor a name that changes its address gets past. Proxies of the environment are
not used: what they connect to can't be seen.
"""

import ipaddress
import mimetypes
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from synth.config.dataset import IngestConfig
from synth.errors import IngestError

_MIB = 2**20
_PIECE = 64 * 1024
_MOST_REDIRECTS = 5
_SECRETS = ("key", "token", "secret", "signature", "sig", "password", "credential", "auth")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Fetched:
    """What a URL has answered with."""

    path: Path
    """The body, as a file."""
    name: str
    """What it is called there, with a suffix if that is known."""
    media_type: str | None
    url: str
    """Where it came from, after redirects, without secrets."""


def fetch(url: str, scratch: Path, config: IngestConfig) -> Fetched:
    """Return what is at a URL, written to ``scratch``.

    Raises:
        IngestError: if it can't be fetched within the limits, or must not be.
    """
    shown, due_s = redact(url), time.monotonic() + 0.9 * config.timeout_s
    with _told(shown, config), _manager(private=config.private_urls) as manager:
        response = manager.request(
            "GET",
            url,
            headers={"User-Agent": f"synth/{version('synth')}", "Accept-Encoding": "gzip, deflate"},
            timeout=urllib3.Timeout(connect=min(15, config.timeout_s), read=0.9 * config.timeout_s),
            retries=urllib3.Retry(2, redirect=_MOST_REDIRECTS, status=0),
            preload_content=False,
        )
        try:
            if response.status != 200:
                raise IngestError(f"answers with {response.status} {response.reason or ''}", shown)
            path = scratch / "fetched"
            with path.open("wb") as file:
                for piece in _body(response, shown, config, due_s):
                    file.write(piece)
        finally:
            response.close()
    final = redact(_final(url, response))
    return Fetched(path, _name_of(response, final), response.headers.get("Content-Type"), final)


def _final(url: str, response: urllib3.BaseHTTPResponse) -> str:
    for step in response.retries.history if response.retries else ():
        url = urljoin(url, step.redirect_location or "")
    return url


def redact(url: str) -> str:
    """Return a URL without what lets somebody in: user, password, and keys in its query."""
    parts = urlsplit(url)
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)
        hidden = [(name, "***" if _is_secret(name) else value) for name, value in pairs]
        query = query if hidden == pairs else urlencode(hidden, safe="*/:")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


def _is_secret(name: str) -> bool:
    words = name.lower().replace("-", "_").split("_")
    return any(word.endswith(_SECRETS) for word in words)


def _body(
    response: urllib3.BaseHTTPResponse, url: str, config: IngestConfig, due_s: float
) -> Iterator[bytes]:
    n_left = config.max_download_mib * _MIB
    for piece in response.stream(_PIECE, decode_content=True):
        n_left -= len(piece)
        if n_left < 0:
            raise IngestError(
                f"is larger than ingest.max_download_mib={config.max_download_mib:g}", url
            )
        if time.monotonic() > due_s:
            raise IngestError(f"takes longer than ingest.timeout_s={config.timeout_s:g}", url)
        yield piece


@contextmanager
def _told(url: str, config: IngestConfig) -> Iterator[None]:
    """Translate the client's errors."""
    try:
        yield
    except urllib3.exceptions.MaxRetryError as error:
        raise IngestError(_say(error.reason or error, config), url) from error
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise IngestError(_say(error, config), url) from error


def _say(error: Exception, config: IngestConfig) -> str:
    if isinstance(error, _Private):
        return (
            f"is at {error.address}, which is not public: ingest.private_urls=true reads it anyway"
        )
    is_refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if isinstance(error, urllib3.exceptions.TimeoutError) and not is_refused:
        return f"does not answer in time (ingest.timeout_s={config.timeout_s:g})"
    if isinstance(error, urllib3.exceptions.ResponseError):
        return f"redirects more than {_MOST_REDIRECTS} times"
    return f"can't be fetched: {error}"


def _name_of(response: urllib3.BaseHTTPResponse, url: str) -> str:
    """Return a file name: the one that the server says, or that of the path."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    name = PurePosixPath(header.get_filename() or unquote(urlsplit(url).path)).name.strip()
    if not PurePosixPath(name).suffix:
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        name += mimetypes.guess_extension(media_type) or ""
    return name or "index"


class _Private(urllib3.exceptions.HTTPError):
    """A connection to an address that is not public."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(address)


def is_public(address: str) -> bool:
    """Return whether an IP address is one that the whole internet reaches."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _checked(connection: Any) -> socket.socket:
    """Return a connected socket, if it is connected to a public address."""
    made: socket.socket = connection
    address = made.getpeername()[0]
    if not is_public(address):
        made.close()
        raise _Private(address)
    return made


class _PublicHTTP(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn())


class _PublicHTTPS(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn())


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


def _manager(*, private: bool) -> urllib3.PoolManager:
    manager = urllib3.PoolManager()
    if not private:
        manager.pool_classes_by_scheme = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
    return manager
