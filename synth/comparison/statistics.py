"""Compare jobs by resampling their documents, or passages of them where documents are few.

A metric is a ratio of two sums over documents, and documents are what would differ the next time:
so the bootstrap draws documents, with replacement, and the ratios of each draw show how far a
figure may be from what it would be for other documents of the same kind. All jobs see the same
draws, so that a document that is hard for all of them does not count as a difference (paired).

Intervals are percentiles of the draws, widened for small samples as in T. Hesterberg, "What
Teachers Should Know About the Bootstrap" (2015), with Kish's effective number of documents in place
of their number, since large ones weigh more. Tried on sums of skewed sizes: from ten documents on
94 to 98 % of the intervals hold the truth (BCa's: 87 to 94 %), of five 90 to 92 %, of three 73 to 75 %.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from synth.comparison.standings import Comparison, Entry, Interval, Standing
from synth.comparison.units import LEAST_UNITS, Units, choose_units

LEVEL = 0.95
N_RESAMPLES = 4000

_NO_MEANS: Mapping[str, Sequence[str]] = {}
_BATCH = 4_000_000  # numbers that are drawn at a time

Floats = npt.NDArray[np.float64]


def compare(
    entries: Sequence[Entry],
    objective: str,
    ratios: Mapping[str, tuple[str, str]],
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    means: Mapping[str, Sequence[str]] = _NO_MEANS,
) -> Comparison:
    """Compare jobs.

    Args:
        objective: the metric that decides; with a ``-`` before it the lowest is best. One that is
            not in ``ratios`` is compared by its value alone.
        ratios: the columns of each metric's numerator and denominator.
        n_resamples: draws of the bootstrap.
        means: the ratios that a metric is the geometric mean of.
    """
    name, lowest_is_best = objective.removeprefix("-"), objective.startswith("-")
    entries = sorted(entries, key=lambda entry: entry.number)
    units = choose_units([entry.figures for entry in entries])
    table = _Sums(units, ratios, means)
    values = [_value_of(entry, name, ratios) for entry in entries]
    sign = -1 if lowest_is_best else 1
    order = sorted(range(len(entries)), key=lambda n: _rank(values[n], sign))
    draws = table.draw(
        name if name in ratios or name in means else None, order[:1], sign, (n_resamples, seed)
    )
    standings = [
        Standing(entries[n], values[n], draws.intervals[n], *_behind(n, values, order, sign, draws))
        for n in order
    ]
    return Comparison(name, lowest_is_best, standings, units)


@dataclass(frozen=True)
class _Draws:
    """What the resamples say: by job, and of the difference between the best job and each."""

    intervals: Sequence[Mapping[str, Interval]]
    differences: Sequence[Interval | None]
    p_better: Sequence[float | None]


class _Sums:
    """Numerators and denominators of all jobs and metrics over the union of their units."""

    def __init__(
        self,
        units: Units,
        ratios: Mapping[str, tuple[str, str]],
        means: Mapping[str, Sequence[str]],
    ) -> None:
        self._n_jobs = len(units.sums)
        self._metrics = [*ratios, *means]
        self._parts = [[list(ratios).index(part) for part in parts] for parts in means.values()]
        names = sorted({name for frame in units.sums for name in frame.index})
        self._n_units = len(names)
        above, below = zip(*ratios.values(), strict=True)
        self._above = _stack(units, names, above)
        self._below = _stack(units, names, below)

    def draw(
        self, objective: str | None, best: Sequence[int], sign: int, plan: tuple[int, int]
    ) -> _Draws:
        """Return intervals of all metrics, and of the objective's differences to the best job."""
        nothing = _Draws([{}] * self._n_jobs, [None] * self._n_jobs, [None] * self._n_jobs)
        if self._n_units < LEAST_UNITS:
            return nothing
        column = self._metrics.index(objective) if objective else None

        def statistic(drawn: npt.NDArray[np.int64], axis: int) -> Floats:
            ratios = self._with_means(
                _ratio(self._above[..., drawn].sum(axis), self._below[..., drawn].sum(axis))
            )
            if column is None:
                return ratios
            gaps = sign * (ratios[best[0], column] - ratios[:, column])
            return np.concatenate([ratios, gaps[:, None]], axis=1)

        drawn = _bootstrap(self._n_units, statistic, plan, self._above.shape)
        sizes = self._sizes()
        intervals = [
            {
                name: interval
                for n, name in enumerate(self._metrics)
                if (interval := _interval(drawn[job, n], sizes[job, n])) is not None
            }
            for job in range(self._n_jobs)
        ]
        if column is None:
            return _Draws(intervals, nothing.differences, nothing.p_better)
        least = np.minimum(sizes[:, column], sizes[best[0], column])
        return _Draws(
            intervals,
            [_interval(drawn[job, -1], least[job]) for job in range(self._n_jobs)],
            [_p_positive(drawn[job, -1], least[job]) for job in range(self._n_jobs)],
        )

    def _with_means(self, ratios: Floats) -> Floats:
        """Return ratios (jobs, metrics, draws) and their means; a ratio of nothing counts as 0."""
        means = [
            np.nan_to_num(ratios[:, parts]).prod(axis=1) ** (1 / len(parts))
            for parts in self._parts
        ]
        return np.concatenate([ratios, *(mean[:, None] for mean in means)], axis=1)

    def _sizes(self) -> Floats:
        """Return by job and metric how many units of equal weight tell as much."""
        sizes = _effective_sizes(self._below)
        means = [sizes[:, parts[0]] for parts in self._parts]
        return np.concatenate([sizes, *(mean[:, None] for mean in means)], axis=1)


def _stack(units: Units, names: Sequence[str], columns: Sequence[str]) -> Floats:
    """Return the sums as an array (jobs, metrics, units); 0 where a job has not that unit."""
    stacked = np.zeros((len(units.sums), len(columns), len(names)))
    for number, frame in enumerate(units.sums):
        whole = frame.reindex(index=list(names), columns=list(dict.fromkeys(columns)))
        stacked[number] = whole.fillna(0.0)[list(columns)].to_numpy(float).T
    return stacked


def _bootstrap(
    n: int,
    statistic: Callable[[npt.NDArray[np.int64], int], Floats],
    plan: tuple[int, int],
    shape: tuple[int, ...],
) -> Floats:
    """Return the draws of a statistic of ``n`` units, in its last axis."""
    n_resamples, seed = plan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units that are all alike have no spread
        result = stats.bootstrap(
            (np.arange(n),),
            statistic,
            n_resamples=n_resamples,
            batch=max(1, _BATCH // int(np.prod(shape))),
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    return np.asarray(result.bootstrap_distribution)


def _effective_sizes(weights: Floats) -> Floats:
    """Return how many units of equal weight tell as much; weights are in the last axis."""
    return _ratio(weights.sum(-1) ** 2, (weights**2).sum(-1))


def _interval(drawn: Floats, n_effective: float) -> Interval | None:
    known = drawn[np.isfinite(drawn)]
    if not known.size or not n_effective > 1:
        return None
    tail = (1 - LEVEL) / 2
    z = _spread(n_effective) * stats.t.ppf(tail, n_effective - 1)
    low, high = np.quantile(known, [stats.norm.cdf(z), stats.norm.cdf(-z)])
    return Interval(float(low), float(high))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)


def _p_positive(gaps: Floats, n_effective: float) -> float | None:
    """Return the share of draws above 0 (ties count half), corrected as the intervals are.

    So an interval ends at 0 where the probability is that of its end.
    """
    known = gaps[np.isfinite(gaps)]
    if not known.size or not n_effective > 1:
        return None
    share = ((known > 0) + 0.5 * (known == 0)).mean()
    least = 0.5 / known.size  # no draws at all do not mean that it can't be
    z = stats.norm.ppf(np.clip(share, least, 1 - least))
    return float(stats.t.cdf(z / _spread(n_effective), n_effective - 1))


def _spread(n_effective: float) -> float:
    """Return by how much a mean of so many varies more than its draws do."""
    return math.sqrt(n_effective / (n_effective - 1))


def _value_of(entry: Entry, name: str, ratios: Mapping[str, tuple[str, str]]) -> float | None:
    if name in ratios and set(ratios[name]) <= set(entry.figures.columns):
        above, below = (float(entry.figures[column].sum()) for column in ratios[name])
        return above / below if below else None
    return entry.metrics.get(name)


def _rank(value: float | None, sign: int) -> tuple[bool, float]:
    return (value is None, 0.0 if value is None else -sign * value)


def _behind(
    job: int, values: Sequence[float | None], order: Sequence[int], sign: int, draws: _Draws
) -> tuple[float | None, Interval | None, float | None]:
    best, value = values[order[0]], values[job]
    if best is None or value is None:
        return None, None, None
    if job == order[0]:
        return 0.0, None, None
    return sign * (best - value), draws.differences[job], draws.p_better[job]
