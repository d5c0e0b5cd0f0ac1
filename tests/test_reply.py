"""What a model says, and the items that are found in it."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.qa.form import PAIR, Form
from synth.qa.reply import MOST_REPAIRED_CHARS, MOST_REPAIRED_ITEMS, find_items

ITEM = {"question": "Why?", "answer": "Because."}
WHOLE = json.dumps({"pairs": [ITEM, ITEM]})
FORM = Form(PAIR)
ANSWERS = st.builds(
    lambda question, answer: {"question": f"Q{question}Q", "answer": f"A{answer}A"},
    st.text() | st.sampled_from(["{question: x}", '"pairs": [', "{'answer': ", "}]}", "\\"]),
    st.text() | st.sampled_from(['{"question": "', '"answer": "', "[{", '", "', "\n```\n"]),
)


def read(text, *, is_cut_off=False):
    return FORM.whole(find_items(text, FORM.names, is_cut_off=is_cut_off))


@pytest.mark.parametrize(
    ("text", "n_items"),
    [
        (WHOLE, 2),
        (json.dumps([ITEM]), 1),
        (json.dumps({"summary": "S", "qa_pairs": [ITEM]}), 1),
        (json.dumps(ITEM), 1),
        (f"{json.dumps(ITEM)}\n{json.dumps(ITEM)}", 2),
        (json.dumps([{"id": 1, **ITEM}]), 1),
        (f"Here you are:\n```json\n{WHOLE}\n```\nGlad to {{help}} with the answer.", 2),
        (f"```\n{WHOLE}", 2),
        (f"The set {{a, b}} [1] has it all: {WHOLE} and more", 2),
        (json.dumps({"pairs": [ITEM, {"question": "Half"}, {"question": " ", "answer": "x"}]}), 1),
        (json.dumps({"pairs": [ITEM, 3, {"question": "Why?", "answer": 4}]}), 1),
        (WHOLE[:-1], 2),
        (WHOLE[:-3], 2),
        (WHOLE[:-6], 1),
        (str({"pairs": [ITEM, ITEM]}), 2),
        (WHOLE.replace("}", ",}").replace("]", ",]"), 2),
        (WHOLE.replace('{"question"', '"question"', 1), 2),
        (WHOLE.replace('"question"', "“question”").replace('"answer"', "“answer”"), 2),
        (WHOLE.replace('"question"', "question").replace('"answer"', "answer"), 2),
        (WHOLE.replace('"answer"', '// so:\n"answer"'), 2),
        (WHOLE.replace('{"question"', '/* one */ {"question"'), 2),
        (WHOLE.replace("Because.", "Bec\nause.").replace("\n", ""), 2),
    ],
)
def test_items_are_found(text, n_items):
    assert read(text) == [ITEM] * n_items


@pytest.mark.parametrize("end", ["\ud800", '{"question": "Why?", "answer": "\ud800', "]}\ud800"])
def test_half_of_a_surrogate_pair_is_left_out(end):
    assert read(WHOLE[:-2] + ", " + end)[:2] == [ITEM] * 2


def test_quotes_inside_are_kept():
    text = '{"pairs": [{"question": "Who said "no"?", "answer": "The "boss"."}, {"question": "Why?"'
    assert read(text + ', "answer": "Because."}]}') == [
        {"question": 'Who said "no"?', "answer": 'The "boss".'},
        ITEM,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would rather not.",
        "I would {rather} not: [see] {the notes: here}",
        "The question: is it? The answer: no.",
        '"question": is the word',
        "{}",
        "[1, 2]",
        '{"pairs": 3}',
        '{"pairs": [{',
        '{"pairs": ["wh',
        '{"pairs": [1',
        "}{",
        '{"question": "Half", "answer": "and no en',
    ],
)
def test_reply_without_an_item_gives_none(text):
    assert read(text) == read(text, is_cut_off=True) == []


@given(st.text() | st.text(alphabet="{}[]\"':, questionanswer\\\n/"), st.booleans())
def test_any_reply_can_be_read(text, is_cut_off):
    assert all(set(item) == set(ITEM) for item in read(text, is_cut_off=is_cut_off))


@pytest.mark.parametrize("write", [json.dumps, lambda value: json.dumps(value, ensure_ascii=False)])
@pytest.mark.parametrize("shape", [lambda items: items, lambda items: {"pairs": items}])
@given(items=st.lists(ANSWERS, max_size=3))
def test_cut_off_anywhere_only_whole_items_are_read(write, shape, items):
    text, whole, n_last = write(shape(items)), FORM.whole(items), 0
    for length in range(len(text) + 1):
        found = read(text[:length], is_cut_off=True)
        assert found == whole[: len(found)]
        assert len(found) >= n_last
        n_last = len(found)
    assert found == whole == read(text)


@given(st.lists(ANSWERS, min_size=1, max_size=3))
def test_cut_off_and_broken_never_gives_half_an_item(items):
    words = [
        {name: "".join(filter(str.isalnum, field)) for name, field in item.items()}
        for item in items
    ]
    text = str({"pairs": words})
    for length in range(len(text) + 1):
        found = read(text[:length], is_cut_off=True)
        assert found == words[: len(found)]
    assert read(text) == words


@pytest.mark.parametrize(
    "unit", ["]{", '{"question": ', "{1", '"a" "b', "{", '{"question": "a", ', "word "]
)
def test_half_a_megabyte_of_garbage_is_little_work(unit):
    text = f"{WHOLE[:-2]}, {{'question': 'a', }} " + unit * (500_000 // len(unit))
    assert read(text)[:2] == [ITEM, ITEM]


def test_repair_of_a_long_reply_gives_whole_items():
    long = {"question": "Why?", "answer": "Because. " * 200}
    assert len(read(str([long] * 300))) == MOST_REPAIRED_CHARS // len(f"{long}, ")
    assert len(read(str([ITEM] * 9000))) == MOST_REPAIRED_ITEMS


def test_long_reply_is_read_whole():
    items = [{"question": f"{n}?", "answer": random.Random(n).choice("ab")} for n in range(20_000)]
    assert read(json.dumps({"pairs": items})) == items
