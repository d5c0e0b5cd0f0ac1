"""The jobs of a sweep in their order, and what can be said of it in words and in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from synth.comparison.units import LEAST_UNITS, Units

SPEED = "generate/output_tokens_per_s"


@dataclass(frozen=True)
class Entry:
    """One finished job."""

    number: int
    name: str
    """What varies: ``chunk.size=256 gen.temperature=0.3``."""
    settings: Mapping[str, Any]
    """What varies, by key."""
    metrics: Mapping[str, float]
    figures: pd.DataFrame = field(repr=False)
    """One row a chunk: its place in its document, and columns that are summed."""


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """One job in the comparison."""

    entry: Entry
    value: float | None
    """The objective."""
    intervals: Mapping[str, Interval]
    """Of every metric that is a ratio of sums."""
    behind: float | None = None
    """By how much the best job is better; never negative."""
    behind_interval: Interval | None = None
    p_best_is_better: float | None = None
    """That the best job is better than this one: from the draws, corrected for small samples."""


@dataclass(frozen=True)
class Comparison:
    """The jobs of a sweep, best first; those without the objective are last.

    A difference is called one when its interval does not hold 0. The interval is that of two jobs
    chosen beforehand. Of the best of many jobs two things are not said: that its own figure will
    be as high again (the best of many has also been lucky), and that it differs from *each* of
    the others (of twenty that are alike, one interval may well miss 0).
    """

    objective: str
    lowest_is_best: bool
    standings: Sequence[Standing]
    units: Units
    """What was drawn for the intervals."""

    @property
    def best(self) -> Standing | None:
        """The best job; None if none has the objective."""
        return next((one for one in self.standings if one.value is not None), None)

    @property
    def runner_up(self) -> Standing | None:
        """The second best."""
        ranked = [one for one in self.standings if one.value is not None]
        return ranked[1] if len(ranked) > 1 else None

    def verdict(self) -> str:
        """Return in plain sentences which job is best, and whether that can be told."""
        best, other = self.best, self.runner_up
        if best is None:
            return f"No finished job has {self.objective}."
        value = f"{self.objective} {_figure(best.value, best.intervals.get(self.objective))}"
        if other is None:
            return f"{best.entry.name}: {value}."
        if other.behind == 0:
            return f"{best.entry.name}: {value}. {other.entry.name} is as good."
        return f"{best.entry.name} is best: {value}. {_gap(other, self.units)}"


def to_table(comparison: Comparison) -> pd.DataFrame:
    """Return one row a job, best first: settings, objective, all metrics, their intervals."""
    rows = []
    for one in comparison.standings:
        row: dict[str, Any] = {"job": one.entry.number, **one.entry.settings}
        row[comparison.objective] = one.value
        row["behind the best"], row["best is better (probability)"] = (
            one.behind,
            one.p_best_is_better,
        )
        row |= {name: value for name, value in one.entry.metrics.items() if name not in row}
        for name, interval in one.intervals.items():
            row |= {f"{name} low": interval.low, f"{name} high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _gap(other: Standing, units: Units) -> str:
    assert other.behind is not None
    interval, name = other.behind_interval, other.entry.name
    if interval is None:
        few = f" from {units}" if units.n_shared < LEAST_UNITS else ""
        return f"It is {other.behind:.3g} better than {name}; how sure that is can't be told{few}."
    chance = f"probability {_percent(other.p_best_is_better or 0)}"
    held = f"95 %: {interval.low:.3g} to {interval.high:.3g}, {chance}"
    limit = "" if units.kind == "document" else f" Judged by {units}; others may differ."
    if interval.low <= 0:
        return f"It can't be told from {name}: {other.behind:.3g} better ({held}).{limit}"
    return f"It is {other.behind:.3g} better than {name} ({held}).{limit}"


def _percent(probability: float) -> str:
    return "over 99.9 %" if probability > 0.999 else f"{100 * probability:.3g} %"


def _figure(value: float | None, interval: Interval | None) -> str:
    return f"{value:.3g}" + (
        f" (95 %: {interval.low:.3g} to {interval.high:.3g})" if interval else ""
    )
