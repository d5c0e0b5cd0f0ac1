"""How generation goes while it goes: rates on the terminal, curves in the tracker.

A sample reads a few sums (microseconds), so it may be taken often; what is logged of them is bounded
(:func:`synth.monitor.interval_at`).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from synth.monitor import interval_at
from synth.pool import Total
from synth.progress import Bar, has_bars, show_progress
from synth.tally import Tally
from synth.tracking import Tracker

log = logging.getLogger(__name__)

TICK_S = 0.5
"""Between what the terminal shows."""
LINE_S = 30.0
"""Between lines of the log, where there is no terminal."""
WINDOW_S = 20.0
"""Over which rates are taken."""


@dataclass(frozen=True)
class Extent:
    """What is to be generated, and what earlier attempts have of it."""

    chunks: Total
    n_done: int = 0
    n_pairs: int = 0


@dataclass(frozen=True)
class Reading:
    """Totals at a moment of the monotonic clock, and the requests in flight of those that may be."""

    at_s: float
    n_done: int
    n_pairs: int
    n_output_tokens: int
    n_sent_tokens: int
    """Output tokens without those of stored replies."""
    n_in_flight: int
    limit: int


class Meter:
    """Follows one generation: chunks and pairs are counted here, tokens in the tally."""

    def __init__(
        self,
        tally: Tally,
        tracker: Tracker,
        read_state: Callable[[], tuple[int, int]],
        extent: Extent,
        bar: Bar,
    ) -> None:
        self._tally, self._tracker, self._read_state, self._bar = tally, tracker, read_state, bar
        self._chunks, self._n_done, self._n_pairs = extent.chunks, extent.n_done, extent.n_pairs
        self._begin = self._logged = self._read(time.monotonic())
        self._window = deque([self._begin])
        self._next_point_s = self._begin.at_s + interval_at(0.0)
        self._next_line_s = self._begin.at_s + LINE_S

    def count(self, n_pairs: int) -> None:
        """Count a chunk that is done, and the pairs that came of it."""
        self._n_done += 1
        self._n_pairs += n_pairs
        self._bar(1)

    def tick(self, now_s: float) -> None:
        """Take a sample at a moment of the monotonic clock; show it, and log it where that is due."""
        now = self._slide(now_s)
        said = describe(self._window[0], now, self._chunks)
        self._bar.expect(self._chunks.n)
        self._bar.say(said)
        if now_s >= self._next_line_s:
            self._next_line_s = now_s + LINE_S
            if not has_bars():
                so_far = "" if self._chunks.is_final else " so far"
                log.info(
                    "generate  %d of %d chunks%s, %s", now.n_done, self._chunks.n, so_far, said
                )
        if now_s >= self._next_point_s:
            self._log_point(now)

    def finish(self, now_s: float) -> None:
        """Log the last point; a short run has no other."""
        self._log_point(self._slide(now_s))

    def _slide(self, now_s: float) -> Reading:
        """Take a sample, and let go of what the window does not need any more."""
        now = self._read(now_s)
        self._window.append(now)
        while now_s - self._window[1].at_s >= WINDOW_S:
            self._window.popleft()
        return now

    def _log_point(self, now: Reading) -> None:
        before = min(self._window[0], self._logged, key=lambda reading: reading.at_s)
        figures = figures_of(before, now, self._chunks.n)
        self._tracker.log_points({f"generate/now_{name}": n for name, n in figures.items()})
        self._logged = now
        self._next_point_s = now.at_s + interval_at(now.at_s - self._begin.at_s)

    def _read(self, now_s: float) -> Reading:
        n_in_flight, limit = self._read_state()
        return Reading(
            at_s=now_s,
            n_done=self._n_done,
            n_pairs=self._n_pairs,
            n_output_tokens=self._tally.answered.output_tokens,
            n_sent_tokens=self._tally.sent.output_tokens,
            n_in_flight=n_in_flight,
            limit=limit,
        )


@asynccontextmanager
async def metering(
    tally: Tally, tracker: Tracker, read_state: Callable[[], tuple[int, int]], extent: Extent
) -> AsyncIterator[Meter]:
    """Follow what is generated in this context, on the terminal and in the tracker.

    Args:
        tally: has the requests of earlier attempts already.
        tracker: gets the curves.
        read_state: returns the requests in flight, and how many may be; (0, 0) if nobody knows.
        extent: what there is to do.
    """
    with show_progress("generate pairs", extent.chunks.n) as bar:
        bar(extent.n_done)
        meter = Meter(tally, tracker, read_state, extent, bar)
        ticking = asyncio.create_task(_keep_ticking(meter))
        try:
            yield meter
        finally:
            ticking.cancel()
            meter.finish(time.monotonic())
            await asyncio.gather(ticking, return_exceptions=True)


async def _keep_ticking(meter: Meter) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        meter.tick(time.monotonic())


def figures_of(before: Reading, now: Reading, n_chunks: int) -> dict[str, float]:
    """Return the figures of a moment; rates are since ``before``."""
    figures = {
        "pairs_per_s": _rate(before.n_pairs, now.n_pairs, now.at_s - before.at_s),
        "output_tokens_per_s": _rate(
            before.n_sent_tokens, now.n_sent_tokens, now.at_s - before.at_s
        ),
        "done_frac": now.n_done / max(1, n_chunks),
        "n_pairs": float(now.n_pairs),
        "n_output_tokens": float(now.n_output_tokens),
    }
    if now.limit:
        figures |= {"in_flight": float(now.n_in_flight), "limit": float(now.limit)}
    return figures


def describe(before: Reading, now: Reading, chunks: Total) -> str:
    """Return the same in words, what matters most first: ``3:20 left · 12.4 pairs/s · …``.

    What is left is not known as long as chunks are still to come.
    """
    figures = figures_of(before, now, chunks.n)
    chunks_per_s = _rate(before.n_done, now.n_done, now.at_s - before.at_s)
    is_known = chunks.is_final and chunks_per_s
    left = [f"{_clock((chunks.n - now.n_done) / chunks_per_s)} left"] if is_known else []
    tokens = [f"{figures['output_tokens_per_s']:,.0f} tok/s"] if now.n_output_tokens else []
    in_flight = [f"{now.n_in_flight:,} in flight"] if now.limit else []
    return " · ".join([*left, f"{figures['pairs_per_s']:,.1f} pairs/s", *tokens, *in_flight])


def _rate(before: int, now: int, seconds: float) -> float:
    return (now - before) / seconds if seconds > 0 else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
