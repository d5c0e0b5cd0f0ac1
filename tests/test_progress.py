"""Bars, on a terminal that is written to a text."""

import io
from contextlib import ExitStack

import pytest
import rich
from rich.console import Console

from synth.progress import has_bars, labelled, share_progress, show_progress
from tests.conftest import wait_until

SAID = "3:20 left · 12.4 pairs/s"


@pytest.fixture
def terminal(monkeypatch):
    """Make a terminal of some width; returns the text that it has been sent."""

    def make(width=100):
        text = io.StringIO()
        monkeypatch.setattr(rich, "_console", Console(file=text, force_terminal=True, width=width))
        return text

    return make


def test_bar_moves_and_says(terminal):
    text = terminal()
    with show_progress("generate pairs", 12) as bar:
        bar(5)
        bar.say(SAID)
        wait_until(lambda: "5/12" in text.getvalue() and SAID in text.getvalue())


def test_narrow_terminal_cuts_what_is_said_last(terminal):
    text = terminal(80)
    with show_progress("generate pairs", 12_000) as bar:
        bar.say(f"{SAID} · 1,830 tok/s · 64 in flight")
        wait_until(lambda: "0/12000" in text.getvalue() and "3:20 left · " in text.getvalue())
    assert "64 in flight" not in text.getvalue()


def test_bars_of_jobs_stand_below_each_other(terminal):
    text = terminal()
    with share_progress(), ExitStack() as jobs:
        for number in (0, 1):
            with labelled(f"#{number} "):
                jobs.enter_context(show_progress("generate", 2)).say(f"said by {number}")
        wait_until(lambda: "said by 1" in text.getvalue())
    rows = [row for row in text.getvalue().splitlines() if "said by" in row]
    assert ["#0 generate" in row for row in rows[-2:]] == [True, False]


def test_no_terminal_shows_nothing(capsys):
    with show_progress("generate pairs", 3) as bar:
        bar(1)
        bar.say(SAID)
    assert not has_bars()
    assert capsys.readouterr().out.strip() == ""
