"""Figures of the machine while a run goes on: often at first, and never very many."""

import time

import pytest

from synth import monitor
from synth.monitor import Monitor, interval_at
from tests.conftest import wait_until


@pytest.mark.parametrize(("days", "most"), [(1 / 24, 500), (1, 1200), (30, 2000)])
def test_points_of_a_long_run_are_bounded(days, most):
    age_s, n_points = 0.0, 0
    while age_s < days * 86_400:
        age_s, n_points = age_s + interval_at(age_s), n_points + 1
    assert most / 2 < n_points < most


def test_machine_is_looked_at_again_and_again_by_the_age_of_the_run(monkeypatch):
    ages, points = [], []
    monkeypatch.setattr(monitor, "interval_at", lambda age_s: ages.append(age_s) or 0.01)
    begin_s = time.monotonic()
    watch = Monitor(points.append)
    wait_until(lambda: len(points) >= 3)
    watch.stop()
    n_points = len(points)
    assert all(name.startswith("system/") for name in points[0])
    assert "system/cpu_utilization_percentage" in points[0]
    assert 0 <= ages[0] < ages[-1] <= time.monotonic() - begin_s
    assert n_points <= len(ages) == len(set(ages))
