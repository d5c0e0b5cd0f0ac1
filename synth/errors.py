"""Every error that synth raises on purpose.

SynthError (a RuntimeError)
├─ ConfigError        the configuration can't be run; raised before anything starts (a ValueError)
│   └─ InUse              another process is at work on the run or the sweep
├─ IngestError        a document can't be read
├─ TaskError          a task gave no more results
│   ├─ TaskDied           its process died of it, or ran out of memory
│   ├─ TaskTimeout        nothing came of it for too long
│   └─ TaskFailed         it raised an error
├─ ServerError        the managed vLLM
│   ├─ ServerStartError   it could not be launched, or ended before it was ready
│   │   └─ ServerOutOfMemory  … because its memory was not enough
│   ├─ ServerTimeout      it was not ready in time
│   └─ ServerDied         it ended while it was in use
├─ ClientError        a request to the endpoint
│   ├─ TransientError     429, 5xx or transport: the same request may succeed later
│   └─ RequestRejected    any other 4xx: the same request will fail again
├─ ReplyError         the model answered, but not in the agreed form
├─ ToolError          an external tool gave nothing for a chunk
├─ BudgetExceeded     too many items failed for the run to go on
├─ ExportError        a dataset can't be written or pushed
├─ ClusterError       the cluster does not take a job, or has ended it before its time
├─ StoreError         the store of replies can't be read or written
└─ TrackingError      the tracker can't be reached or refused a call

The two built-in bases are what Unsloth's SyntheticDataKit raises, so that what catches them goes on
to work.
"""

from collections.abc import Sequence


class SynthError(RuntimeError):
    """Base of all; its text is one message for the user and says what to do."""


class ConfigError(SynthError, ValueError):
    """The configuration can't be run; ``problems`` holds one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class InUse(ConfigError):  # noqa: N818
    """Another process is at work on the run or the sweep."""


class ClusterError(SynthError):
    """The cluster does not take a job, or has ended it before its time."""


class IngestError(SynthError):
    """A document can't be read."""

    def __init__(self, message: str, path: str) -> None:
        self.path = path
        super().__init__(message)


class TaskError(SynthError):
    """A task in a process of its own gave no more results; the message goes on with "it …"."""


class TaskDied(TaskError):  # noqa: N818
    """The process died of it, or ran out of memory."""


class TaskTimeout(TaskError):  # noqa: N818
    """There was no result for too long."""


class TaskFailed(TaskError):  # noqa: N818
    """The task raised an error."""


class ServerError(SynthError):
    """The managed vLLM failed; ``log_tail`` holds the last lines that it wrote."""

    def __init__(self, message: str, log_path: str = "", log_tail: str = "") -> None:
        self.log_path = log_path
        self.log_tail = log_tail
        super().__init__(message)


class ServerStartError(ServerError):
    """The server could not be launched, or ended before it was ready."""


class ServerOutOfMemory(ServerStartError):  # noqa: N818
    """The server ended before it was ready because its memory was not enough."""


class ServerTimeout(ServerError):  # noqa: N818
    """The server was alive but not ready within ``server.timeout_s``."""


class ServerDied(ServerError):  # noqa: N818
    """The server ended while requests were in flight."""


class ClientError(SynthError):
    """A request failed; ``status`` is 0 when no HTTP reply came back."""

    def __init__(self, message: str, *, url: str, status: int = 0, body: str = "") -> None:
        self.url = url
        self.status = status
        self.body = body
        super().__init__(message)


class TransientError(ClientError):
    """429, 5xx or a transport failure; ``retry_after_s`` is the server's own wish."""

    def __init__(
        self,
        message: str,
        *,
        url: str,
        status: int = 0,
        body: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, url=url, status=status, body=body)


class RequestRejected(ClientError):  # noqa: N818
    """The endpoint understood the request and refused it."""


class ReplyError(SynthError):
    """The model answered, but not in the agreed form; ``text`` is what it said."""

    def __init__(self, message: str, text: str = "") -> None:
        self.text = text
        super().__init__(message)


class ToolError(SynthError):
    """An external tool gave nothing for a chunk, and why if that is known."""


class BudgetExceeded(SynthError):  # noqa: N818
    """More items failed than the run tolerates; ``first`` is the first failure's message."""

    def __init__(self, message: str, *, failed: int, total: int, first: str) -> None:
        self.failed = failed
        self.total = total
        self.first = first
        super().__init__(message)


class ExportError(SynthError):
    """A dataset can't be written, or not pushed to the hub; what was written before is there."""


class StoreError(SynthError):
    """The store of replies can't be read or written."""


class TrackingError(SynthError):
    """The tracker can't be reached or refused a call."""


REPORTED = "reported"
"""Note on an error of which the user was told when it happened."""

OF_AN_ITEM: tuple[type[SynthError], ...] = (IngestError, ClientError, ReplyError, ToolError)
"""What concerns one document, chunk or request, and becomes a row; all else ends the run."""
