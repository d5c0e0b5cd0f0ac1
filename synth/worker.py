"""The thread that talks to a store, and what it does while the store is away.

What failed is tried again with growing pauses, and everything else waits behind it; nobody waits
for the thread but who closes it.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Protocol, TypeVar

from synth.errors import TrackingError
from synth.outages import is_away

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_LAST_PAUSE_S = 2.0
"""While somebody waits for the end."""


class Sender(Protocol):
    """What has something to send, a piece at a time."""

    def send(self) -> None:
        """Send a piece."""

    def has_more(self) -> bool:
        """Return whether there is more to be sent."""

    def keep(self) -> None:
        """Keep what waits beside the run: the store is away."""

    def give_up(self, error: Exception) -> TrackingError | None:
        """Take note of an error; return it in words, None if it is known already."""

    def leave(self, error: Exception) -> TrackingError:
        """Take note that the store did not come back in time; return it in words."""

    def describe(self, error: Exception) -> str:
        """Return an error of the store in words."""


class Worker:
    """Sends for as many senders as there are, in turn and each in its own order."""

    def __init__(self) -> None:
        self.errors: list[TrackingError] = []
        """What has gone wrong, for whichever sender; a store that is away counts at the end."""
        self.is_away = False
        self._senders: deque[Sender] = deque()
        self._changed = threading.Condition()
        self._deadline_s: float | None = None
        self._is_closing = False
        self._pause_s = 0.0
        self._thread: threading.Thread | None = None
        self._drained: Future[bool] | None = None
        self._ended: Future[None] = Future()

    def submit(self, sender: Sender) -> None:
        """Have the thread send what a sender has."""
        with self._changed:
            if sender not in self._senders:
                self._senders.append(sender)
            if self.is_away:
                sender.keep()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mlflow")
                self._thread.start()
            self._changed.notify()

    async def drain(self, wait_s: float) -> bool:
        """Wait until all of it is sent, but not longer than ``wait_s`` for a store that is away.

        Returns:
            Whether it is.
        """
        with self._changed:
            if not self._senders:
                return True
            self._drained = Future()
        self._limit(wait_s)
        return await _result_of(self._drained)

    def close_soon(self, wait_s: float) -> None:
        """End the thread when all is sent; it waits so long for a store that is away.

        It does not begin to wait anew if it has done so for :meth:`drain`.
        """
        self._limit(wait_s)
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def close(self, wait_s: float = 0.0) -> None:
        """Do the same, and wait for it."""
        self.close_soon(wait_s)
        if self._thread is not None:
            self._thread.join()

    async def closed(self) -> None:
        """Wait until the thread has ended; it goes on if nobody waits any longer."""
        await _result_of(self._ended)
        if self._thread is not None:
            self._thread.join()

    def _limit(self, wait_s: float) -> None:
        with self._changed:
            if self._deadline_s is None:
                self._deadline_s = time.monotonic() + wait_s
            self._changed.notify()

    def _is_late(self) -> bool:
        is_over = self._deadline_s is not None and time.monotonic() >= self._deadline_s
        return self.is_away and is_over

    def _run(self) -> None:
        error: Exception | None = None
        try:
            while (sender := self._next()) is not None:
                error = self._attempt(sender)
            with self._changed:
                left = list(self._senders)
            if error is not None and left:
                self.errors += [sender.leave(error) for sender in left][:1]
        finally:
            self._ended.set_result(None)

    def _next(self) -> Sender | None:
        """Return the sender whose turn it is, when there is one; None at the end."""
        with self._changed:
            if self._drained is not None and (not self._senders or self._is_late()):
                self._drained.set_result(not self._senders)
                self._drained = None
                self._deadline_s = None if not self._senders else self._deadline_s
            while not self._senders:
                if self._is_closing:
                    return None
                self._changed.wait()
            return None if self._is_closing and self._is_late() else self._senders[0]

    def _attempt(self, sender: Sender) -> Exception | None:
        """Send a piece; return why it has to wait."""
        try:
            sender.send()
        except Exception as error:  # noqa: BLE001  (whatever MLflow's store raises)
            if is_away(error):
                self._wait_for_store(sender, error)
                return error
            if (told := sender.give_up(error)) is not None:
                self.errors.append(told)
        else:
            self._is_back()
        with self._changed:
            self._senders.popleft()
            if sender.has_more():
                self._senders.append(sender)
        return None

    def _wait_for_store(self, sender: Sender, error: Exception) -> None:
        with self._changed:
            if not self.is_away:
                self.is_away = True
                log.warning("MLflow is away: %s", sender.describe(error))
            for one in self._senders:
                one.keep()
            begin_s, limit = time.monotonic(), (self._deadline_s, self._is_closing)
            self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
            if self._deadline_s is not None:
                self._pause_s = min(self._pause_s, _LAST_PAUSE_S)
            while (left_s := begin_s + self._pause_s - time.monotonic()) > 0:
                if self._is_late() or limit != (self._deadline_s, self._is_closing):
                    return  # somebody waits now
                self._changed.wait(min(left_s, _LAST_PAUSE_S))

    def _is_back(self) -> None:
        if self.is_away:
            self.is_away, self._pause_s = False, 0.0
            log.info("MLflow is back; what waited is sent")


async def _result_of(future: "Future[Result]") -> Result:
    """Await what the thread does; it does so, too, when nobody waits any longer."""
    return await asyncio.shield(asyncio.wrap_future(future))
