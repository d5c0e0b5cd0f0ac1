"""How many requests an endpoint takes at a time: told by the endpoint, or found by trying. Pure."""

import statistics

from synth.load import Load

_GAIN = 1.1
"""Growth of the rate by which doubling the requests has paid."""
_SLOWER = 1.75
"""Growth of the latency that tells of a queue."""
_SHRINK = 0.75
_LEAST_WINDOW = 8
_FULL = 0.95
"""Share of the KV cache in use from which on more requests would push others out."""
_LESS = 0.9
"""Share of the requests at work that remains when some were pushed out."""


def headroom(n_requests: int) -> int:
    """Return how many more may wait at the server, so that none of its places is ever free."""
    return max(1, n_requests // 16)


class Limit:
    """The requests that may be in flight to one endpoint, between 1 and ``most``.

    An endpoint that reports its load is given what it works on and a few more. Of others the
    limit is doubled as long as the rate of answers grows, then raised by one for each full round of
    answers, and lowered by a quarter when a request is refused or answers become slow: additive
    increase, multiplicative decrease.
    """

    def __init__(self, start: int, most: int) -> None:
        self.value = max(1, min(start, most))
        self._most = most
        self._is_told = False
        self._is_doubling = True
        self._doubled_from: int | None = None
        self._best_rate = 0.0
        self._fastest_s = float("inf")
        self._shrunk = float("-inf")
        self._latencies_s: list[float] = []
        self._since: float | None = None
        self._load: Load | None = None

    def raise_most(self, most: int) -> None:
        """Allow more, if others who use the endpoint need it."""
        self._most = max(self._most, most)

    def answered(self, sent: float, now: float, *, is_full: bool) -> None:
        """Learn of an answer.

        Args:
            sent: when the request was sent, in seconds of any clock.
            now: the time by the same clock.
            is_full: whether as many requests were in flight as may be.
        """
        if self._is_told or not is_full:
            return
        if self._since is None:
            self._since = sent
        self._latencies_s.append(now - sent)
        if len(self._latencies_s) >= max(self.value, _LEAST_WINDOW):
            self._close_round(now)

    def refused(self, sent: float, now: float) -> None:
        """Learn of a request that was too much; those sent before the last of them say no more."""
        if sent >= self._shrunk:
            self._shrink(now)

    def reported(self, load: Load, n_busy: int) -> None:
        """Learn what the endpoint says of its load.

        Args:
            n_busy: requests of ours that are in flight.
        """
        before, self._load, self._is_told = self._load, load, True
        spare = headroom(self.value)
        if before is None:
            return
        if load.n_preemptions > before.n_preemptions:  # it throws away what it has begun
            self.value = max(1, min(self.value, int(load.n_running * _LESS)))
        elif min(load.n_waiting, before.n_waiting) > spare and load.n_running <= before.n_running:
            self.value = max(1, min(self.value, n_busy - load.n_waiting + spare))
        elif load.n_waiting == 0 and n_busy >= self.value and load.kv_used_frac < _FULL:
            self.value = min(self._most, self.value + max(1, self.value // 2))

    def _close_round(self, now: float) -> None:
        assert self._since is not None
        rate = len(self._latencies_s) / max(now - self._since, 1e-9)
        latency_s = statistics.median(self._latencies_s)
        self._fastest_s = min(self._fastest_s, latency_s)
        self._latencies_s, self._since = [], None
        if self._is_doubling:
            self._double(rate)
        elif latency_s > _SLOWER * self._fastest_s:
            self._shrink(now)
        else:
            self.value = min(self._most, self.value + 1)

    def _double(self, rate: float) -> None:
        if self._doubled_from is not None and rate < _GAIN * self._best_rate:
            self.value, self._is_doubling = self._doubled_from, False
            self._fastest_s = float("inf")  # few at a time are faster, and make less of the server
            return
        self._best_rate, self._doubled_from = max(self._best_rate, rate), self.value
        self.value = min(self._most, 2 * self.value)
        self._is_doubling = self.value > self._doubled_from

    def _shrink(self, now: float) -> None:
        self.value = max(1, int(self.value * _SHRINK))
        self._is_doubling, self._shrunk = False, now
        self._latencies_s, self._since = [], None
