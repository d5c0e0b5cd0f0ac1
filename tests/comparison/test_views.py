"""MLflow's own pages of a sweep, in a real browser, with nothing but loopback."""

import json
import os
import subprocess
import sys

import pytest

from synth.comparison.statistics import compare
from synth.comparison.views import Links, note, shared_view, view_key
from synth.measure import RATIOS
from synth.server.address import find_port
from synth.store import RunInfo, open_store
from synth.sweep.links import newest_links
from tests.comparison.conftest import make_entry
from tests.conftest import _accepts, wait_until

SWEPT = ["chunk.size", "gen.temperature"]
OBJECTIVE = "quality/accepted_frac"


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """A sweep of four jobs in a store, and MLflow's UI on it in the form of scripts/ui."""
    folder = tmp_path_factory.mktemp("ui")
    uri, port = f"sqlite:///{folder}/ml.db", find_port("127.0.0.1", 0)
    parent = open_store(uri, "synth", RunInfo("sweep", {}, {"synth.kind": "sweep"}))
    entries = []
    for n in range(4):
        settings = {"chunk.size": 256 << n % 2, "gen.temperature": 0.2 + n // 2}
        entries.append(make_entry(n, settings, [n] * 6))
        info = RunInfo(
            name=f"job {n}",
            parameters=settings | {"docs": "d"},
            tags={"synth.kind": "job"},
            parent=lambda: parent.run_id,
            objective=OBJECTIVE,
        )
        job = open_store(uri, "synth", info)
        figures = {"chunk/n_chunks": 3} | entries[-1].metrics
        job.log_figures((name, value, 0) for name, value in figures.items())
        job.close("FINISHED")
    view = shared_view(SWEPT, compare(entries, OBJECTIVE, RATIOS), parent.run_id)
    parent.set_experiment_tags({f"mlflow.sharedViewState.{view_key(parent.run_id)}": view})
    parent.close("FINISHED")
    command = ["-m", "mlflow", "ui", "--workers", "1", "--port", str(port)]
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "--backend-store-uri", uri],
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_until(lambda: _accepts(port), 60)
    yield newest_links(uri, f"http://127.0.0.1:{port}")
    os.killpg(server.pid, 9)
    server.wait()


@pytest.fixture
def look(browser):
    """Open an address; return all that is to be read there once ``word`` is."""

    def look(address, word):
        page, strange = browser.new_page(viewport={"width": 1900, "height": 1400}), []
        page.on("request", lambda request: strange.append(request.url))
        page.goto(address)
        page.get_by_text(word).first.wait_for(timeout=30_000)
        page.wait_for_timeout(2000)
        text = page.locator("body").inner_text() + page.locator("body").text_content()
        page.close()
        loopback = ("http://127.0.0.1", "data:", "blob:")
        assert [url for url in strange if not url.startswith(loopback)] == []
        return text

    return look


def test_table_shows_settings_and_quality_without_a_click(look, links):
    text = look(links.table, "job 3")
    shown = (*SWEPT, OBJECTIVE, "quality/covered_chars_frac", "generate/output_tokens_per_s")
    assert all(name in text for name in (*shown, "4 matching runs"))


def test_charts_are_those_of_the_sweep(look, links):
    text = look(links.charts, "Best settings")
    assert all(name in text for name in ("Parallel Coordinates", "chunk.size vs. gen", "job 0"))
    assert text.index("Parallel Coordinates") < text.index("Best settings") + 200


def test_compare_page_shows_settings_and_quality(look, links):
    chosen = look(links.compare, "Comparing 4 Runs").partition("Run details")[0]
    assert all(name in chosen for name in (*SWEPT, OBJECTIVE))


def test_newest_sweep_is_found_with_its_jobs(links):
    assert len(links.job_ids) == 4
    assert links.parent not in links.job_ids


def test_store_without_a_sweep_has_no_links(new_store):
    assert newest_links(f"sqlite:///{new_store}", "") is None


def test_contour_needs_two_settings():
    kinds = [
        [
            chart["type"]
            for chart in json.loads(shared_view(swept, compare([], "q/x", RATIOS), "p"))[
                "compareRunCharts"
            ]
        ]
        for swept in (["a"], ["a", "b"])
    ]
    assert ["CONTOUR" in kind for kind in kinds] == [False, True]


@pytest.mark.parametrize(("objective", "ascending"), [("q/x", False), ("-q/x", True)])
def test_best_job_stands_first(objective, ascending):
    assert (
        json.loads(shared_view([], compare([], objective, RATIOS), "p"))["orderByAsc"] == ascending
    )


def test_address_of_very_many_jobs_can_be_opened():
    links = Links("http://far:1", "7", "abc", [f"{number:032x}" for number in range(1000)])
    assert len(links.compare) < 4000
    assert f"{0:032x}" in links.compare


def test_note_has_verdict_and_links_that_work_anywhere(make_comparison):
    comparison = make_comparison({"x": [1, 2]})
    text = note(comparison, Links("http://far:1", "7", "abc", ["j1"]))
    assert text.startswith(comparison.verdict())
    assert "(#/experiments/7/runs?" in text
    assert "(#/experiments/7/runs/abc/artifacts/report.html?" in text
    assert "http://far" not in text
