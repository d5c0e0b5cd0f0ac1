"""Where a server listens, and where it answers."""

import socket
from collections.abc import Collection

from synth.errors import ServerStartError


def find_port(host: str, wanted: int, taken: Collection[int | None] = ()) -> int:
    """Return ``wanted``, or any free port for 0, after binding it once.

    vLLM itself binds with SO_REUSEPORT and would share a taken port without a word.

    Args:
        host: the address to listen on.
        wanted: the port; 0 = any.
        taken: ports that are promised to servers which have not bound them yet.

    Raises:
        ServerStartError: if the port or the address can't be bound.
    """
    port = _bind(host, wanted)
    while not wanted and port in taken:
        port = _bind(host, wanted)
    return port


def reachable(host: str) -> str:
    """Return the address at which a server that listens on ``host`` answers."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  (compared, not bound)
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _bind(host: str, wanted: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
            probe.listen()
        except OSError as error:
            raise ServerStartError(
                f"server.port={wanted}: can't listen on {host}:{wanted} ({error.strerror}); "
                "choose another, or server.port=0 for any free one"
            ) from error
        port: int = probe.getsockname()[1]
        return port
