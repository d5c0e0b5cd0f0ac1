"""Templates: what the user says and what the model is to say."""

import pytest

from synth.errors import ConfigError, ExportError
from synth.export import check_templates, export
from synth.export.words import Wording
from tests.export.conftest import make_pair, make_run


def said(row):
    return [message["content"] for message in row["messages"]]


def test_templates_know_the_passage_and_the_document(exported):
    prompt = '{{ headings | join("/") }} {{ text }}: {{ question }} ({{ document }})'
    rows = exported([make_pair(0), make_pair(0, "d1")], f"export.prompt='{prompt}'")
    assert [said(row)[0] for row in rows] == [
        "Top/d0 d0 says xx: Question 0 of d0? (docs/d0.txt)",
        "Top/d1 d1 says xx: Question 0 of d1? (docs/d1.txt)",
    ]


def test_texts_of_several_chunks_are_joined(exported):
    pair = make_pair(chunk_ids=["d0-0-10", "d0-10-20"])
    (row,) = exported([pair], "export.prompt='{{ text }}'")
    assert said(row)[0] == "d0 says xx\n\n" + "x" * 10


def test_pairs_in_another_order_find_their_texts(exported):
    rows = [make_pair(n, f"d{n % 3}") for n in range(9)]
    rows.append(make_pair(0, "d0", chunk_id="none"))
    found = [said(row)[0] for row in exported(rows, "export.prompt='{{ text }}!'")]
    assert found == [*[f"d{n % 3} says xx!" for n in range(9)], "!"]


def test_document_without_chunks_has_no_text(make_config, tmp_path):
    wording = Wording(make_config("export.prompt='{{ text }}!'"), tmp_path)
    assert [wording.say(make_pair(), "").prompt for _ in "ab"] == ["!", "!"]


def test_field_that_a_pair_lacks_is_blank(exported):
    reply = "export.reply='{{ reasoning }}{{ hint }}; {{ answer }}'"
    schema = "qa.schema={properties:{question:{},hint:{},answer:{}}}"
    rows = exported([make_pair(), make_pair(1, hint="H")], reply, schema)
    assert [said(row)[1] for row in rows] == ["; Answer 0 of d0", "H; Answer 1 of d0"]


def test_texts_are_read_only_if_a_template_uses_them(make_config, tmp_path):
    make_run(tmp_path, [make_pair()])
    (tmp_path / "data" / "txt" / "d0.txt").unlink()
    export(tmp_path, make_config("export.prompt='{{ headings }}'"), {})
    with pytest.raises(FileNotFoundError):
        export(tmp_path, make_config("export.prompt='{{ text }}'"), {})


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("export.prompt='{{ x }}'", "export.prompt: 'x' is undefined; it may use {{ question }}"),
        ("export.reply='{{ answer'", "export.reply: unexpected end of template"),
    ],
)
def test_bad_template_is_a_problem_of_the_configuration(make_config, override, problem):
    with pytest.raises(ConfigError) as caught:
        check_templates(make_config(override))
    assert problem in caught.value.problems[0]


def test_all_bad_templates_are_told(make_config):
    with pytest.raises(ConfigError) as caught:
        check_templates(make_config("export.prompt='{{ x }}'", "export.reply='{{ y }}'"))
    assert len(caught.value.problems) == 2


def test_fields_of_the_kind_are_known(make_config):
    check_templates(make_config("qa=summary", "export.reply='{{ summary }}'"))
    with pytest.raises(ConfigError, match="'summary' is undefined"):
        check_templates(make_config("export.reply='{{ summary }}'"))


def test_bad_template_ends_a_run_before_it_starts(run_cli, stub, tmp_path):
    done = run_cli(*stub, "export.prompt='{{ x }}'")
    assert done.returncode == 1
    assert "export.prompt: 'x' is undefined" in done.stdout + done.stderr
    assert not (tmp_path / "run" / "pairs.jsonl").exists()


def test_template_that_can_not_be_filled_names_the_pair(exported):
    with pytest.raises(ExportError, match=r"the pair d0-0-10-0: .*correct the template"):
        exported([make_pair()], "export.reply='{{ answer / 2 }}'")
