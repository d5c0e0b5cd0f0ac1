"""The report in a real browser, without any network."""

import pytest

from synth.comparison.plots import draw
from synth.comparison.report import Facts, choose_passages, write_report

GRID = {"chunk.size": [256, 512], "gen.temperature": [0.3, 0.7]}


@pytest.fixture
def page(browser, make_comparison, make_folders, tmp_path):
    """The report of four jobs, opened; what went wrong is in ``page.wrong``."""
    comparison = make_comparison(GRID)
    folders = make_folders([one.entry.name for one in comparison.standings])
    failed = [("#9 chunk.size=9", "ConfigError: <script>alert(1)</script>")]
    facts = Facts({"name": "<trial>"}, folders, failed)
    write_report(comparison, draw(comparison), facts, tmp_path / "report.html")
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.wrong = []
    page.on("console", lambda message: page.wrong.append(message.text))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("request", lambda request: page.wrong.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("#chart-pareto svg")
    page.wrong = [text for text in page.wrong if not text.startswith(("file:", "data:", "blob:"))]
    yield page
    page.close()


def test_page_needs_nothing_else_and_draws_its_plots(page):
    assert page.wrong == []
    assert page.locator(".chart svg").count() == 3
    assert "0." in page.locator("#chart-heat_map svg").text_content()


def test_page_shows_the_jobs_best_first(page):
    assert page.locator("#jobs tbody tr").count() == 4
    assert page.locator("#jobs tbody tr").first.get_attribute("class") == "best"
    assert "quality/accepted_frac" in page.locator(".verdict").inner_text()


def test_table_is_sorted_by_a_click(page):
    def jobs():
        return page.locator("#jobs tbody tr td:first-child").all_inner_texts()

    page.locator("#jobs th").first.click()
    assert jobs() == ["3", "2", "1", "0"]
    page.locator("#jobs th").first.click()
    assert jobs() == ["0", "1", "2", "3"]


def test_pairs_stand_side_by_side_as_they_are(page):
    assert page.locator("details").count() == 2
    side = page.locator("details").first
    assert side.locator("section").count() == 4
    assert "<i>A</i>" in side.inner_text()
    assert "<b>Moon</b> </script>" in side.locator("blockquote").inner_text()


def test_failed_jobs_and_names_are_text(page):
    assert page.title() == "<trial>: comparison"
    assert "<script>alert(1)</script>" in page.locator("body").inner_text()


def test_pairs_are_those_of_the_chunks_around_the_passage(make_comparison, make_folders):
    comparison = make_comparison({"x": [1, 2]})
    passages = list(choose_passages(comparison, make_folders(["a", "b"]), seed=1))
    assert len(passages) == 2
    for passage in passages:
        ((_, first), (_, second)) = passage.pairs
        assert [pair["chunk_id"] for pair in first] == [pair["chunk_id"] for pair in second]
