"""The limit follows what an endpoint takes, told or found out; on a simulated clock."""

import heapq

import pytest

from synth.limit import Limit
from synth.load import Load


def ask_all(limit, places, seconds=1.0, service_s=0.1):
    """Ask a server with so many places, without a queue limit, for some seconds; return the peak."""
    now, n_busy, peak, ends = 0.0, 0, 0, []
    free_at = [0.0] * places
    while now < seconds:
        while n_busy < limit.value:
            begin = max(now, heapq.heappop(free_at))
            heapq.heappush(free_at, begin + service_s)
            heapq.heappush(ends, (begin + service_s, now))
            n_busy += 1
        peak = max(peak, n_busy)
        now, sent = heapq.heappop(ends)
        limit.answered(sent, now, is_full=n_busy >= limit.value)
        n_busy -= 1
    return peak


@pytest.mark.parametrize("places", [24, 100, 500])
def test_finds_what_an_endpoint_takes(places):
    limit = Limit(16, 1024)
    ask_all(limit, places, seconds=20)
    assert places / 2 <= limit.value <= 3 * places


def test_never_more_than_the_most():
    limit = Limit(16, 40)
    assert ask_all(limit, 1000, seconds=20) == 40


def test_refusals_shrink_it_once_for_all_that_were_in_flight():
    limit = Limit(64, 1024)
    for _ in range(64):
        limit.refused(sent=0.0, now=1.0)
    assert limit.value == 48
    limit.refused(sent=1.5, now=2.0)
    assert limit.value == 36


def test_it_is_never_less_than_one():
    limit = Limit(2, 4)
    for n in range(20):
        limit.refused(sent=n, now=n)
    assert limit.value == 1


def test_slow_answers_shrink_it():
    limit = Limit(16, 16)
    ask_all(limit, 16, seconds=2)
    ask_all(limit, 1, seconds=20)
    assert limit.value < 12


def report(limit, n_busy, *loads, used_frac=0.5):
    for running, waiting, preempted in loads:
        limit.reported(Load(running, waiting, used_frac, preempted), n_busy)


def test_told_that_none_waits_it_grows():
    limit = Limit(16, 32)
    report(limit, 16, (16, 0, 0), (16, 0, 0))
    assert limit.value == 24


def test_told_that_its_memory_is_full_it_does_not():
    limit = Limit(16, 32)
    report(limit, 16, (16, 0, 0), (16, 0, 0), used_frac=0.97)
    assert limit.value == 16


def test_a_queue_that_lasts_shrinks_it_to_what_runs():
    limit = Limit(64, 64)
    report(limit, 64, (20, 44, 0), (20, 44, 0))
    assert 20 < limit.value <= 24


def test_a_burst_that_the_server_works_off_does_not():
    limit = Limit(64, 64)
    report(limit, 64, (8, 56, 0), (30, 34, 0), (64, 0, 0))
    assert limit.value == 64


def test_preemption_shrinks_it_below_what_runs():
    limit = Limit(64, 64)
    report(limit, 64, (50, 0, 0), (50, 0, 3))
    assert limit.value == 45


def test_an_endpoint_that_tells_is_not_tried():
    limit = Limit(16, 1024)
    report(limit, 4, (4, 0, 0))
    ask_all(limit, 1000, seconds=5)
    assert limit.value == 16
