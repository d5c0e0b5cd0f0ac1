"""A row is a document, and a bad one costs itself."""

import json

import pytest

from synth.reading.tables import TEXT_COLUMNS
from tests.reading.samples import make_csv, make_jsonl, make_parquet

ROWS = ["first\nline", "second, with commas", "drittes: ü"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", make_csv([("id", "text"), *enumerate(ROWS)])),
        ("a.csv", make_csv([("id", "text"), *enumerate(ROWS)], ";")),
        ("a.csv", b"\xef\xbb\xbf" + make_csv([("text", "id"), *((row, 1) for row in ROWS)])),
        ("a.tsv", make_csv([("id", "text"), *enumerate(ROWS)], "\t")),
        ("a.jsonl", make_jsonl({"text": row} for row in ROWS)),
        ("a.json", json.dumps([{"text": row} for row in ROWS], indent=2).encode()),
        ("a.parquet", make_parquet(ROWS)),
    ],
    ids=["csv", "semicolons", "mark", "tsv", "jsonl", "json", "parquet"],
)
def test_each_row_is_a_document(reader, name, data):
    results = reader(name, data)
    assert [reader.text(one) for one in results] == ROWS
    assert [one.path.rpartition("/")[2] for one in results] == [f"{name}#{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize("column", [TEXT_COLUMNS[0], TEXT_COLUMNS[-1], "Body"])
def test_column_is_found_by_its_name(reader, column):
    assert reader.texts("a.parquet", make_parquet(["words"], column)) == ["words"]


def test_column_of_the_settings_goes_first(reader):
    data = make_jsonl([{"text": "no", "mine": "yes"}])
    assert reader.texts("a.jsonl", data, text_column="mine") == ["yes"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", make_csv([("id", "q"), (1, "x"), (2, "y")])),
        ("a.jsonl", make_jsonl([{"q": "x", "id": 1}] * 2)),
        ("a.json", b'[{"q": "x", "id": 1}, {}]'),
        ("a.parquet", make_parquet(["x", "y"], "q")),
    ],
)
def test_columns_are_told_once_if_none_is_known(reader, name, data):
    (detail,) = reader.texts(name, data)
    assert detail.endswith("set ingest.text_column to one of id, q")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{broken\n{"text": "b"}\n', "is not JSON"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n\n{"text": "b"}\n', "is JSON, but no object"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\\ud800"}\n{"text": "b"}', ""),
        ("a.jsonl", b'{"text": "a"}\n{"text": 5}\n{"text": "b"}', "column text holds no text"),
        ("a.jsonl", b'{"text": "a"}\n{"x": 5}\n{"text": "b"}', "has no column text"),
        ("a.csv", b"text,x\na,1\nb,2,3\nb,1\n", "has 3 fields, not 2"),
        (
            "a.csv",
            b"text,x\na,\xc3\xbc\xc3\xbc\n\xff,\nb,\n",
            "is not text: it holds half a character",
        ),
        ("a.json", b'[{"text": "a"}, 5, {"text": "b"}]', "is JSON, but no object"),
        ("a.parquet", make_parquet(["a", None, "b"]), "has no text"),
    ],
)
def test_bad_row_costs_itself(reader, name, data, message):
    first, second, third = reader.texts(name, data)
    assert (first, third) == ("a", "b")
    assert second.startswith(message)


def test_json_that_breaks_off_gives_what_it_can(reader):
    first, second = reader.texts("a.json", b'[{"text": "a"}, {"text": ')
    assert first == "a"
    assert second.startswith("is not JSON at row 2")


def test_values_longer_than_a_piece_are_read(reader):
    rows = ["x" * 3_000_000, "y" * 1_500_000]
    data = json.dumps([{"text": row} for row in rows]).encode()
    assert reader.texts("a.json", data) == rows


def test_object_alone_is_one_row(reader):
    assert reader.texts("a.json", b'{"text": "a"}') == ["a"]


def test_table_in_another_encoding_is_read(reader):
    rows = [("text",), *((f"Café an der Straße nach Köln, Nummer {n}",) for n in range(40))]
    data = make_csv(rows).decode().encode("cp1252")
    assert reader.texts("a.csv", data)[0] == rows[1][0]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet"])
def test_table_without_rows_is_told(reader, name):
    data = make_parquet([]) if name == "a.parquet" else {"a.json": b"[]"}.get(name, b"")
    (detail,) = reader.texts(name, data or b"\n")
    assert detail.startswith(("holds no documents", "has no column of text"))


def test_column_that_is_not_there_is_told_once(reader):
    data = make_csv([("id", "text"), *enumerate(ROWS)])
    assert reader.texts("a.csv", data, text_column="mine") == [
        "has no column mine (there are id, text)"
    ]
