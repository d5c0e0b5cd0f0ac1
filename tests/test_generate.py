"""The stage against the stub: pairs or a reason for every chunk, whatever the replies are."""

import asyncio
import json

import pytest

from synth.ask import Desk
from synth.client import Client
from synth.errors import BudgetExceeded
from synth.generate import Lane, Task, generate, group
from synth.io import JsonlWriter, read_jsonl
from synth.pool import FailureBudget, Total
from synth.qa import Kind
from synth.records import Chunk, Failure
from synth.replies import Replies
from synth.respondent import Respondent, request_seed
from synth.tally import Tally
from synth.traffic import Route, Traffic

CHUNKS = [Chunk(f"d-{n}-{n + 1}", "d", n, n + 1, 1, f"{n}.txt") for n in range(12)]
TEXT = " ".join(f"word{n}" for n in range(400))


@pytest.fixture
def run(make_config, serve, tmp_path):
    """Generate from a stub with these switches; return results by chunk, and the figures."""
    note = tmp_path / "sent.jsonl"

    def call(*switches, overrides=(), answered=(), store="replies.db"):
        config = make_config("gen.max_retries=0", "gen.concurrency=1", *overrides)
        endpoint = serve(*switches, "--note-requests", str(note))
        budget = FailureBudget(Total(12, is_final=True), 0.5)
        task = Task(come(CHUNKS), answered, lambda chunk: f"{chunk.id} {TEXT}", budget)

        async def collect():
            with (
                JsonlWriter(tmp_path / "requests.jsonl") as writer,
                Replies(tmp_path / store) as replies,
            ):
                async with Traffic() as traffic:
                    traffic.open(Route([endpoint]), config.gen.concurrency)
                    client = Client(traffic, timeout_s=30, max_retries=config.gen.max_retries)
                    tally = Tally(writer, cost=config.cost)
                    desk = Desk(config, Kind(config.qa), Respondent(client, replies, "m"), tally)
                    results = [one async for one in generate(task, desk, Lane(traffic))]
            return {_chunk_of(one): one for one in results}, tally

        note.unlink(missing_ok=True)
        results, tally = asyncio.run(collect())
        return results, tally.figures(0)

    return call


@pytest.fixture
def sent(tmp_path):
    return lambda: list(read_jsonl(tmp_path / "sent.jsonl"))


def _chunk_of(result):
    return result.id if isinstance(result, Failure) else result[0].chunk_id


def failures(results):
    return [result for result in results.values() if isinstance(result, Failure)]


def test_every_chunk_gives_its_pairs(run):
    results, figures = run()
    assert results.keys() == {chunk.id for chunk in CHUNKS}
    assert [pair.id for pair in results["d-0-1"]] == ["d-0-1-0", "d-0-1-1", "d-0-1-2"]
    assert (figures["n_requests"], figures["n_output_tokens"]) == (12, 12 * 50)


def test_chunks_that_have_their_pairs_are_left_out(run):
    results, _ = run(answered={"d-0-1", "d-5-6"})
    assert len(results) == 10
    assert "d-0-1" not in results


def test_answered_requests_are_rows_that_share_the_servers_time(run, tmp_path):
    _, figures = run("--delay-s", "0.01", overrides=["gen.concurrency=4"])
    rows = list(read_jsonl(tmp_path / "requests.jsonl"))
    assert {row["chunk_id"] for row in rows} == {chunk.id for chunk in CHUNKS}
    latency, share = (sum(row[name] for row in rows) for name in ("latency_s", "server_s"))
    assert share < latency / 2
    assert figures["output_tokens_per_s"] == pytest.approx(600 / share, rel=0.01)


def test_twins_are_first_equally_often():
    lanes = [Lane(None, rank=1, number=number) for number in range(3)]
    first = [min(lanes, key=lambda lane: lane.priority(n)).number for n in range(900)]
    assert all(first.count(number) > 250 for number in range(3))
    assert [lanes[0].priority(n)[:2] for n in range(3)] == [(1, 0), (1, 1), (1, 2)]


def test_failed_request_is_a_row(run):
    results, _ = run("--fail-frac", "0.4", "--status", "500")
    assert {(row.stage, row.error) for row in failures(results)} == {("generate", "TransientError")}
    assert len(results) == 12


def test_passing_failure_costs_a_retry(run):
    results, figures = run("--fail-frac", "0.4", "--status", "500", overrides=["gen.max_retries=1"])
    assert failures(results) == []
    assert figures["n_retries"] > 0


def test_rest_of_a_cut_off_reply_is_asked_for_in_the_same_talk(run, sent):
    results, figures = run("--cut-off", overrides=["gen.max_reasks=1"])
    assert {len(pairs) for pairs in results.values()} == {4}
    assert (figures["n_cut_off"], figures["n_reasked"]) == (24, 12)
    beginnings = [request["messages"] for request in sent() if len(request["messages"]) == 2]
    talks = [request["messages"] for request in sent() if len(request["messages"]) == 4]
    assert [talk[:2] in beginnings for talk in talks] == [True] * 12
    assert len(json.loads(talks[0][2]["content"])["pairs"]) == 2


def test_rest_has_the_room_of_its_share(run, sent):
    run("--cut-off", "--num-pairs", "5", overrides=["gen.max_reasks=1"])
    rooms = {len(request["messages"]): request["max_tokens"] for request in sent()}
    assert rooms == {2: 512, 4: 410}  # three of five pairs were whole; two are missing


def test_rest_is_not_asked_for_where_there_is_no_room(run):
    room = ["model.max_seq_length=600", "gen.max_tokens=500", "chunk.size=50", "chunk.overlap=0"]
    results, _ = run("--cut-off", overrides=room)
    assert {len(pairs) for pairs in results.values()} == {2}


def test_reply_without_pairs_is_asked_for_again_with_another_seed(run, sent):
    results, figures = run("--prose-frac", "0.5")
    assert failures(results) == []
    assert figures["n_reasked"] > 0
    assert len({request["seed"] for request in sent()}) == figures["n_requests"]


def test_replies_without_pairs_end_the_run(run):
    with pytest.raises(BudgetExceeded, match="the reply holds no pair: 'I would rather"):
        run("--garbage")


def test_text_that_is_too_long_is_asked_about_in_halves(run, sent):
    length = ["--count-words", "--max-model-len", "800"]
    results, figures = run(*length)
    assert failures(results) == []
    assert {len(pairs) for pairs in results.values()} == {6}
    assert figures["n_requests"] == 24
    lengths = sorted(len(request["messages"][-1]["content"]) for request in sent())
    assert len(lengths) == 36
    assert lengths[23] < 0.7 * lengths[24]


def test_text_that_no_halving_helps_is_a_failure(run):
    with pytest.raises(BudgetExceeded, match="maximum context length"):
        run("--count-words", "--max-model-len", "20")


@pytest.mark.parametrize(
    ("refused", "asked"),
    [("json_schema", "json_object"), ("json_schema,json_object", None)],
)
def test_endpoint_that_enforces_no_schema_is_asked_in_another_way(run, sent, refused, asked):
    results, _ = run("--refuse-formats", refused)
    assert failures(results) == []
    assert (sent()[-1].get("response_format") or {}).get("type") == asked


def test_second_run_sends_nothing(run, sent):
    first, _ = run()
    second, figures = run()
    assert second == first
    assert (figures["n_sent"], figures["n_stored"]) == (0, 12)
    assert figures["output_tokens_per_s"] > 0


@pytest.mark.parametrize("override", ["gen.temperature=0.1", "seed=1", "qa.num_pairs=2"])
def test_run_that_asks_otherwise_sends_all(run, override):
    run()
    assert run(overrides=[override])[1]["n_sent"] == 12


def test_seed_depends_on_run_chunk_and_attempt():
    seeds = {
        request_seed(run, chunk, attempt) for run in (0, 1) for chunk in "ab" for attempt in (0, 1)
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert request_seed(0, "a") == request_seed(0, "a")


async def come(chunks):
    for chunk in chunks:
        yield chunk


def grouped(chunks, n_chunks):
    async def collect():
        return [one async for one in group(come(chunks), n_chunks)]

    return asyncio.run(collect())


def test_chunks_are_grouped_within_their_document():
    chunks = [Chunk(f"{doc}{n}", doc, n, n + 1, 1, "") for doc in "ab" for n in range(5)]
    groups = grouped(chunks, 3)
    assert [one[0] for one in groups] == chunks
    assert all(len({chunk.id for chunk in one}) == 3 for one in groups)
    assert all(len({chunk.doc_id for chunk in one}) == 1 for one in groups)
    assert grouped(chunks, 3) == groups


def test_document_with_too_few_chunks_gives_what_it_has():
    assert [len(one) for one in grouped(CHUNKS[:1], 2)] == [1]
