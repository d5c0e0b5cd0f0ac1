"""Three hundred pairs with known faults: each filter finds its own, and good pairs are left alone."""

from pathlib import Path

import pytest

from tests.filters.planted import (
    HERE,
    confusion,
    curate,
    read_planted,
    to_markdown,
    write_run,
)

FAULTS = sorted({row["fault"] for row in read_planted() if row["fault"]})


@pytest.fixture(scope="module")
def rows(make_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return curate(folder, make_config(f"curate.contamination={HERE}/evaluation.jsonl"))


@pytest.fixture(scope="module")
def table(rows):
    return confusion(rows)


def test_all_pairs_are_there_and_as_they_were(rows):
    planted = {row["id"]: (row["question"], row["answer"]) for row in read_planted()}
    assert {key: (row["question"], row["answer"]) for key, row in rows.items()} == planted
    assert len(planted) == 300
    assert len(FAULTS) >= 12


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(table, fault):
    assert table[fault][fault] >= 0.95 * table[fault]["n"]


@pytest.mark.parametrize("fault", FAULTS)
def test_pair_with_a_fault_is_not_kept(rows, fault):
    faulty = [row["id"] for row in read_planted() if row["fault"] == fault]
    assert not any(rows[pair_id]["kept"] for pair_id in faulty)


def test_good_pairs_are_kept(rows):
    good = [row["id"] for row in read_planted() if row["fault"] is None]
    assert sum(not rows[pair_id]["kept"] for pair_id in good) <= 0.02 * len(good)


def test_every_kept_pair_has_its_evidence(rows):
    assert all(row["evidence"][0] < row["evidence"][1] for row in rows.values() if row["kept"])


def test_duplicates_name_the_pair_that_they_repeat(rows):
    of = {row["id"]: row["of"] for row in read_planted() if row["fault"] == "duplicate"}
    assert {key: rows[key]["duplicate_of"] for key in of} == of


def test_docs_have_the_table(table):
    page = Path(__file__).parents[2] / "docs" / "curation.md"
    assert to_markdown(table) in page.read_text(encoding="utf-8")
