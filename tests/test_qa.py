"""Kinds: the prompt that goes out, the form of what comes in, the pairs that are made of it."""

import json
import re
from pathlib import Path

import pytest

from synth.config import compose
from synth.errors import ConfigError, ReplyError
from synth.io import read_jsonl
from synth.qa import Kind, describe_shortage
from synth.records import Chunk

CHUNKS = [Chunk(f"d-{n}", "d", n, n + 1, 1, f"{n}.txt") for n in range(2)]
KINDS = ("cot", "multi_hop", "qa", "summary")


@pytest.fixture
def kind(make_config):
    return lambda *overrides: Kind(make_config(*overrides).qa)


def schema_of(kind, num_pairs=3, max_tokens=300):
    held = kind.reply_format(num_pairs, max_tokens)
    return held["json_schema"]["schema"]["properties"]["pairs"]


def test_prompt_is_filled(kind):
    asking = kind("qa.prompt='{{ num_pairs }} on {{ text }} {}'", "qa.system=S")
    assert asking.messages(["{{ x }}"], 5) == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "5 on {{ x }} {}"},
    ]


def test_chunks_stand_under_headings_or_where_the_prompt_wants_them(kind):
    (message,) = kind("qa=multi_hop", "qa.system=''").messages(["One.", "Two."], 3)
    assert message["content"].startswith("Passage 1:\nOne.\n\nPassage 2:\nTwo.\n\nWrite 3 ")
    own = kind("qa.chunks=2", "qa.prompt='{{ texts[1] }}|{{ texts[0] }}'", "qa.system=''")
    assert own.messages(["One.", "Two."], 3)[0]["content"] == "Two.|One."


@pytest.mark.parametrize("name", KINDS)
def test_prompts_begin_with_the_text_and_name_each_field(kind, name):
    asking = kind(f"qa={name}")
    prompt = asking.messages(["CHUNK"] * asking.n_chunks, 2)[-1]["content"]
    assert len(asking.opening[1]) < 15
    assert prompt.startswith(f"{asking.opening[1]}CHUNK")
    fields = schema_of(asking)["items"]["properties"]
    assert all(f'"{field}": "…"' in prompt for field in fields)


@pytest.mark.parametrize("name", KINDS)
def test_follow_up_begins_like_the_first_request(kind, name):
    asking = kind(f"qa={name}")
    texts, items = ["T"] * asking.n_chunks, [{"question": "Why é?", "answer": "So."}]
    first, more = asking.messages(texts, 4), asking.follow_up(texts, items, 2, n_asked=4)
    assert more[: len(first)] == first
    assert [message["role"] for message in more[len(first) :]] == ["assistant", "user"]
    assert more[-2]["content"] == '{"pairs": [{"question": "Why é?", "answer": "So."}]}'
    assert more[-1]["content"].startswith("Write 2 more")


def test_follow_up_stands_under_the_same_headings(kind):
    headings = ("Pump", "Valves")
    first = kind().messages(["T"], 5, headings)
    assert kind().follow_up(["T"], [{}], 2, headings=headings)[: len(first)] == first
    assert first[-1]["content"].startswith("Section: Pump > Valves\n")


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("qa.prompt='{{ text'", "qa.prompt: "),
        ("qa.prompt='{{ text }} {{ nothing }}'", "qa.prompt: 'nothing' is undefined; it may use"),
        ("qa.prompt='{% if num_pairs > 200 %}{{ nothing }}{% endif %} text'", "'nothing' is"),
        ("qa.prompt='{{ texts[1] }}'", "qa.prompt: "),
        ("qa.prompt='{{ text + 1 }}'", "qa.prompt: "),
        (
            "qa.prompt='{{ text }} {{ question }}'",
            "it may use {{ text }}, {{ texts }}, {{ headings }} and",
        ),
        ("qa.question='{{ summary }}'", "qa.question: 'summary' is undefined; it may use {{ quest"),
        ("qa.answer='{{ answer | nofilter }}'", "qa.answer: "),
    ],
)
def test_bad_template_is_told(kind, override, problem):
    with pytest.raises(ConfigError) as caught:
        kind(override)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("{type: object}", "expected the JSON schema of an object with at least one property"),
        ("{type: array, items: {}}", "expected the JSON schema of an object"),
        ("{properties: {a: {type: strng}}}", "properties.a.type: 'strng' is not valid"),
        ("{properties: {a: {type: string, minLength: x}}}", "properties.a.minLength: 'x' is not"),
        ("{properties: {a: {pattern: '['}}}", "properties.a.pattern: '[' is not a 'regex'"),
        ("{properties: {score: {type: number}}}", "can't be named 'score'"),
        ("{properties: {text: {type: string}}}", "can't be named 'text'"),
        ("{properties: {a: {}}, required: [b]}", "required: there is no property 'b'"),
        ("{properties: {a: {$ref: '#'}}}", "$ref: write what"),
    ],
)
def test_bad_schema_is_told(kind, schema, problem):
    with pytest.raises(ConfigError) as caught:
        kind(f"qa.schema={schema}")
    assert str(caught.value).startswith("qa.schema: ")
    assert problem in str(caught.value)


def test_reply_format_of_pairs_stays_as_it_was(kind):
    assert json.dumps(kind().reply_format(3, 300)) == (
        '{"type": "json_schema", "json_schema": {"name": "pairs", "strict": true, "schema": '
        '{"type": "object", "properties": {"pairs": {"type": "array", "items": {"type": "object", '
        '"properties": {"question": {"type": "string", "minLength": 8, "maxLength": 400}, '
        '"answer": {"type": "string", "minLength": 1, "maxLength": 800}}, '
        '"required": ["question", "answer"], "additionalProperties": false}, '
        '"minItems": 3, "maxItems": 3}}, "required": ["pairs"], "additionalProperties": false}}}'
    )


def test_reply_format_ends_what_the_schema_leaves_open(kind):
    fields = "a: {type: string, maxLength: 9}, b: {type: array, items: {type: string}}"
    own = f"{fields}, c: {{enum: [x, y]}}, d: {{type: object, properties: {{e: {{type: string}}}}}}"
    item = schema_of(kind(f"qa.schema={{properties: {{{own}}}, required: [a]}}", *FROM_A))["items"]
    parts = item["properties"]
    assert (item["type"], item["required"]) == ("object", ["a"])
    assert parts["a"]["maxLength"] == 9
    assert parts["b"]["items"]["maxLength"] == parts["d"]["properties"]["e"]["maxLength"] == 800
    assert parts["c"] == {"enum": ["x", "y"]}
    assert parts["d"]["additionalProperties"] is False


FROM_A = ("qa.question='{{ a }}?'", "qa.answer='{{ a }}'")


def test_item_becomes_a_pair_with_its_other_fields(kind):
    item = {"question": "Why?", "reasoning": "Since.", "answer": "So."}
    (pair,) = kind("qa=cot").to_pairs(CHUNKS[:1], ["T"], [item])
    assert list(pair.row().items()) == [
        ("id", "d-0-0"),
        ("chunk_id", "d-0"),
        ("doc_id", "d"),
        ("question", "Why?"),
        ("answer", "So."),
        ("reasoning", "Since."),
    ]
    assert type(pair).from_row(pair.row()) == pair


def test_plain_pair_has_five_columns(kind):
    (pair,) = kind().to_pairs(CHUNKS[:1], ["T"], [{"question": "Why?", "answer": "So."}])
    assert list(pair.row()) == ["id", "chunk_id", "doc_id", "question", "answer"]


def test_pair_of_several_chunks_names_them_all(kind):
    (pair,) = kind("qa=multi_hop").to_pairs(CHUNKS, ["1", "2"], [{"question": "?", "answer": "!"}])
    assert (pair.id, pair.chunk_id, pair.row()["chunk_ids"]) == ("d-0-0", "d-0", ["d-0", "d-1"])
    assert type(pair).from_row(pair.row()) == pair


def test_summary_is_the_answer_to_the_text(kind):
    (pair,) = kind("qa=summary").to_pairs(CHUNKS[:1], ["The text."], [{"summary": "Short."}])
    assert (pair.question, pair.answer) == (
        "The text.\n\nWhat does this text say, in short?",
        "Short.",
    )
    assert pair.fields == {"summary": "Short."}


def test_optional_field_may_lack(kind):
    schema = "qa.schema={properties: {a: {type: string}, b: {type: string}}, required: [a]}"
    asking = kind(
        schema, "qa.question='{{ a }}{% if b %} {{ b }}{% endif %}'", "qa.answer='{{ b }}.'"
    )
    items = asking.parse('[{"a": "A"}, {"a": "A", "b": "B"}, {"b": "B"}]', is_cut_off=False)
    pairs = asking.to_pairs(CHUNKS[:1], ["T"], items)
    assert [(pair.question, pair.answer) for pair in pairs] == [("A", "."), ("A B", "B.")]


def test_template_that_an_item_does_not_suit_is_an_error_of_the_reply(kind):
    asking = kind("qa.question='{{ question + num_pairs }}'")
    with pytest.raises(ReplyError, match=r"qa\.question and qa\.answer can't be filled"):
        asking.to_pairs(CHUNKS[:1], ["T"], [{"question": "Why?", "answer": "So."}])


def test_fields_are_cleaned_and_lengths_are_no_matter(kind):
    values = [{"question": " Q\ud83d ", "answer": "A", "more": 1}, {"question": "Q", "answer": " "}]
    assert kind().whole(values) == [{"question": "Q", "answer": "A"}]


@pytest.mark.parametrize("name", KINDS)
def test_default_reply_has_room(make_config, name):
    assert describe_shortage(make_config(f"qa={name}")) is None


def test_shortage_is_told(make_config):
    told = describe_shortage(make_config("qa.num_pairs=50", "gen.max_tokens=200"))
    assert told == (
        "qa.num_pairs=50: so many take 905 tokens or more, and gen.max_tokens=200 has room for 10; "
        "raise gen.max_tokens, or lower qa.num_pairs"
    )


PAGE = Path(__file__).parents[1] / "docs" / "kinds.md"


@pytest.fixture
def own_kind(tmp_path):
    (tmp_path / "own" / "qa").mkdir(parents=True)
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "own" / "qa" / "exam.yaml").write_text(example)
    return tmp_path / "own"


def test_own_kind_is_a_file(own_kind):
    config = compose(["qa=exam"], config_dir=own_kind)
    fields = list(schema_of(Kind(config.qa))["items"]["properties"])
    assert fields == ["question", "hint", "answer"]


def test_own_kind_runs(run_cli, stub, own_kind, tmp_path):
    done = run_cli(*stub, f"--config-dir={own_kind}", "qa=exam", "export.provenance=false")
    assert done.returncode == 0, done.stdout + done.stderr
    pairs = list(read_jsonl(tmp_path / "run" / "pairs.jsonl"))
    assert len(pairs) > 4
    assert all(pair["question"].endswith(f"Hint: {pair['hint']}") for pair in pairs)
    exported = next(read_jsonl(tmp_path / "run" / "export" / "jsonl" / "train.jsonl"))
    assert list(exported) == ["question", "hint", "answer"]


@pytest.mark.parametrize("name", ["cot", "summary"])
def test_kind_of_ours_runs(run_cli, stub, tmp_path, name):
    done = run_cli(*stub, f"qa={name}")
    assert done.returncode == 0, done.stdout + done.stderr
    own = {"cot": "reasoning", "summary": "summary"}[name]
    assert all(row[own] for row in read_jsonl(tmp_path / "run" / "pairs.jsonl"))


def test_problem_of_a_kind_ends_the_run_before_it_starts(run_cli, stub, tmp_path):
    done = run_cli(*stub, "qa=cot", "qa.answer='{{ result }}'")
    assert done.returncode == 1
    assert "qa.answer: 'result' is undefined; it may use {{ question }}, {{ reas" in done.stdout
    assert not (tmp_path / "run" / "server.log").exists()
