"""The prompt that goes out, the pairs that come in."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import ConfigError, ReplyError
from synth.qa import Prompt, QuestionAnswer, parse, reply_format

PAIR = {"question": "Why?", "answer": "Because."}
WHOLE = json.dumps({"pairs": [PAIR, PAIR]})


@pytest.mark.parametrize(
    ("text", "n_pairs"),
    [
        (WHOLE, 2),
        (json.dumps([PAIR]), 1),
        (json.dumps({"qa_pairs": [PAIR]}), 1),
        (json.dumps(PAIR), 1),
        (f"Here you are:\n```json\n{WHOLE}\n```\nGlad to help.", 2),
        (f"```\n{WHOLE}", 2),
        (WHOLE[:-10], 1),
        (json.dumps({"pairs": [PAIR, {"question": "Half"}, {"question": " ", "answer": "x"}]}), 1),
    ],
    ids=["object", "array", "meta", "single", "fence", "open-fence", "cut-off", "incomplete"],
)
def test_pairs_are_found(text, n_pairs):
    assert parse(text) == [QuestionAnswer("Why?", "Because.")] * n_pairs


@pytest.mark.parametrize(
    "text", ["", "I can't.", "{}", "[1, 2]", '{"pairs": 3}', '{"pairs": [{', "}{"]
)
def test_reply_without_a_pair_is_an_error(text):
    with pytest.raises(ReplyError) as caught:
        parse(text)
    assert caught.value.text == text


@given(st.text(max_size=200))
def test_any_reply_gives_pairs_or_a_reply_error(text):
    with contextlib.suppress(ReplyError):
        assert parse(text)


@given(st.integers(0, len(WHOLE)))
def test_cut_off_reply_gives_only_whole_pairs(length):
    try:
        pairs = parse(WHOLE[:length])
    except ReplyError:
        return
    assert set(pairs) == {QuestionAnswer("Why?", "Because.")}


def test_prompt_is_filled(make_config):
    prompt = Prompt(make_config("qa.prompt='{{ num_pairs }} on {{ text }} {}'", "qa.system=S").qa)
    assert prompt.messages("{{ x }}") == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "5 on {{ x }} {}"},
    ]


@pytest.mark.parametrize("template", ["{{ text }} {{ nothing }}", "{{ text"])
def test_bad_template_is_told(make_config, template):
    with pytest.raises(ConfigError, match=r"qa\.prompt"):
        Prompt(make_config(f"qa.prompt='{template}'").qa)


def test_reply_format_asks_for_the_number_of_pairs():
    schema = reply_format(3, 300)["json_schema"]["schema"]["properties"]["pairs"]
    assert (schema["minItems"], schema["maxItems"]) == (3, 3)
