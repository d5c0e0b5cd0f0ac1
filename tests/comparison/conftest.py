"""Comparisons of sweeps that were made up, and a real browser to look at pages."""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import sync_playwright

from synth.comparison.standings import Entry
from synth.comparison.statistics import compare
from synth.measure import RATIOS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; scripts/test installs one. Its loop must not meet other tests."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"none of {', '.join(BROWSERS)} is on the PATH"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=FLAGS)


def make_entry(number, settings, n_usable, n_asked=20.0, documents=None, speed=100.0, length=0):
    """A job in which each chunk had ``n_usable`` usable pairs of those asked for.

    Each chunk is a document or, if they have a ``length``, they are a single one.
    """
    n_usable = np.asarray(n_usable, dtype=float)
    order = np.arange(len(n_usable))
    ids = ["d"] * len(order) if length else documents or [f"d{n}" for n in order]
    columns = {column for pair in RATIOS.values() for column in pair}
    sums = pd.DataFrame(dict.fromkeys(columns, 1.0), index=order)
    sums["doc_id"], sums["start"], sums["end"] = ids, order * length, (order + 1) * length
    sums["n_usable"], sums["n_asked"], sums["n_pairs"] = n_usable, n_asked, n_asked
    sums["output_tokens"] = speed
    name = " ".join(f"{key}={value}" for key, value in settings.items())
    metrics = {
        name: float(sums[above].sum() / sums[below].sum())
        for name, (above, below) in RATIOS.items()
        if sums[below].sum()
    }
    return Entry(number, name, settings, metrics, sums)


@pytest.fixture
def make_comparison():
    """Compare the jobs of a grid: ``make_comparison({"chunk.size": [256, 512]})``."""

    def make(grid, objective="quality/usable_frac", n_documents=12):
        rng, entries = np.random.default_rng(0), []
        for number, values in enumerate(itertools.product(*grid.values())):
            usable = rng.binomial(20, 0.3 + 0.02 * number % 0.6, n_documents)
            settings = dict(zip(grid, values, strict=True))
            entries.append(make_entry(number, settings, usable, speed=100.0 + number))
        return compare(entries, objective, RATIOS, n_resamples=200)

    return make


@pytest.fixture
def make_folders(tmp_path):
    """Write run folders with one document of two chunks each; returns them by number."""

    def make(names, text="The <b>Moon</b> </script> is a rock. " * 20):
        folders = {}
        for number, name in enumerate(names):
            folder = folders[number] = tmp_path / str(number)
            folder.mkdir()
            half = len(text) // 2
            chunks = [
                {"id": f"c{n}", "doc_id": "d", "start": n * half, "end": (n + 1) * half}
                | {"n_tokens": 9, "path": f"{n}.txt"}
                for n in range(2)
            ]
            pairs = [
                {"id": f"c{n}-0", "chunk_id": f"c{n}", "doc_id": "d"}
                | {"question": f"Q{n} of {name}?", "answer": "<i>A</i>"}
                for n in range(2)
            ]
            documents = [{"id": "d", "path": "/x/moon.txt", "text_path": "t.txt"}]
            files = {"chunks": chunks, "pairs": pairs, "documents": documents}
            for file, rows in files.items():
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                (folder / f"{file}.jsonl").write_text(lines)
            for n in range(2):
                (folder / f"{n}.txt").write_text(text[n * half : (n + 1) * half])
        return folders

    return make
