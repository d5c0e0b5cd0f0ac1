"""What a node takes of a sweep."""

import pytest

from synth.sweep.node import share, turn


@pytest.mark.parametrize(
    ("n_jobs", "n_nodes", "most", "expected"),
    [(8, 2, 16, 4), (9, 2, 16, 5), (100, 2, 16, 16), (3, 3, 16, 1), (8, 2, 1, 1)],
)
def test_jobs_are_shared_out(n_jobs, n_nodes, most, expected):
    assert share(n_jobs, n_nodes, most) == expected


def test_each_node_begins_with_other_jobs_and_comes_to_all():
    numbers = [3, 4, 5, 6, 7]
    assert [turn(numbers, index * 2)[:2] for index in range(3)] == [[3, 4], [5, 6], [7, 3]]
    assert all(sorted(turn(numbers, first)) == numbers for first in range(12))
