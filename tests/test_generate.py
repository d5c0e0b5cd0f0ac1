"""The stage against the stub: pairs or a reason for every chunk."""

import asyncio

import pytest

from synth.errors import BudgetExceeded
from synth.generate import Tally, generate, request_seed
from synth.records import Chunk, Failure

CHUNKS = [Chunk(f"d-{n}-{n + 1}", "d", n, n + 1, 1, f"{n}.txt") for n in range(12)]


@pytest.fixture
def run(make_config, serve):
    def call(*switches, overrides=()):
        config = make_config("gen.max_retries=0", "gen.concurrency=1", *overrides)
        endpoint, tally = serve(*switches), Tally()

        async def collect():
            stream = generate(CHUNKS, lambda chunk: chunk.id, endpoint, config, tally)
            return [result async for result in stream]

        return asyncio.run(collect()), tally

    return call


def test_every_chunk_gives_its_pairs_in_order(run):
    results, tally = run()
    assert [pairs[0].chunk_id for pairs in results] == [chunk.id for chunk in CHUNKS]
    assert [pair.id for pair in results[0]] == ["d-0-1-0", "d-0-1-1", "d-0-1-2"]
    assert (tally.n_requests, tally.completion_tokens) == (12, 12 * 50)


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
    assert tally.n_cut_off == 12


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
