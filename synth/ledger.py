"""What a run has made so far, step by step: told on the terminal, to the tracker, and to its files."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth.io import JsonlWriter
from synth.records import Failure
from synth.rows import FAILURES
from synth.tracking import Tracker

log = logging.getLogger(__name__)

REPORT = "report.html"
"""Where the page of a run is, in its folder."""
COUNTS = ("n_documents", "n_chunks", "n_pairs", "n_kept", "n_failures")

_MOST_TOLD = 20
"""Failures of a step that the terminal shows; all of them are rows of a file."""


@dataclass
class Outcome:
    """What a run has made so far: counts (``n_…``), the seconds of its steps (``…_s``)."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    timings: dict[str, float] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    """Steps that are complete."""
    server: dict[str, Any] = field(default_factory=dict)
    """What is known of servers that others have used for it: :mod:`synth.shards`."""


class Ledger:
    """Keeps the outcome of the run in ``folder``; it is true at any time, also after a failure."""

    def __init__(
        self, folder: Path, tracker: Tracker, save: Callable[[], None], steps: Sequence[str]
    ) -> None:
        """Begin.

        Args:
            save: called when a step is complete.
            steps: those that earlier attempts have completed.
        """
        self._folder, self._tracker, self._save = folder, tracker, save
        self._n_failed = Counter[str]()
        self.outcome = Outcome(steps=list(steps))

    def count(self, name: str, n: int) -> None:
        """Add to a count."""
        self.outcome.counts[name] += n

    def fail(self, failure: Failure) -> None:
        """Write down what gave nothing."""
        self._n_failed[failure.stage] += 1
        is_told = self._n_failed[failure.stage] <= _MOST_TOLD
        level = logging.WARNING if is_told else logging.DEBUG
        log.log(level, "%s: %s %s", failure.stage, failure.id, failure.detail)
        with JsonlWriter(self._folder / FAILURES) as writer:
            writer.write(asdict(failure))
        self.count("n_failures", 1)

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Take the time of a step."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.outcome.timings[f"{step}_s"] = time.monotonic() - begin

    def complete(self, step: str, counts: dict[str, int]) -> None:
        """Say that a step is complete, and how much it has made of what."""
        made = ", ".join(f"{n:,} {name}" for name, n in counts.items())
        if n_failed := self._n_failed[step]:
            made += f" ({n_failed:,} not used: {FAILURES})"
        figures = {f"{step}/n_{name}": float(n) for name, n in counts.items()}
        seconds = self.outcome.timings.get(f"{step}_s")
        if seconds is None:
            log.info("%-9s %s, done before", step, made)
        else:
            log.info("%-9s %s in %.1f s", step, made or "ready", seconds)
            figures[f"{step}/duration_s"] = seconds
        self._tracker.log_metrics(figures)
        if step not in self.outcome.steps:
            self.outcome.steps.append(step)
        self._save()
