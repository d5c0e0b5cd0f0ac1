"""Rates while they last: windows, points that are bounded, lines."""

import asyncio
import io
import logging
from dataclasses import replace

import pytest
import rich
from rich.console import Console

from synth.io import JsonlWriter
from synth.meter import Extent, Meter, Reading, describe, figures_of, metering
from synth.pool import Total
from synth.progress import show_progress
from synth.records import Request
from synth.tally import Tally
from synth.tracking import SilentTracker
from tests.conftest import wait_until

REQUEST = Request(
    chunk_id="c",
    prompt_tokens=100,
    cached_tokens=0,
    output_tokens=50,
    finish_reason="stop",
    latency_s=2.0,
    server_s=0.25,
)


class Curves(SilentTracker):
    """Keeps the points, without a store."""

    def __init__(self):
        super().__init__()
        self.points = []

    def log_points(self, metrics):
        self.points.append({name.removeprefix("generate/now_"): n for name, n in metrics.items()})


@pytest.fixture
def curves():
    return Curves()


@pytest.fixture
def tally(tmp_path, make_config):
    with JsonlWriter(tmp_path / "requests.jsonl") as writer:
        yield Tally(writer, cost=make_config().cost)


@pytest.fixture
def meter(tally, curves):
    """A meter of 100 chunks, ten of which an earlier attempt has done."""
    with show_progress("", 100) as bar:
        yield Meter(
            tally,
            curves,
            lambda: (3, 8),
            Extent(Total(100, is_final=True), n_done=10, n_pairs=20),
            bar,
        )


def reading(at_s, n_done=0, n_pairs=0, tokens=0, n_in_flight=0, limit=0):
    return Reading(at_s, n_done, n_pairs, tokens, tokens, n_in_flight, limit)


def test_figures_are_since_a_reading():
    figures = figures_of(reading(5, 2, 6, 100), reading(15, 4, 16, 300, 7, 8), 40)
    assert figures == {
        "pairs_per_s": 1,
        "output_tokens_per_s": 20,
        "done_frac": 0.1,
        "n_pairs": 16,
        "n_output_tokens": 300,
        "in_flight": 7,
        "limit": 8,
    }


def test_no_time_and_nothing_to_do_are_figures_too():
    figures = figures_of(reading(5), reading(5), 0)
    assert (figures["pairs_per_s"], figures["done_frac"]) == (0, 0)


@pytest.mark.parametrize(
    ("now", "n_chunks", "said"),
    [
        (
            reading(10, 10, 124, 18_300, 64, 64),
            210,
            "3:20 left · 12.4 pairs/s · 1,830 tok/s · 64 in flight",
        ),
        (reading(10, 1, 3), 1001, "2:46:40 left · 0.3 pairs/s"),
        (reading(10, 0, 0, 0, 4, 8), 10, "0.0 pairs/s · 4 in flight"),
    ],
    ids=["server", "tool that nobody counts", "nothing yet"],
)
def test_line_says_what_is_known(now, n_chunks, said):
    assert describe(reading(0), now, Total(n_chunks, is_final=True)) == said


def test_what_is_left_is_not_said_while_more_may_come():
    assert describe(reading(0), reading(10, 5, 20), Total(100)) == "2.0 pairs/s"


def test_rate_forgets_what_is_older_than_the_window(meter, curves):
    for second in range(61):
        meter.count(1 if second < 30 else 4)
        meter.tick(meter._begin.at_s + second)
    assert [point["pairs_per_s"] for point in curves.points[-2:]] == [4, 4]
    assert len(meter._window) < 25


def test_points_come_at_the_interval_and_at_the_end(meter, curves):
    for tick in range(24):
        meter.tick(meter._begin.at_s + tick / 2)
    meter.count(5)
    meter.finish(meter._begin.at_s + 11.7)
    assert [point["done_frac"] for point in curves.points] == [0.1, 0.1, 0.11]
    assert curves.points[-1]["n_pairs"] == 25
    assert (curves.points[-1]["in_flight"], curves.points[-1]["limit"]) == (3, 8)


def test_rate_of_a_point_is_since_the_last_one(meter, curves, monkeypatch):
    monkeypatch.setattr("synth.monitor.INTERVAL_S", 100)
    meter._next_point_s = meter._begin.at_s + 100
    for second in range(201):
        meter.count(1 if second < 150 else 3)
        meter.tick(meter._begin.at_s + second)
    assert curves.points[-1]["pairs_per_s"] == pytest.approx(2, abs=0.05)


def test_stored_replies_are_no_speed(meter, tally, curves):
    tally.add(replace(REQUEST, is_stored=True))
    tally.add(REQUEST)
    meter.finish(meter._begin.at_s + 2)
    (point,) = curves.points
    assert (point["output_tokens_per_s"], point["n_output_tokens"]) == (25, 100)


def test_log_has_a_line_now_and_then_without_a_terminal(meter, caplog):
    caplog.set_level(logging.INFO)
    for second in (10, 29, 31, 40, 60, 62):
        meter.tick(meter._begin.at_s + second)
    assert caplog.messages == ["generate  10 of 100 chunks, 0.0 pairs/s · 3 in flight"] * 2


def meter_all(tally, curves, n_chunks):
    async def run():
        async with metering(tally, curves, lambda: (1, 4), Extent(Total(n_chunks))) as meter:
            for _ in range(n_chunks):
                meter.count(3)

    asyncio.run(run())


@pytest.mark.parametrize("n_chunks", [0, 5])
def test_short_run_has_one_point_and_no_line(tally, curves, caplog, n_chunks):
    meter_all(tally, curves, n_chunks)
    (point,) = curves.points
    assert (point["n_pairs"], point["done_frac"]) == (3 * n_chunks, bool(n_chunks))
    assert caplog.messages == []


def test_failure_is_not_hidden_and_no_task_is_left(tally, curves):
    async def run():
        with pytest.raises(ValueError, match="bad"):
            async with metering(tally, curves, lambda: (0, 0), Extent(Total(5))):
                raise ValueError("bad")
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
    assert len(curves.points) == 1


def test_terminal_shows_the_rates_and_the_log_is_quiet(tally, curves, monkeypatch, caplog):
    terminal = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=terminal, force_terminal=True, width=120))
    with show_progress("generate pairs", 100) as bar:
        meter = Meter(tally, curves, lambda: (3, 8), Extent(Total(100, is_final=True)), bar)
        meter.count(20)
        meter.tick(meter._begin.at_s + 40)
        wait_until(lambda: "1:06:00 left · 0.5 pairs/s · 3 in flight" in terminal.getvalue())
    assert caplog.messages == []
