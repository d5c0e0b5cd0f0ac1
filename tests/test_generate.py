"""The stage against the stub: pairs or a reason for every chunk."""

import asyncio

import pytest

from synth.errors import BudgetExceeded
from synth.generate import Lane, Task, generate, request_seed
from synth.io import JsonlWriter, read_jsonl
from synth.pool import FailureBudget
from synth.records import Chunk, Failure
from synth.slots import Slots
from synth.tally import Tally

CHUNKS = [Chunk(f"d-{n}-{n + 1}", "d", n, n + 1, 1, f"{n}.txt") for n in range(12)]


@pytest.fixture
def run(make_config, serve, tmp_path):
    def call(*switches, overrides=()):
        config = make_config("gen.max_retries=0", "gen.concurrency=1", *overrides)
        endpoint, task = (
            serve(*switches),
            Task(CHUNKS, lambda chunk: chunk.id, FailureBudget(12, 0.5)),
        )

        async def collect():
            with JsonlWriter(tmp_path / "requests.jsonl") as writer:
                tally = Tally(writer, cost=config.cost)
                stream = generate(task, endpoint, config, tally, Lane(Slots()))
                return [result async for result in stream], tally

        return asyncio.run(collect())

    return call


def test_every_chunk_gives_its_pairs_in_order(run):
    results, tally = run()
    assert [pairs[0].chunk_id for pairs in results] == [chunk.id for chunk in CHUNKS]
    assert [pair.id for pair in results[0]] == ["d-0-1-0", "d-0-1-1", "d-0-1-2"]
    figures = tally.figures(36)
    assert (figures["n_requests"], figures["n_output_tokens"]) == (12, 12 * 50)


def test_answered_requests_are_rows_that_share_the_servers_time(run, tmp_path):
    _, tally = run("--delay-s", "0.01", overrides=["gen.concurrency=4"])
    rows = list(read_jsonl(tmp_path / "requests.jsonl"))
    assert {row["chunk_id"] for row in rows} == {chunk.id for chunk in CHUNKS}
    latency, share = (sum(row[name] for row in rows) for name in ("latency_s", "server_s"))
    assert share < latency / 2
    assert tally.figures(36)["output_tokens_per_s"] == pytest.approx(600 / share)


def test_twins_are_first_equally_often():
    lanes = [Lane(Slots(), rank=1, number=number) for number in range(3)]
    first = [min(lanes, key=lambda lane: lane.priority(n)).number for n in range(900)]
    assert all(first.count(number) > 250 for number in range(3))
    assert [lanes[0].priority(n)[:2] for n in range(3)] == [(1, 0), (1, 1), (1, 2)]


def test_failed_request_is_a_row(run):
    results, _ = run("--fail-every", "3")
    failed = [result for result in results if isinstance(result, Failure)]
    assert [(row.id, row.stage, row.error) for row in failed] == [
        (CHUNKS[n].id, "generate", "TransientError") for n in (2, 5, 8, 11)
    ]


def test_passing_failure_costs_a_retry(run):
    results, tally = run("--fail-every", "3", overrides=["gen.max_retries=3"])
    assert not any(isinstance(result, Failure) for result in results)
    assert tally.n_retries > 0


def test_cut_off_reply_gives_its_whole_pairs(run):
    results, tally = run("--cut-off")
    assert {len(pairs) for pairs in results} == {2}
    assert tally.figures(24)["n_cut_off"] == 12


def test_replies_without_pairs_end_the_run(run):
    with pytest.raises(BudgetExceeded, match="the reply holds no pair: 'I would rather"):
        run("--garbage")


def test_seed_depends_on_run_chunk_and_attempt():
    seeds = {
        request_seed(run, chunk, attempt) for run in (0, 1) for chunk in "ab" for attempt in (0, 1)
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert request_seed(0, "a") == request_seed(0, "a")
