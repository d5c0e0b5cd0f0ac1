"""Comparisons of sweeps that were made up."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from synth.comparison.standings import Entry
from synth.comparison.statistics import compare
from synth.measure import RATIOS, metrics_of
from synth.texts import text_path


def make_entry(number, settings, n_good, n_asked=20.0, documents=None, speed=100.0, length=0):
    """A job in which each chunk had ``n_good`` usable pairs of those asked for.

    Each chunk is a document or, if they have a ``length``, they are a single one.
    """
    n_good = np.asarray(n_good, dtype=float)
    order = np.arange(len(n_good))
    ids = ["d"] * len(order) if length else documents or [f"d{n}" for n in order]
    columns = {column for pair in RATIOS.values() for column in pair}
    sums = pd.DataFrame(dict.fromkeys(columns, 1.0), index=order)
    sums["doc_id"], sums["start"], sums["end"] = ids, order * length, (order + 1) * length
    sums["n_good"], sums["n_asked"], sums["n_pairs"] = n_good, n_asked, n_asked
    sums["output_tokens"] = speed
    name = " ".join(f"{key}={value}" for key, value in settings.items())
    metrics = metrics_of({column: float(sums[column].sum()) for column in columns})
    return Entry(number, name, settings, metrics, sums)


@pytest.fixture
def make_comparison():
    """Compare the jobs of a grid: ``make_comparison({"chunk.size": [256, 512]})``."""

    def make(grid, objective="quality/accepted_frac", n_documents=12):
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
                | {"n_tokens": 9}
                for n in range(2)
            ]
            pairs = [
                {"id": f"c{n}-0", "chunk_id": f"c{n}", "doc_id": "d"}
                | {"question": f"Q{n} of {name}?", "answer": "<i>A</i>"}
                for n in range(2)
            ]
            documents = [{"id": "d", "path": "/x/moon.txt", "text_path": text_path("d")}]
            files = {"chunks": chunks, "pairs": pairs, "documents": documents}
            for file, rows in files.items():
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                (folder / f"{file}.jsonl").write_text(lines)
            (folder / text_path("d")).parent.mkdir(parents=True)
            (folder / text_path("d")).write_text(text)
        return folders

    return make
