"""Questions that several jobs have asked."""

import pytest

from synth.comparison.overlap import find_shared
from synth.io import write_jsonl


@pytest.fixture
def folders(tmp_path):
    """Write one folder for each list of questions; a "-" before one: it was not kept."""

    def write(*jobs):
        folders = {}
        for number, questions in enumerate(jobs):
            folders[number] = tmp_path / str(number)
            rows = ({"question": one.strip("-"), "kept": one[0] != "-"} for one in questions)
            write_jsonl(folders[number] / "pairs.jsonl", rows)
        return folders

    return write


def test_share_of_each_and_of_all(folders):
    shares, repeated = find_shared(folders(["How?", "Why so?"], ["why SO", "Who?", "When?"], []))
    assert shares == {0: 0.5, 1: pytest.approx(1 / 3)}
    assert repeated == pytest.approx(1 / 5)


def test_what_was_not_kept_and_what_one_job_repeats_does_not_count(folders):
    shares, repeated = find_shared(folders(["How?", "How?", "-Why?"], ["Why?"]))
    assert shares == {0: 0, 1: 0}
    assert repeated == 0


def test_jobs_without_pairs(folders, tmp_path):
    assert find_shared(folders([], [])) == ({}, None)
    assert find_shared({0: tmp_path / "gone"}) == ({}, None)
