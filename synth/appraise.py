"""What a finished run is worth: its figures with their intervals, its plots, its page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.config import Config
from synth.diversity import measure_diversity
from synth.ledger import REPORT
from synth.measure import MEANS, OVERALL, RATIOS, WATERFALL, measure_run, read_figures
from synth.review.counts import Counts, count
from synth.rows import PAIRS, is_kept, read_rows

PLOTS = "plots"
"""Folder of the pictures, in the run's."""

_TOLD = {
    OVERALL: "geometric mean of accepted, covered and supported",
    "quality/accepted_frac": "pairs without a fault, of those that were asked for",
    "quality/kept_frac": "pairs that are kept, of those that were written",
    "quality/covered_chars_frac": "the documents' characters in chunks with a kept pair",
    "quality/good_chars_frac": "… in chunks with a pair without a fault",
    "quality/good_support_mean": "how much of a good answer stands in its chunk",
    "quality/place_mean": "where in their documents kept pairs are; 0.5 is no bias",
    "quality/score_mean": "the judge's scores, 1 to 10",
    "quality/known_frac": "pairs that the model answers without the text",
    "quality/answerable_frac": "pairs that it answers with the text",
    "quality/unique_frac": "pairs that ask what no other does, of those that were written",
    "quality/distinct_2_frac": "different sequences of two words, in a sample of the questions",
    "quality/self_bleu": "how like the questions are each other; 0 is best",
}
_N_RESAMPLES = 1000
"""For the intervals of one run; a sweep draws more."""
_INTERVALS = (OVERALL, "quality/kept_frac", "quality/accepted_frac")
"""Figures of which the ends of the interval are logged, too."""


def prepare() -> None:
    """Load what takes seconds the first time."""
    from synth.charts import vega
    from synth.comparison import statistics
    from synth.review import plots

    del statistics, plots
    vega()


def appraise(folder: Path, config: Config) -> dict[str, float]:
    """Measure the run in ``folder``, write its report and plots, and return its metrics.

    Without ``report`` there are no page and no plots, and no intervals among the metrics.
    """
    is_curated = "curate" in config.steps
    metrics = measure_run(folder, config.qa.num_pairs, is_curated=is_curated)
    counts = count(folder)
    types = {name: kept for name, (kept, _) in counts.types.items()}
    metrics |= measure_diversity(_kept_questions(folder), types)
    if not config.report:
        return metrics
    return metrics | _write_page(folder, config, metrics, counts)


def _write_page(
    folder: Path,
    config: Config,
    metrics: Mapping[str, float],
    counts: Counts,
) -> dict[str, float]:
    """Write the page; return the ends of the most important intervals as metrics."""
    import pandas as pd

    from synth.charts import save_pictures
    from synth.comparison.standings import Entry
    from synth.comparison.statistics import compare
    from synth.review.plots import draw
    from synth.review.report import Facts, Figure, write_report

    rows = pd.DataFrame(read_figures(folder))
    intervals: Mapping[str, Any] = {}
    if len(rows):
        entry = Entry(0, config.name, {}, metrics, rows)
        ratios = {name: RATIOS[name] for name in RATIOS if name in _TOLD}
        compared = compare([entry], OVERALL, ratios, config.seed, _N_RESAMPLES, MEANS)
        intervals = compared.standings[0].intervals
    figures = []
    for name, meaning in _TOLD.items():
        if name in metrics:
            interval = intervals.get(name)
            low, high = (interval.low, interval.high) if interval else (None, None)
            shown = "kept" if name == "quality/kept_frac" else name.partition("/")[2]
            figures.append(Figure(shown, metrics[name], low, high, meaning))
    waterfall = [(step, int(rows[column].sum()) if len(rows) else 0) for step, column in WATERFALL]
    plots = draw(counts, waterfall)
    save_pictures(plots, folder / PLOTS)
    facts = Facts(_describe(folder, config), waterfall, figures, plots, config.seed)
    write_report(folder, facts, folder / REPORT)
    return {
        f"{name}_{end}": getattr(intervals[name], end)
        for name in _INTERVALS
        if name in intervals and name in metrics
        for end in ("low", "high")
    }


def _describe(folder: Path, config: Config) -> dict[str, str]:
    """Return what the head of the page says of a run."""
    curate = config.curate
    return {
        "name": config.name,
        "folder": f"{folder.parent.name}/{folder.name}",
        "model": config.model.name,
        "chunks": f"{config.chunk.mode}, {config.chunk_size} tokens",
        "kind": f"{config.qa.kind}, {config.qa.num_pairs} of each",
        "temperature": f"{config.gen.temperature:g}",
        "judge": {"none": "none", "served": "the same model"}.get(curate.judge, str(curate.model)),
        "seed": str(config.seed),
    }


def _kept_questions(folder: Path) -> Iterator[str]:
    return (row["question"] for row in read_rows(folder / PAIRS) if is_kept(row))
