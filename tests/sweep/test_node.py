"""What a node takes of a sweep."""

import pytest

from synth.sweep.node import share


@pytest.mark.parametrize(
    ("n_jobs", "n_nodes", "most", "expected"),
    [(8, 2, 16, 4), (9, 2, 16, 5), (100, 2, 16, 16), (3, 3, 16, 1), (8, 2, 1, 1)],
)
def test_jobs_are_shared_out(n_jobs, n_nodes, most, expected):
    assert share(n_jobs, n_nodes, most) == expected
