"""Splits by document: of the right size, the same whatever the order, nothing in two of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.export.splits import SPLITS, split_documents
from synth.io import read_jsonl
from tests.export.conftest import make_pair

SIZES = st.dictionaries(st.text(), st.integers(0, 40), max_size=40)
FRACTIONS = st.sampled_from([0, 0.05, 0.2, 0.4])


@pytest.fixture(scope="module")
def export_config(make_config):
    return make_config().export


@given(sizes=SIZES, test=FRACTIONS, validation=FRACTIONS, seed=st.integers(0, 9), data=st.data())
def test_splits_are_near_their_shares(export_config, sizes, test, validation, seed, data):
    export_config.test_frac, export_config.validation_frac = test, validation
    split_of = split_documents(sizes, export_config, seed)
    shuffled = dict(data.draw(st.permutations(list(sizes.items()))))
    assert split_documents(shuffled, export_config, seed) == split_of
    total, most = sum(sizes.values()), max(sizes.values(), default=0)
    for name, fraction in (("test", test), ("validation", validation)):
        n = sum(sizes[id_] for id_, split in split_of.items() if split == name)
        assert n <= fraction * total + most / 2
    n_held_out = sum(sizes[id_] for id_ in split_of)
    assert n_held_out < total or not total


@pytest.mark.parametrize("seed", range(5))
def test_of_many_documents_the_shares_are_met(export_config, seed):
    export_config.test_frac = export_config.validation_frac = 0.1
    split_of = split_documents({str(n): 1 + n % 3 for n in range(300)}, export_config, seed)
    for name in ("test", "validation"):
        n = sum(1 + int(id_) % 3 for id_, split in split_of.items() if split == name)
        assert abs(n - 60) <= 1


def test_seed_chooses_the_documents(export_config):
    sizes = dict.fromkeys(map(str, range(100)), 1)
    export_config.test_frac = 0.1
    first, second = (split_documents(sizes, export_config, seed) for seed in (0, 1))
    assert first != second


def test_rows_in_any_order_make_the_same_splits(exported, tmp_path):
    rows = [make_pair(n, f"d{n % 20}", kept=n % 3 > 0) for n in range(100)]
    shares = "export.test_frac=0.2", "export.validation_frac=0.1"

    def found():
        files = {name: tmp_path / "export" / "chatml" / f"{name}.jsonl" for name in SPLITS}
        return {name: {row["id"] for row in read_jsonl(path)} for name, path in files.items()}

    exported(rows, *shares)
    first = found()
    exported(rows[::-1], *shares)
    assert found() == first
    documents = [{id_.partition("-")[0] for id_ in ids} for ids in first.values()]
    assert sum(map(len, documents)) == len(set().union(*documents)) == 20


def test_too_few_documents_are_told(exported, tmp_path, caplog):
    caplog.set_level("INFO")
    exported([make_pair(n, f"d{n % 2}") for n in range(20)])
    assert "no split for validation and test: too few documents (2)" in caplog.text
    assert not (tmp_path / "export" / "chatml" / "test.jsonl").exists()


def test_share_of_nothing_is_not_told(exported, caplog):
    caplog.set_level("INFO")
    exported([make_pair()], "export.test_frac=0", "export.validation_frac=0")
    assert "no split" not in caplog.text
