"""Which sections are put together, and what they stand under."""

import itertools

import pytest

from synth.cutting.sections import Heading, Section, find_trails, group_sections

SIZE = 100


def outline(*levels_and_sizes):
    """Sections of level 0 and those given, with the tokens before each."""
    rows = [(0, 0), *levels_and_sizes]
    sections = [
        Section(i, Heading(level, f"h{i}"), is_bare=n < 5) for i, (level, n) in enumerate(rows)
    ]
    return sections, [0, *itertools.accumulate(n for _, n in rows)]


@pytest.mark.parametrize(
    ("rows", "starts"),
    [
        ([(1, 30), (2, 30), (2, 30)], [0]),
        ([(1, 40), (1, 60), (1, 40)], [0, 3]),
        ([(1, 60), (1, 40), (1, 40)], [0, 2]),
        ([(1, 60), (1, 20), (1, 40)], [0, 3]),
        ([(1, 3), (2, 90), (2, 90)], [0, 3]),
        ([(1, 3), (2, 3), (3, 300), (2, 90)], [0, 4]),
        ([(1, 300), (2, 20), (2, 20), (1, 20)], [0, 2, 4]),
        ([(1, 20), (2, 90), (3, 20), (1, 50)], [0, 2, 3, 4]),
    ],
    ids=["all", "until-half", "from-half", "small", "bare", "bares", "parent", "child"],
)
def test_groups(rows, starts):
    assert group_sections(*outline(*rows), SIZE) == starts


def test_many_sections_of_any_depth_take_linear_time():
    rows = [(1 + i % 6, 30) for i in range(60_000)]
    starts = group_sections(*outline(*rows), SIZE)
    assert starts == sorted(set(starts))
    assert len(starts) > 10_000


def test_trail_is_of_those_above():
    sections, _ = outline((1, 9), (3, 9), (2, 9), (1, 9))
    titles = [[above.title for above in trail] for trail in find_trails(sections, ())]
    assert titles == [[], ["h1"], ["h1", "h2"], ["h1", "h3"], ["h4"]]


def test_trail_goes_on_from_the_part_before():
    around = (Heading(1, "Sea"), Heading(2, "Tides"))
    trails = find_trails(outline((2, 9))[0], around)
    assert trails == [around, (Heading(1, "Sea"), Heading(2, "h1"))]
