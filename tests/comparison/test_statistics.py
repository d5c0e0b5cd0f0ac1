"""The comparison against known answers."""

from dataclasses import replace

import numpy as np
import pytest

from synth.comparison.standings import to_table
from synth.comparison.statistics import compare
from synth.measure import MEANS, OVERALL, RATIOS, metrics_of
from tests.comparison.conftest import make_entry

OBJECTIVE = "quality/accepted_frac"


def ranked(*entries, objective=OBJECTIVE, seed=0, n=600):
    return compare(entries, objective, RATIOS, seed, n_resamples=n)


def simulate(rng, gap, n_documents=30):
    """Two jobs on the same documents, of skewed sizes; the first is better by ``gap``."""
    asked = np.maximum(1, rng.lognormal(2.5, 0.6, n_documents)).astype(int)
    hard = rng.normal(0, 0.12, n_documents)
    return [
        make_entry(n, {"x": n}, rng.binomial(asked, np.clip(mean + hard, 0.01, 0.99)), asked)
        for n, mean in enumerate((0.5 + gap, 0.5))
    ]


def test_identical_jobs_are_as_good():
    usable = np.arange(12)
    comparison = ranked(make_entry(0, {"x": 0}, usable), make_entry(1, {"x": 1}, usable))
    other = comparison.runner_up
    assert (other.behind, other.p_best_is_better) == (0, 0.5)
    assert (other.behind_interval.low, other.behind_interval.high) == (0, 0)
    assert comparison.verdict().endswith("x=1 is as good.")


def test_jobs_that_are_alike_are_rarely_called_different():
    rng = np.random.default_rng(1)
    others = [ranked(*simulate(rng, 0), seed=n).runner_up for n in range(200)]
    n_called = sum(other.behind_interval.low > 0 for other in others)
    assert n_called <= 21  # 5 % of 200; more than 21 has a probability of 0.1 %


def test_intervals_of_a_planted_difference_hold_it():
    rng, gap = np.random.default_rng(2), 0.1
    n_held = n_found = 0
    for n in range(200):
        other = ranked(*simulate(rng, gap), seed=n).runner_up
        sign = 1 if other.entry.number == 1 else -1
        n_held += other.behind_interval.low <= sign * gap <= other.behind_interval.high
        n_found += sign == 1 and other.behind_interval.low > 0
    assert 180 <= n_held <= 198  # 95 % of 200, and 3.3 standard deviations to either side
    assert n_found >= 150


@pytest.mark.parametrize("n_documents", [6, 12, 40])
def test_probability_and_interval_say_the_same(n_documents):
    rng = np.random.default_rng(9)
    for n in range(40):
        other = ranked(*simulate(rng, 0.05, n_documents), seed=n, n=4000).runner_up
        p, low = other.p_best_is_better, other.behind_interval.low
        assert (p > 0.975) == (low > 0) or low == pytest.approx(0, abs=0.005)


def test_probability_is_never_certain():
    first, second = (make_entry(n, {"x": n}, [9 - n] * 6) for n in range(2))
    assert 0.95 < ranked(first, second).runner_up.p_best_is_better < 1


def test_intervals_of_a_figure_hold_it():
    rng = np.random.default_rng(3)
    intervals = [
        ranked(*simulate(rng, 0), seed=n).best.intervals["quality/returned_frac"] for n in range(20)
    ]
    assert all((one.low, one.high) == (1, 1) for one in intervals)


def test_pairing_takes_out_what_is_hard_for_all():
    rng = np.random.default_rng(4)
    hard = rng.integers(0, 15, 20)
    first = make_entry(0, {"x": 0}, hard + 2)
    same = ranked(first, make_entry(1, {"x": 1}, hard)).runner_up.behind_interval
    names = [f"e{n}" for n in range(20)]
    apart = ranked(first, make_entry(1, {"x": 1}, hard, documents=names)).runner_up.behind_interval
    assert same.high - same.low < 0.2 * (apart.high - apart.low)


def test_same_seed_gives_the_same_figures_in_any_order():
    first, second = simulate(np.random.default_rng(5), 0.1)
    assert to_table(ranked(first, second)).equals(to_table(ranked(second, first)))


def test_lowest_can_be_best():
    entries = [make_entry(n, {"x": n}, [5 * n] * 8) for n in range(3)]
    assert ranked(*entries).best.entry.number == 2
    comparison = ranked(*entries, objective=f"-{OBJECTIVE}")
    assert [one.entry.number for one in comparison.standings] == [0, 1, 2]
    assert comparison.standings[2].behind == pytest.approx(0.5)


def test_objective_that_is_no_ratio_has_no_interval():
    first, second = simulate(np.random.default_rng(6), 0)
    first.metrics["generate/latency_max_s"], second.metrics["generate/latency_max_s"] = 1.0, 3.0
    other = ranked(first, second, objective="generate/latency_max_s").runner_up
    assert (other.behind, other.behind_interval, other.p_best_is_better) == (2, None, None)


def test_mean_of_ratios_has_an_interval_like_they_have():
    rng = np.random.default_rng(7)
    entries = simulate(rng, 0.2, 40)
    for entry in entries:
        entry.figures["covered_chars"] = rng.uniform(0.2, 0.4, 40)
        entry.figures["good_support"] = entry.figures["n_good"]
    entries = [
        replace(entry, metrics=metrics_of(entry.figures.select_dtypes("number").sum()))
        for entry in entries
    ]
    comparison = compare(entries, OVERALL, RATIOS, n_resamples=600, means=MEANS)
    best, other = comparison.standings
    assert best.value == best.entry.metrics[OVERALL]
    interval = best.intervals[OVERALL]
    assert interval.low < best.value < interval.high
    assert other.behind_interval.low > 0.0
    assert other.p_best_is_better > 0.99


def test_mean_with_a_part_that_is_nothing_is_nothing():
    entries = [make_entry(n, {"x": n}, [0] * 6) for n in range(2)]
    comparison = compare(entries, OVERALL, RATIOS, n_resamples=100, means=MEANS)
    assert [one.value for one in comparison.standings] == [0, 0]
    assert comparison.verdict().endswith("is as good.")


def simulate_passages(rng, gap):
    """Two jobs on one document of 40,000 characters, with chunks of 500 and of 1,000."""
    hard = np.repeat(rng.normal(0, 0.12, 40), 2)
    short = rng.binomial(5, np.clip(0.5 + gap + hard, 0.01, 0.99))
    long = rng.binomial(5, np.clip(0.5 + hard[::2], 0.01, 0.99))
    return [
        make_entry(n, {"x": n}, usable, 5.0, length=length)
        for n, (usable, length) in enumerate(((short, 500), (long, 1000)))
    ]


def test_passages_of_one_document_tell_a_planted_difference():
    rng, gap = np.random.default_rng(8), 0.15
    n_held = n_found = 0
    for n in range(200):
        comparison = ranked(*simulate_passages(rng, gap), seed=n)
        other = comparison.runner_up
        sign = 1 if other.entry.number == 1 else -1
        n_held += other.behind_interval.low <= sign * gap <= other.behind_interval.high
        n_found += sign == 1 and other.behind_interval.low > 0
    assert 180 <= n_held <= 198
    assert n_found >= 150
    assert str(comparison.units) == "20 passages of 1 document"
    assert comparison.verdict().endswith("Judged by 20 passages of 1 document; others may differ.")


def test_five_documents_are_drawn_whole():
    entries = [make_entry(n, {"x": n}, [1, 2, 3, 4, 5]) for n in range(2)]
    assert str(ranked(*entries).units) == "5 documents"


@pytest.mark.parametrize("n_documents", [0, 1, 4])
def test_few_documents_give_no_interval(n_documents):
    entries = [make_entry(n, {"x": n}, [n + 1] * n_documents) for n in range(2)]
    comparison = ranked(*entries)
    assert all(not one.intervals for one in comparison.standings)
    assert comparison.verdict()


def test_job_without_a_pair_is_last_and_one_alone_is_best():
    empty = make_entry(0, {"x": 0}, [0] * 8, n_asked=0.0)
    alone = make_entry(1, {"x": 1}, [5] * 8)
    comparison = ranked(empty, alone)
    assert [one.value for one in comparison.standings] == [0.25, None]
    assert comparison.verdict() == "x=1: quality/accepted_frac 0.25 (95 %: 0.25 to 0.25)."
    assert ranked(empty).verdict() == "No finished job has quality/accepted_frac."


def test_table_has_settings_and_intervals():
    table = to_table(ranked(*simulate(np.random.default_rng(7), 0.2)))
    assert list(table.columns[:3]) == ["job", "x", OBJECTIVE]
    assert (table[f"{OBJECTIVE} low"] < table[OBJECTIVE]).all()
