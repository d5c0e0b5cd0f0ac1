"""Every format holds the same pairs, and is loaded by what trainers load it with."""

import json

import pyarrow.parquet
import pytest
import yaml

from synth.export import export
from synth.io import read_jsonl
from tests.export.conftest import FORMATS, make_pair, make_run

ROWS = [
    make_pair(0, reasoning="Because.", pages=[1, 2], support=1.0),
    make_pair(1, "d1", answer="é 🙂 \u2028 | ``` \x00", score=7),
    make_pair(2, "d1", kept=True, evidence=[3, 9]),
    make_pair(3, "d1", kept=False, reasons=["duplicate"]),
]


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a folder as its users do, without a network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    def call(name):
        if name == "hf":
            return datasets.load_from_disk(tmp_path / "export" / "hf")
        return datasets.load_dataset(
            str(tmp_path / "export" / name), cache_dir=str(tmp_path / "cache")
        )

    return call


@pytest.fixture
def write(tmp_path, make_config):
    """Write formats of pairs."""

    def call(rows, *overrides, formats=FORMATS):
        make_run(tmp_path, rows)
        config = make_config(f"export.formats=[{','.join(formats)}]", *overrides)
        return export(tmp_path, config, {"generate/pairs_per_s": 1.5})

    return call


def test_jsonl_has_the_pair(exported):
    row = exported(ROWS, "export.provenance=false", name="jsonl")[0]
    assert list(row.items()) == [
        ("question", "Question 0 of d0?"),
        ("reasoning", "Because."),
        ("answer", "Answer 0 of d0"),
    ]


@pytest.mark.parametrize("system", ["", "Be brief."])
def test_alpaca(exported, system):
    row = exported(ROWS, "export.provenance=false", f"export.system='{system}'", name="alpaca")[0]
    said = {"instruction": "Question 0 of d0?", "input": "", "output": "Because.\n\nAnswer 0 of d0"}
    assert row == said | ({"system": system} if system else {})


@pytest.mark.parametrize("name", ["chatml", "ft"])
def test_messages(exported, name):
    messages = exported(ROWS, "export.system=Be brief.", name=name)[0]["messages"]
    assert [(one["role"], one["content"]) for one in messages] == [
        ("system", "Be brief."),
        ("user", "Question 0 of d0?"),
        ("assistant", "Because.\n\nAnswer 0 of d0"),
    ]


def test_sharegpt(exported):
    turns = exported(ROWS, "export.system=S", name="sharegpt")[1]["conversations"]
    assert [one["from"] for one in turns] == ["system", "human", "gpt"]
    assert turns[1]["value"] == "Question 1 of d1?"


def test_ft_has_messages_and_nothing_else(exported):
    assert all(list(row) == ["messages"] for row in exported(ROWS, name="ft"))


def test_pair_that_is_not_kept_is_left_out(exported):
    assert len(exported(ROWS)) == 3


@pytest.mark.parametrize("name", ["jsonl", "alpaca", "chatml", "sharegpt"])
def test_provenance_is_the_same_columns_in_all_rows(exported, name):
    rows = exported(ROWS, name=name)
    assert len({tuple(row) for row in rows}) == 1
    found = [(row["document"], row["pages"], row["evidence"], row["score"]) for row in rows]
    assert found == [
        ("docs/d0.txt", [1, 2], None, None),
        ("docs/d1.txt", None, None, 7),
        ("docs/d1.txt", None, [3, 9], None),
    ]


def test_provenance_that_no_pair_has_is_no_column(exported):
    assert list(exported([make_pair()])[0]) == [
        *("messages", "id", "document", "doc_id", "chunk_id")
    ]


def test_every_format_loads_with_the_same_pairs(write, load, tmp_path):
    folders = write(ROWS, formats=FORMATS[:-1])
    assert folders == [tmp_path / "export" / name for name in FORMATS[:-1]]
    for name in FORMATS[:-1]:
        loaded = load(name)
        assert {split: len(rows) for split, rows in loaded.items()} == {"train": 3}
        if name == "ft":
            assert loaded["train"].column_names == ["messages"]
        else:
            assert loaded["train"]["id"][:] == [row["id"] for row in ROWS[:3]]
    tables = load("parquet")["train"], load("hf")["train"]
    assert tables[0].to_list() == tables[1].to_list()
    assert tables[0][1]["answer"] == ROWS[1]["answer"]
    assert load("jsonl")["train"][1]["answer"] == ROWS[1]["answer"]
    assert load("chatml")["train"]["messages"][:] == tables[0]["messages"][:]


def test_splits_load_though_a_column_is_empty_in_one(write, load):
    rows = [make_pair(n, f"d{n}", pages=[1, 2] if n % 2 else None) for n in range(12)]
    write(rows, "export.test_frac=0.3", "export.validation_frac=0.3", formats=FORMATS[:-1])
    for name in ("jsonl", "chatml", "parquet", "hf"):
        loaded = load(name)
        assert {split: len(part) for split, part in loaded.items()} == {
            **dict.fromkeys(("train", "validation", "test"), 4)
        }
        assert {row["doc_id"]: row["pages"] for part in loaded.values() for row in part} == {
            row["doc_id"]: row["pages"] for row in rows
        }


def test_preferences_load(write, load):
    question = {"question": "Question 0 of d0?"}
    row = make_pair(1, kept=False, reasons=["cut_off"]) | question
    write([make_pair(), row], formats=["dpo"])
    (loaded,) = load("dpo")["train"].to_list()
    assert [loaded[name][0]["content"] for name in ("prompt", "chosen", "rejected")] == [
        *("Question 0 of d0?", "Answer 0 of d0", "Answer 1 of d0")
    ]


def test_odd_values_of_own_fields(write, load):
    rows = [
        make_pair(0, level=1, tags=["a", "b"], tree={"a": [1]}, mixed=1, huge=2**70, half="\ud800"),
        make_pair(1, level=0.5, tags=[], tree={"b": None}, mixed="x", huge=10**400),
        make_pair(2, level=None, flag=True),
    ]
    write(rows, formats=FORMATS[:-1])
    table, lines = load("hf")["train"].to_list(), load("jsonl")["train"].to_list()
    assert [row["level"] for row in table] == [1.0, 0.5, None]
    assert [row["tags"] for row in table] == [["a", "b"], [], None]
    assert [json.loads(row["tree"] or "0") for row in table] == [{"a": [1]}, {"b": None}, 0]
    assert [row["mixed"] for row in table] == ["1", '"x"', None]
    assert [row["huge"] for row in table] == [2.0**70, None, None]
    assert table[0]["half"] == "?"
    assert [row["flag"] for row in table] == [None, None, True]
    assert [row["tree"] for row in lines] == [{"a": [1]}, {"b": None}, None]


def test_run_without_pairs_makes_every_format(write, load, tmp_path, caplog):
    caplog.set_level("INFO")
    write([])
    for name in ("jsonl", "alpaca", "chatml", "ft", "sharegpt", "dpo"):
        assert (tmp_path / "export" / name / "train.jsonl").read_bytes() == b""
    table = pyarrow.parquet.read_table(tmp_path / "export" / "parquet" / "train.parquet")
    assert len(table) == len(load("hf")["train"]) == 0
    assert table.column_names == load("hf")["train"].column_names
    assert "dpo is empty" in caplog.text


def test_run_that_wrote_no_file_of_pairs_is_like_one_without_pairs(tmp_path, make_config):
    export(tmp_path, make_config("export=all"), {})
    assert (tmp_path / "export" / "ft" / "train.jsonl").read_bytes() == b""


def test_earlier_exports_are_gone(write, tmp_path):
    write([make_pair(n, f"d{n}") for n in range(8)], "export.test_frac=0.5")
    (tmp_path / "export" / "mine.txt").write_text("stays")
    write(ROWS, "export.test_frac=0", formats=["chatml"])
    found = {str(path.relative_to(tmp_path / "export")) for path in tmp_path.glob("export/**/*")}
    assert found == {"mine.txt", "chatml", "chatml/train.jsonl", "chatml/README.md"}
    assert not (tmp_path / ".export").exists()


def test_export_that_fails_leaves_the_earlier_one(write, tmp_path):
    write(ROWS, formats=["jsonl"])
    with pytest.raises(RuntimeError, match="can't be filled with the pair d0-0-10-0"):
        write(ROWS, "export.reply='{{ answer + 1 }}'", formats=["jsonl"])
    assert len(list(read_jsonl(tmp_path / "export" / "jsonl" / "train.jsonl"))) == 3
    assert not (tmp_path / ".export").exists()


def test_bars_are_as_they_were(write):
    from datasets.utils import are_progress_bars_disabled

    write(ROWS, formats=["hf"])
    assert not are_progress_bars_disabled()


def test_card(write, tmp_path):
    rows = [make_pair(n, f"d{n}") for n in range(60)]
    write(rows, "export.test_frac=0.2", "export.license=cc-by-4.0", "model.token=hf_marked")
    text = (tmp_path / "export" / "hf" / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    told = yaml.safe_load(front)
    told.pop("language", None)  # of texts that are no language
    assert told == {
        "license": "cc-by-4.0",
        "task_categories": ["question-answering", "text-generation"],
        "tags": ["synthetic", "synth"],
        "size_categories": ["n<1K"],
    }
    assert "| train | 45 | 45 |" in body
    assert "| test | 12 | 12 |" in body
    assert body.count(".txt |") == 50
    assert "… and 10 more" in body
    assert "docs/d" not in body
    assert "| `model.name` | bundled/smollm2 |" in body
    assert "| `generate/pairs_per_s` | 1.5 |" in body
    assert body.count("```json") == 3
    assert "hf_marked" not in text


def test_card_names_languages_and_columns(tmp_path, make_config):
    make_run(tmp_path, ROWS)
    texts = {
        "d0": "The lighthouse was built in 1887 by the town.",
        "d1": "Der Turm ist sehr hoch und alt.",
    }
    for doc_id, text in texts.items():
        (tmp_path / f"data/txt/{doc_id}.txt").write_text(text)
    export(tmp_path, make_config("export.formats=[chatml]"), {})
    front = yaml.safe_load((tmp_path / "export/chatml/README.md").read_text().split("---\n")[1])
    assert {"en", "de"} <= set(front["language"])
    assert front["dataset_info"]["features"][0]["name"] == "messages"
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"}]
