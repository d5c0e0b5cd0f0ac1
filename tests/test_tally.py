"""What a run took: sums, percentiles, prices."""

import dataclasses
import tracemalloc

import pytest

from synth.io import JsonlWriter, read_jsonl
from synth.records import Request
from synth.tally import Sums, Tally, count_gpus, price

REQUEST = Request(
    chunk_id="c",
    prompt_tokens=100,
    cached_tokens=40,
    output_tokens=50,
    finish_reason="stop",
    queue_s=0.5,
    latency_s=2.0,
    server_s=0.25,
)


def variant(**fields):
    return dataclasses.replace(REQUEST, **fields)


@pytest.fixture
def tally(tmp_path, make_config):
    """Make a tally over requests; prices and GPUs are settings of it."""
    with JsonlWriter(tmp_path / "requests.jsonl") as writer:

        def make(*requests, n_gpus=0, overrides=()):
            tally = Tally(writer, n_gpus=n_gpus, cost=make_config(*overrides).cost)
            for request in requests:
                tally.add(request)
            return tally

        yield make


def test_counts_are_of_all_requests(tally):
    cut_off = variant(finish_reason="length", n_retries=2)
    figures = tally(REQUEST, cut_off, variant(attempt=1)).figures(6)
    assert (figures["n_requests"], figures["n_sent"], figures["n_stored"]) == (3, 3, 0)
    assert (figures["n_cut_off"], figures["n_retries"], figures["n_reasked"]) == (1, 2, 1)
    tokens = [figures[f"n_{kind}_tokens"] for kind in ("prompt", "cached", "output")]
    assert tokens == [300, 120, 150]
    assert figures["prefix_cache_hit_frac"] == pytest.approx(0.4)


def test_rates_are_by_the_share_of_the_server(tally):
    figures = tally(REQUEST, REQUEST).figures(5)
    assert figures["server_s"] == 0.5
    assert (figures["output_tokens_per_s"], figures["pairs_per_s"]) == (200, 10)


def test_percentiles_are_exact(tally):
    figures = tally(*(variant(latency_s=n / 10) for n in range(101))).figures(1)
    names = ("latency_median_s", "latency_p90_s", "latency_p99_s", "latency_max_s")
    assert [figures[name] for name in names] == [5.0, 9.0, 9.9, 10.0]


def test_time_in_the_queue_is_of_what_was_sent(tally):
    figures = tally(variant(queue_s=1), variant(queue_s=3), variant(queue_s=9, is_stored=True))
    assert figures.figures(1)["queue_mean_s"] == 2
    assert figures.figures(1)["queue_max_s"] == 3


def test_stored_replies_keep_the_rates_and_cost_nothing(tally):
    prices = ["cost.gpu_hour=2", "cost.million_output_tokens=1"]
    sent = tally(REQUEST, n_gpus=2, overrides=prices).figures(2)
    stored = tally(variant(is_stored=True), n_gpus=2, overrides=prices).figures(2)
    assert (stored["n_sent"], stored["n_stored"]) == (0, 1)
    assert (stored["gpu_s"], stored["cost"], stored["cost_per_1000_pairs"]) == (0, 0, 0)
    assert stored["output_tokens_per_s"] == sent["output_tokens_per_s"]
    assert "queue_mean_s" not in stored


def test_nothing_that_was_answered_has_no_figures(tally):
    assert tally().figures(0) == {}


def test_no_time_has_no_rate(tally):
    figures = tally(variant(server_s=0.0)).figures(3)
    assert "pairs_per_s" not in figures
    assert figures["n_requests"] == 1


def test_gpu_seconds_need_a_gpu(tally):
    assert tally(REQUEST, n_gpus=4).figures(1)["gpu_s"] == 1.0
    figures = tally(REQUEST, overrides=["cost.gpu_hour=3"]).figures(1)
    assert not {"gpu_s", "cost"} & set(figures)


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ([], None),
        (["cost.gpu_hour=36"], 0.01),
        (["cost.million_prompt_tokens=2"], 2.0),
        (["cost.million_prompt_tokens=2", "cost.million_cached_tokens=1"], 1.6),
        (["cost.million_cached_tokens=0"], 0.0),
        (["cost.million_output_tokens=10"], 5.0),
        (["cost.gpu_hour=36", "cost.million_output_tokens=10"], 5.01),
    ],
)
def test_price(make_config, prices, cost):
    sums = Sums(prompt_tokens=1_000_000, cached_tokens=400_000, output_tokens=500_000)
    assert price(sums, 1.0, make_config(*prices).cost) == (cost and pytest.approx(cost))


def test_cost_is_by_thousand_pairs(tally):
    overrides = ["cost.gpu_hour=3600"]
    figures = tally(REQUEST, n_gpus=1, overrides=overrides).figures(50)
    assert (figures["cost"], figures["cost_per_1000_pairs"]) == (0.25, 5)
    assert "cost_per_1000_pairs" not in tally(REQUEST, n_gpus=1, overrides=overrides).figures(0)


def test_requests_of_an_earlier_attempt_are_not_written_again(tally, tmp_path):
    counted = tally(REQUEST)
    counted.add(REQUEST, is_new=False)
    assert counted.figures(1)["n_requests"] == 2
    (row,) = read_jsonl(tmp_path / "requests.jsonl")
    assert Request(**row) == REQUEST


def test_row_of_an_older_version_is_a_request():
    new = ("attempt", "queue_s", "n_retries", "is_stored")
    row = {key: value for key, value in dataclasses.asdict(REQUEST).items() if key not in new}
    assert Request(**row) == variant(queue_s=0.0)


def test_memory_is_bytes_a_request(tally):
    counted = tally()
    tracemalloc.start()
    for _ in range(20_000):
        counted.add(REQUEST, is_new=False)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 20_000 * 8


@pytest.mark.parametrize(
    ("overrides", "n_gpus"),
    [
        ([], 1),
        (["server.engine_args={tensor-parallel-size: 4}"], 4),
        (["server.engine_args={tensor_parallel_size: 2, pipeline-parallel-size: 3}"], 6),
        (["server.engine_args={data_parallel_size: 8, max-num-seqs: 64}"], 8),
        (["server.replicas=3", "server.engine_args={tensor_parallel_size: 2}"], 6),
        (["server=external", "server.api_base=http://127.0.0.1:1/v1"], 0),
    ],
)
def test_gpus_of_the_server(make_config, overrides, n_gpus):
    assert count_gpus(make_config(*overrides)) == n_gpus
