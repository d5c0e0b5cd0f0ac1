"""The page of a run: one HTML file that needs no network and no server."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from synth.charts import embedded, vega
from synth.io import read_text, replacing
from synth.review.pack import Pack, pack

MOST_PAIRS = 20_000
KEPT = "kept"
"""The figure that the first sentence of the page tells."""

_HERE = Path(__file__).parent
_templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)


@dataclass(frozen=True)
class Figure:
    """One number about a run, with its 95 % interval where there is one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    meaning: str = ""


@dataclass(frozen=True)
class Facts:
    """What a report tells of a run beside its pairs."""

    about: Mapping[str, str]
    """For the head of the page; ``name`` is its title."""
    waterfall: Sequence[tuple[str, int]] = ()
    """The pairs that are left after each step."""
    figures: Sequence[Figure] = ()
    plots: Mapping[str, str] = field(default_factory=dict)
    """Vega-Lite specifications (JSON) by name."""
    seed: int = 0
    """Of the choice of chunks, where there are too many pairs for a page."""


@dataclass(frozen=True)
class _Step:
    """One bar of the waterfall."""

    name: str
    n: int
    width: float
    """Of the widest bar, in percent."""
    change: str
    """Against the step before."""


def write_report(folder: Path, facts: Facts, path: Path, most_pairs: int = MOST_PAIRS) -> None:
    """Write the report of the run in ``folder`` to ``path``.

    Args:
        folder: of the run.
        facts: what its files don't tell.
        path: the page.
        most_pairs: that it holds; of more, those of chunks drawn by the seed.
    """
    content = pack(folder, most_pairs, facts.seed)
    # The waterfall is a list of its own on this page.
    charts = {name: embedded(text) for name, text in facts.plots.items() if name != "waterfall"}
    page = _templates.from_string(read_text(_HERE / "report.html.jinja")).render(
        about=facts.about,
        verdict=_tell(content, facts.figures),
        steps=list(_steps(facts.waterfall)),
        figures=facts.figures,
        charts=charts,
        vega=vega() if charts else "",
        content=content,
        data=content.embedded(),
        style=read_text(_HERE / "report.css"),
        script=read_text(_HERE / "report.js"),
        shown=_shown,
    )
    with replacing(path) as file:
        file.write(page.encode("utf-8", errors="replace"))


def _tell(content: Pack, figures: Sequence[Figure]) -> str:
    """Return the sentence that says how many pairs are kept."""
    n, kept = content.n_pairs, content.n_kept
    if not n:
        return "There are no pairs."
    if not content.is_curated:
        return f"{n:,} {'pair was' if n == 1 else 'pairs were'} made, and nothing has checked them."
    share = f"{kept / n:.0%}".replace("%", " %")
    figure = next((one for one in figures if one.name == KEPT), None)
    if figure and figure.low is not None and figure.high is not None:
        share += f", 95 %: {100 * figure.low:.0f} to {100 * figure.high:.0f} %"
    return f"{kept:,} of {n:,} {'pair is' if n == 1 else 'pairs are'} kept ({share})."


def _steps(waterfall: Sequence[tuple[str, int]]) -> Iterator[_Step]:
    widest = max((n for _, n in waterfall), default=0) or 1
    before: int | None = None
    for name, n in waterfall:
        change = ""
        if before is not None and n != before:
            sign = "−" if n < before else "+"
            change = f"{sign}{abs(n - before):,}"
            if before:
                change += f" ({abs(n - before) / before:.0%})".replace("%", " %")
        yield _Step(name, n, 100 * n / widest, change)
        before = n


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
