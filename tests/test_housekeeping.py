"""The store of replies is listed and cleaned from the command line."""

import asyncio
import os
from pathlib import Path

import pytest

from synth.records import Reply, Usage
from synth.replies import NAME, Replies


@pytest.fixture
def three_replies():
    async def fill(replies):
        async def ask():
            return Reply("x" * 1000, "stop", Usage())

        for n in range(3):
            await replies.once("owner/model@abc [fp8]", {"n": n}, ask)

    with Replies(Path(os.environ["SYNTH_CACHE"]) / NAME) as replies:
        asyncio.run(fill(replies))


def test_replies_are_listed_by_model(run_cli, three_replies):
    done = run_cli("replies")
    assert done.returncode == 0
    assert "owner/model@abc [fp8]  3        0.0  20" in done.stdout


def test_replies_are_cleaned_by_size(run_cli, three_replies):
    done = run_cli("replies", "max_gib=0.000002")
    assert "2 replies deleted" in done.stdout
    assert "owner/model@abc [fp8]  1 " in run_cli("replies").stdout


def test_new_replies_are_kept_by_age(run_cli, three_replies):
    assert "0 replies deleted" in run_cli("replies", "max_age_d=1").stdout


def test_nothing_is_told_to_be_nothing(run_cli):
    assert run_cli("replies").stdout.endswith("none\n")


@pytest.mark.parametrize("argument", ["max_age=3", "max_gib=much", "max_gib=-1", "nan"])
def test_wrong_argument_is_told(run_cli, three_replies, argument):
    done = run_cli("replies", argument)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{argument}: expected max_age_d=… (days" in done.stderr
