"""Each number of swept keys has its plot, and hostile names do no harm."""

import pytest

from synth.charts import save_pictures
from synth.comparison.plots import draw

ODD = {"a.b['c']": ['x: "y"', "z\\" * 90], "n": [1, None]}


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        ({"gen.temperature": [0.3, 0.7, 1.0]}, "line"),
        ({"qa": ["qa", "factual"]}, "line"),
        ({"chunk.size": [256, 512], "gen.temperature": [0.3, 0.7]}, "heat_map"),
        ({"a": [1, 2], "b": ["x", "y"], "c": [True, False]}, "parallel_coordinates"),
        (ODD, "heat_map"),
        (ODD | {"m": [1, 2]}, "parallel_coordinates"),
    ],
    ids=["numbers", "words", "two", "three", "odd two", "odd three"],
)
def test_pictures_are_drawn(make_comparison, tmp_path, grid, name):
    paths = save_pictures(draw(make_comparison(grid)), tmp_path)
    assert {path.stem for path in paths} == {name, "ranking", "pareto"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_values_stand_in_the_plot(make_comparison):
    comparison = make_comparison({"chunk.size": [256, 512], "gen.temperature": [0.3, 0.7]})
    text = draw(comparison)["heat_map"]
    assert all(str(one.value)[:8] in text for one in comparison.standings)


def test_nothing_to_compare_is_no_plot(make_comparison):
    assert draw(make_comparison({"x": [1, 2]}, objective="no/such")) == {}
