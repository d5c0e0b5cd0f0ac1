"""The judge against the stub: a score or an abstention for every pair, whatever the replies are."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.client import Client
from synth.connection import open_judge
from synth.errors import ClientError, ConfigError, StoreError
from synth.examination import Group, Panel, Rubric, examine
from synth.examination.rubric import read_score
from synth.io import JsonlWriter, read_jsonl
from synth.records import Chunk, Pair
from synth.replies import Replies
from synth.respondent import Respondent
from synth.tally import Tally
from synth.traffic import Route, Traffic
from tests import stub_judge

CRITERIA = ("accuracy", "relevance", "clarity", "usefulness")
TEXT = " ".join(f"word{n}" for n in range(100))


def group(position, n_pairs):
    chunk = Chunk(f"d-{position}", "d", position, position + 1, 1)
    pairs = [
        Pair(f"d-{position}-{n}", chunk.id, "d", f"What is {position}-{n}?", "It is.")
        for n in range(n_pairs)
    ]
    return Group([chunk], pairs, position)


GROUPS = [group(0, 3), group(1, 4), group(2, 1)]
IDS = {pair.id for one in GROUPS for pair in one.pairs}
RIGHT = {
    pair.id: {name: float(stub_judge.score(pair.question, name)) for name in CRITERIA}
    for one in GROUPS
    for pair in one.pairs
}


async def come(items):
    for item in items:
        yield item


@pytest.fixture
def judge(make_config, serve, tmp_path):
    """Have a stub with these switches judge; return the scores, the counts and the tally."""

    def call(*switches, overrides=(), groups=GROUPS):
        note = tmp_path / "sent.jsonl"
        note.unlink(missing_ok=True)
        endpoint = serve(*switches, "--note-requests", str(note))
        config = make_config("curate=judge", "gen.max_retries=0", "gen.concurrency=2", *overrides)

        async def run():
            async with AsyncExitStack() as stack:
                writer = stack.enter_context(JsonlWriter(tmp_path / "curate_requests.jsonl"))
                replies = stack.enter_context(Replies(tmp_path / "replies.db"))
                traffic = await stack.enter_async_context(Traffic())
                traffic.open(Route([endpoint]), 2)
                client = Client(traffic, timeout_s=30, max_retries=0)
                who = Respondent(client, replies, "m", "curate")
                tally = Tally(writer, cost=config.cost)
                panel = Panel(config, who, None, tally, lambda chunk: TEXT, agrees=None)
                given = [one async for one in examine(come(groups), panel)]
            assert len(given) == len(dict(given))
            assert all(opinion.closed_book is None for _, opinion in given)
            return {name: opinion.scores for name, opinion in given}, panel.counts, tally.figures(0)

        return asyncio.run(run())

    return call


@pytest.fixture
def sent(tmp_path):
    return lambda: list(read_jsonl(tmp_path / "sent.jsonl"))


def shown(request):
    return [q for _, q in stub_judge._PAIR.findall(request["messages"][-1]["content"])]


def test_every_pair_has_its_scores(judge, sent, tmp_path):
    scores, counts, figures = judge()
    assert scores == RIGHT
    assert (counts.n_judged, counts.n_abstained) == (8, 0)
    assert (counts.n_judge_requests, counts.n_judge_reasked, figures["n_sent"]) == (3, 0, 3)
    assert {row["n_items"] for row in read_jsonl(tmp_path / "curate_requests.jsonl")} == {1, 3, 4}
    assert {request["temperature"] for request in sent()} == {0.1}
    schema = sent()[0]["response_format"]["json_schema"]["schema"]["properties"]["scores"]
    assert schema["minItems"] == schema["maxItems"] == len(shown(sent()[0]))


def test_pairs_that_stand_beside_others_are_shown_and_have_no_scores(judge, sent):
    beside = frozenset(["d-0-0", "d-1-3", "d-2-0"])
    groups = [replace(one, beside=beside) for one in GROUPS]
    scores, counts, _ = judge(groups=groups, overrides=["curate.batch_size=3"])
    assert scores == {id_: RIGHT[id_] for id_ in IDS - beside}
    assert (counts.n_judged, counts.n_abstained) == (5, 0)
    asked = sorted(len(shown(request)) for request in sent())
    assert asked == [3, 3]  # the last one of the second group, and the third, are alone


@pytest.mark.parametrize("fault", ["reorder", "repeat", "prose", "echo", "text", "broken"])
def test_scores_are_read_whatever_is_around_them(judge, fault):
    scores, counts, _ = judge("--judge-fault", fault, "--judge-always")
    assert scores == RIGHT
    assert counts.n_judge_reasked == 0


@pytest.mark.parametrize("fault", ["drop", "contradict", "rename", "half"])
def test_only_what_lacks_is_asked_again(judge, sent, fault):
    scores, counts, _ = judge("--judge-fault", fault)
    assert scores == RIGHT
    assert (counts.n_judge_requests, counts.n_judge_reasked, counts.n_abstained) == (6, 3, 0)
    again = [shown(request) for request in sent() if len(shown(request)) == 1]
    assert sorted(again) == [[f"What is {n}-0?"] for n in (0, 1, 2, 2)]
    assert len({request["seed"] for request in sent()}) == 6


def test_last_pair_of_a_cut_off_reply_is_asked_again(judge):
    scores, counts, _ = judge("--judge-fault", "cut")
    assert scores == RIGHT
    assert (counts.n_judge_reasked, counts.n_abstained) == (3, 0)


def test_what_is_never_said_is_an_abstention(judge):
    always = ["--judge-fault", "drop", "--judge-always"]
    scores, counts, _ = judge(*always, overrides=["gen.max_reasks=2"])
    assert scores.keys() == IDS
    assert {name for name, given in scores.items() if not given} == {"d-0-0", "d-1-0", "d-2-0"}
    assert (counts.n_judged, counts.n_abstained, counts.n_judge_requests) == (5, 3, 9)


@pytest.mark.parametrize(("fault", "n_requests"), [("null", 3), ("chatter", 6)])
def test_judge_that_says_nothing_abstains(judge, fault, n_requests):
    switches = ["--judge-fault", fault, "--judge-always"]
    scores, counts, _ = judge(*switches, overrides=["gen.max_reasks=1"])
    assert scores == dict.fromkeys(IDS)
    assert (counts.n_abstained, counts.n_judge_requests) == (8, n_requests)


def test_contradiction_is_asked_about_once_then_the_first_counts(judge):
    switches = ["--judge-fault", "contradict", "--judge-always"]
    scores, counts, _ = judge(*switches, overrides=["gen.max_reasks=5"])
    assert scores == RIGHT
    assert counts.n_judge_reasked == 3


def test_what_is_no_score_is_none(judge):
    scores, _, _ = judge("--judge-fault", "range", "--judge-always")
    assert scores == {
        name: given | {"accuracy": None, "usefulness": None} for name, given in RIGHT.items()
    }


def test_requests_are_small_and_repeatable(judge, sent):
    first, _, _ = judge(overrides=["curate.batch_size=2", "gen.reuse=false"])
    bodies = sent()
    assert first == RIGHT
    assert sorted(len(shown(body)) for body in bodies) == [1, 1, 2, 2, 2]
    assert all(body["max_tokens"] >= 64 for body in bodies)
    second, _, figures = judge(overrides=["curate.batch_size=2"])
    assert second == first
    assert figures["n_sent"] == 0
    judge(overrides=["curate.batch_size=2", "seed=7"])
    assert {body["seed"] for body in sent()}.isdisjoint(body["seed"] for body in bodies)


def test_batch_fits_the_context(judge, sent):
    room = ["model.max_seq_length=900", "gen.max_tokens=100", "chunk.size=64", "chunk.overlap=0"]
    scores, _, _ = judge(overrides=["curate.batch_size=64", *room], groups=[group(0, 40)])
    assert len([one for one in scores.values() if one]) == 40
    assert len(sent()) > 4
    for body in sent():
        n_chars = sum(len(message["content"]) for message in body["messages"])
        assert n_chars / 4 + body["max_tokens"] <= 901


def test_batch_that_is_too_long_is_halved(judge, sent):
    scores, counts, _ = judge("--count-words", "--max-model-len", "420")
    assert scores == RIGHT
    assert (counts.n_judge_requests, counts.n_abstained) == (5, 0)
    assert sorted(len(shown(body)) for body in sent()) == [1, 1, 2, 2, 2, 3, 4]


def test_pair_that_never_fits_is_an_abstention(judge, caplog):
    scores, counts, _ = judge("--count-words", "--max-model-len", "20")
    assert scores == dict.fromkeys(IDS)
    assert (counts.n_abstained, counts.n_judge_requests) == (8, 0)
    assert [one.message for one in caplog.records if "maximum context" in one.message]


def test_endpoint_that_fails_costs_scores_and_nothing_else(judge, caplog):
    groups = [group(n, 1) for n in range(12)]
    scores, counts, _ = judge("--fail-every", "1", "--status", "500", groups=groups)
    assert set(scores.values()) == {None}
    assert (counts.n_abstained, counts.n_judge_requests) == (12, 0)
    told = [one.message for one in caplog.records if one.levelno == logging.WARNING]
    assert len(told) == 2
    assert "failed all 12 times" in told[-1]


def test_failed_request_leaves_the_others(judge):
    scores, counts, _ = judge("--fail-every", "3", "--status", "500")
    assert scores.keys() == IDS
    assert all(given in (None, RIGHT[name]) for name, given in scores.items())
    assert counts.n_judge_requests == 2


def test_store_that_fails_ends_the_run(judge, monkeypatch):
    async def put(store, row):
        raise StoreError("the disk is full")

    monkeypatch.setattr(Replies, "_put", put)
    with pytest.raises(StoreError, match="full"):
        judge()


@pytest.mark.parametrize("refused", ["json_schema", "json_schema,json_object"])
def test_endpoint_that_enforces_no_schema_is_asked_in_another_way(judge, refused):
    scores, _, _ = judge("--refuse-formats", refused)
    assert scores == RIGHT


def test_pairs_of_several_chunks_are_judged_by_all_their_texts(judge, sent):
    one = group(0, 1)
    several = Group([*one.chunks, Chunk("d-9", "d", 9, 10, 1)], one.pairs)
    judge(groups=[several])
    prompt = sent()[0]["messages"][-1]["content"]
    assert f"Passage 1:\n{TEXT}\n\nPassage 2:\n{TEXT}" in prompt


@pytest.fixture
def judge_elsewhere(make_config, serve, tmp_path):
    """Have a judge at an endpoint of its own judge; return its identity, and the scores."""
    url = serve("--note-requests", str(tmp_path / "sent.jsonl")).base_url

    def call(key, *overrides):
        config = make_config(
            *("curate=judge", "curate.judge=endpoint", f"curate.api_base={url}/", *overrides),
            "+model.chat_template_kwargs.enable_thinking=false",
        )
        config.curate.api_key = key

        async def run():
            async with AsyncExitStack() as stack:
                writer = stack.enter_context(JsonlWriter(tmp_path / "curate_requests.jsonl"))
                replies = stack.enter_context(Replies(tmp_path / "replies.db"))
                who = await stack.enter_async_context(open_judge(config, replies))
                tally = Tally(writer, cost=config.cost)
                panel = Panel(config, who, None, tally, lambda chunk: TEXT, agrees=None)
                given = dict([one async for one in examine(come(GROUPS), panel)])
            return who.model, {name: opinion.scores for name, opinion in given.items()}

        return asyncio.run(run())

    return call


def test_judge_may_be_another_endpoint(judge_elsewhere, sent):
    assert judge_elsewhere("key") == ("m (external)", RIGHT)
    assert all("chat_template_kwargs" not in body for body in sent())


def test_key_of_the_judge_is_told_to_nobody_else(judge_elsewhere, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ClientError, match="401") as refusal:
        judge_elsewhere("wr0ng")
    assert judge_elsewhere("wr0ng", "curate.model=m")[1] == dict.fromkeys(IDS)
    assert "401: Unauthorized: Bearer …" in caplog.text
    assert "wr0ng" not in caplog.text + str(vars(refusal.value)) + str(refusal.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"wr0ng" in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "override",
    [
        "curate.prompt='{{ pairs }} {{ texts }}'",
        "curate.prompt='{{ pairs.x.y }}'",
        "curate.criteria=[id]",
        "curate.criteria=[a,a]",
    ],
)
def test_bad_settings_of_the_judge_are_told(make_config, override):
    with pytest.raises(ConfigError, match=r"^curate\.(prompt|criteria): "):
        Rubric(make_config("curate=judge", override).curate)


@pytest.mark.parametrize(
    ("value", "score"),
    [
        *((8, 8), (7.5, 7.5), ("8", 8), (" 8 / 10 ", 8), ("10", 10), ("8.5/10", 8.5)),
        *((0, None), (11, None), (True, None), ("good", None), ("8/5", None), (None, None)),
        *((float("nan"), None), (10**400, None), ([8], None), ("-3", None)),
    ],
)
def test_scores_are_numbers_from_1_to_10(value, score):
    assert read_score(value) == score


@pytest.fixture(scope="module")
def rubric(make_config):
    return Rubric(make_config("curate=judge").curate)


PIECES = st.sampled_from(
    [
        *(
            '{"scores": [',
            '{"id": "p1"',
            '"p2"',
            '"p0"',
            ', "accuracy": 7',
            "}",
            "]}",
            "{",
            "[",
            '"',
        ),
        *("NaN", "1e999", "9" * 5000, "\ud800", "p1", "id:", "null", "```", "//", "\\", "[[" * 50),
    ]
)


@given(text=st.lists(PIECES | st.text(max_size=5)).map("".join), is_cut_off=st.booleans())
def test_junk_makes_no_error_and_no_ids(rubric, text, is_cut_off):
    for number, mark in rubric.parse(text, 2, is_cut_off=is_cut_off).items():
        assert f"p{number + 1}" in text.lower()
        assert number in (0, 1)
        assert tuple(mark.scores) == CRITERIA
        assert all(score is None or 1 <= score <= 10 for score in mark.scores.values())


@given(
    scores=st.lists(st.integers(1, 10) | st.none(), min_size=4, max_size=4),
    before=st.text(max_size=30).filter(lambda text: "{" not in text and "[" not in text),
)
def test_what_is_said_is_what_is_read(rubric, scores, before):
    said = dict(zip(CRITERIA, scores, strict=True))
    text = before + json.dumps({"scores": [{"id": "p2", **said}]})
    marks = rubric.parse(text, 2, is_cut_off=False)
    assert {number: mark.scores for number, mark in marks.items()} == {1: said}
