"""Questions without and with their text, against the stub; and together with the judge."""

import asyncio

import pytest

from synth.client import Client
from synth.examination import Group, Opinion, Panel, examine
from synth.io import JsonlWriter, read_jsonl
from synth.records import Chunk, Pair
from synth.replies import Replies
from synth.respondent import Respondent
from synth.tally import Tally
from synth.traffic import Route, Traffic

QUESTIONS = {
    "known": ("What does everyone know of salt?", "salt"),
    "learned": ("What is it that the sea holds?", "fish"),
    "missing": ("What is it that the sky holds?", "stars"),
}
PAIRS = [Pair(name, "d-0", "d", *texts) for name, texts in QUESTIONS.items()]
GROUP = Group([Chunk("d-0", "d", 0, 9, 1)], PAIRS)
TEXT = "The sea holds salt and fish."


async def come(items):
    for item in items:
        yield item


@pytest.fixture
def examined(make_config, serve, tmp_path):
    """Return what a stub says of some groups, the panel, the figures and the bodies of requests."""

    def call(*switches, with_judge=False, groups=None, overrides=(), agrees=contains):
        note = tmp_path / "sent.jsonl"
        note.write_text("")
        endpoint = serve(*switches, "--note-requests", str(note))
        config = make_config("curate=full", "gen.concurrency=2", *overrides)

        async def run():
            with (
                JsonlWriter(tmp_path / "requests.jsonl") as writer,
                Replies(tmp_path / "replies.db") as replies,
            ):
                async with Traffic() as traffic:
                    traffic.open(Route([endpoint]), 2)
                    client = Client(traffic, timeout_s=30, max_retries=0)
                    who = Respondent(client, replies, "m", "curate")
                    tally = Tally(writer, cost=config.cost)
                    judge = who if with_judge else None
                    panel = Panel(config, judge, who, tally, lambda chunk: TEXT, agrees)
                    given = [one async for one in examine(groups or come([GROUP]), panel)]
            return given, panel, tally.figures(0)

        given, panel, figures = asyncio.run(run())
        return given, panel.counts, figures, list(read_jsonl(note))

    return call


def contains(reply, answer, question):
    assert question.endswith("?")
    return answer in reply


def test_what_is_known_and_what_can_be_answered(examined):
    given, counts, figures, sent = examined()
    found = {name: opinion.closed_book for name, opinion in given}
    assert found == {
        "known": {"known": True, "answerable": True},
        "learned": {"known": False, "answerable": True},
        "missing": {"known": False, "answerable": False},
    }
    assert (counts.n_checked, counts.n_unchecked, figures["n_requests"]) == (3, 0, 6)
    assert {(body["temperature"], body["max_tokens"]) for body in sent} == {(0, 128)}
    assert all("response_format" not in body for body in sent)
    assert len({body["seed"] for body in sent}) == 6


def test_pairs_that_stand_beside_others_are_not_asked_about(examined):
    beside = Group(GROUP.chunks, PAIRS, 0, frozenset(["known"]))
    given, counts, _, sent = examined(with_judge=True, groups=come([beside]))
    assert sorted(name for name, _ in given) == ["learned", "missing"]
    assert (counts.n_judged, counts.n_checked, len(sent)) == (2, 2, 5)


def test_nothing_is_asked_twice(examined):
    first, *_ = examined()
    second, _, figures, sent = examined()
    assert sorted(second, key=str) == sorted(first, key=str)
    assert (figures["n_sent"], sent) == (0, [])


def test_question_that_is_not_answered_has_no_result(examined, caplog):
    given, counts, _, _ = examined("--fail-every", "1", "--status", "500")
    assert sorted(given) == [(name, Opinion()) for name in sorted(QUESTIONS)]
    assert (counts.n_checked, counts.n_unchecked) == (0, 3)
    assert len([one for one in caplog.records if "failed" in one.message]) == 1


def test_empty_reply_agrees_with_nothing(examined):
    given, *_ = examined("--empty-frac", "1")
    assert {any(opinion.closed_book.values()) for _, opinion in given} == {False}


def test_judge_and_closed_book_are_one_opinion(examined):
    pairs = [Pair(f"p{n}", "d-0", "d", f"Does everyone know {n}?", "x") for n in range(11)]
    groups = [Group(GROUP.chunks, pairs[n::3], n) for n in range(3)]
    given, counts, figures, sent = examined(
        with_judge=True, groups=come(groups), overrides=["curate.batch_size=2"]
    )
    assert sorted(name for name, _ in given) == sorted(pair.id for pair in pairs)
    assert all(opinion.scores and opinion.closed_book for _, opinion in given)
    assert (counts.n_judged, counts.n_checked, counts.n_judge_requests) == (11, 11, 6)
    assert figures["n_requests"] == len(sent) == 28


def test_served_model_gets_the_values_of_its_template(examined):
    kwargs = ["+model.chat_template_kwargs.enable_thinking=false"]
    _, _, _, sent = examined(with_judge=True, overrides=kwargs)
    assert {str(body["chat_template_kwargs"]) for body in sent} == {"{'enable_thinking': False}"}


def test_groups_are_taken_as_they_are_needed(examined):
    ahead, answered = [], []

    async def come_counted():
        for n in range(40):
            ahead.append(n - len(answered) // 2)
            yield Group(GROUP.chunks, [Pair(f"x{n}", "d-0", "d", "Q?", "A")], n)

    given, *_ = examined(groups=come_counted(), agrees=lambda *texts: answered.append(texts))
    assert len(given) == 40
    assert max(ahead) <= 2 * 2
