"""What an error of a store means: it is away, it refuses what it was given, or it is no use now."""

from collections.abc import Iterator

_AWAY_STATUS = (429, 500, 502, 503, 504)
_REFUSED_STATUS = 400
_LOST_CONNECTION = ("OperationalError", "InterfaceError", "DisconnectionError")
"""SQLAlchemy's and the drivers' own: unreachable, restarted, locked, full."""


class StoreAway(Exception):  # noqa: N818
    """The store, or what has to be in it before, is not there yet."""


def is_away(error: BaseException) -> bool:
    """Return whether the same call may succeed later, without anybody's doing."""
    chain = list(_chain(error))
    if any(type(one).__name__ in _LOST_CONNECTION for one in chain):
        return True
    if (status := _status_of(error)) is not None and status not in _AWAY_STATUS:
        return False
    if _is_mlflow(error) and status == 500 and _is_bug(error.__cause__):
        return False  # of a database in this process: MLflow calls any error internal
    return isinstance(error, StoreAway) or status is not None or any(map(_is_transport, chain))


def is_refused(error: BaseException) -> bool:
    """Return whether what was sent will never be taken, while other things may be."""
    if isinstance(error, OSError):
        return False
    if _is_mlflow(error):
        return _status_of(error) == _REFUSED_STATUS or _is_bug(error.__cause__)
    return isinstance(error, TypeError | ValueError | LookupError | AttributeError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_mlflow(error: BaseException) -> bool:
    return hasattr(error, "get_http_status_code")


def _is_bug(cause: BaseException | None) -> bool:
    return cause is not None and not isinstance(cause, OSError) and not _is_mlflow(cause)


def _status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error stands for, if it stands for one."""
    if _is_mlflow(error):
        status: int = error.get_http_status_code()  # type: ignore[attr-defined]
        return status
    answer = getattr(error, "response", None)  # of requests, for files
    return getattr(answer, "status_code", None)


def _is_transport(error: BaseException) -> bool:
    """Return whether there was no answer; requests' and urllib3's errors are told by their names."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    module, name = type(error).__module__.partition(".")[0], type(error).__name__
    words = ("Connect", "Timeout", "MaxRetry", "Retry", "Chunked", "Protocol")
    return module in ("requests", "urllib3", "botocore") and any(word in name for word in words)
