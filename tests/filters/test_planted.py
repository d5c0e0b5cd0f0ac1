"""Pairs with known faults: each filter finds its own, and good pairs are left alone."""

from pathlib import Path

import pytest

from tests.filters.planted import SETS, measure, read_planted, to_markdown

FAULTS = sorted({row["fault"] for row in read_planted("first") if row["fault"]})


@pytest.fixture(scope="module")
def measured(make_config, tmp_path_factory):
    """Rows by id, and what was found, of each set."""
    return {name: measure(name, make_config, tmp_path_factory.mktemp(name)) for name in SETS}


@pytest.fixture(scope="module")
def rows(measured):
    return measured["first"][0]


@pytest.fixture(scope="module")
def table(measured):
    return measured["first"][1]


@pytest.mark.parametrize("name", SETS)
def test_all_pairs_are_there_and_as_they_were(measured, name):
    planted = {row["id"]: (row["question"], row["answer"]) for row in read_planted(name)}
    rows = measured[name][0]
    assert {key: (row["question"], row["answer"]) for key, row in rows.items()} == planted
    assert len(planted) > 200


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(table, fault):
    assert table[fault][fault] >= 0.95 * table[fault]["n"]


@pytest.mark.parametrize("fault", FAULTS)
def test_pair_with_a_fault_is_not_kept(rows, fault):
    faulty = [row["id"] for row in read_planted("first") if row["fault"] == fault]
    assert not any(rows[pair_id]["kept"] for pair_id in faulty)


def test_good_pairs_are_kept(table):
    assert table[""]["none"] >= 0.98 * table[""]["n"]


@pytest.mark.parametrize("name", SETS)
def test_every_kept_pair_has_its_evidence(measured, name):
    rows = measured[name][0].values()
    assert all(row["evidence"][0] < row["evidence"][1] for row in rows if row["kept"])


def test_duplicates_name_the_pair_that_they_repeat(rows):
    of = {row["id"]: row["of"] for row in read_planted("first") if row["fault"] == "duplicate"}
    assert {key: rows[key]["duplicate_of"] for key in of} == of


def test_docs_say_how_much_is_found(measured):
    page = Path(__file__).parents[2] / "docs" / "curation.md"
    tables = {name: table for name, (_, table) in measured.items()}
    assert to_markdown(tables) in page.read_text(encoding="utf-8")
