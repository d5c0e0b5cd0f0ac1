"""Draw a run. One specification gives the picture to look at and the plot to explore."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from synth.review.counts import Bin, Counts

_WIDTH = 390
_STEP = 22
_KEPT = "#4c78a8"
_DROPPED = "#e45756"
_VERDICTS = ("kept", "dropped")
_WHOLE = alt.Axis(tickCount=6, tickMinStep=1, format=",d")
_OPEN = "words; the last bar holds all above"


def draw(counts: Counts, waterfall: Sequence[tuple[str, int]] = ()) -> dict[str, str]:
    """Return the plots of a run by their names: those that there is something to show in.

    Each is a Vega-Lite specification (JSON). ``waterfall`` has the pairs that are left after each
    step.
    """
    charts: dict[str, Any] = {}
    if waterfall:
        charts["waterfall"] = _draw_waterfall(waterfall)
    if counts.reasons:
        charts["reasons"] = _draw_names(counts.reasons, "What was found in pairs")
    if counts.n_pairs:
        charts["types"] = _draw_names(counts.types, "What questions ask for")
        charts["places"] = _draw_places(counts)
        charts["question_words"] = _draw_bins(counts.question_words, "Words in a question", _OPEN)
        charts["answer_words"] = _draw_bins(counts.answer_words, "Words in an answer", _OPEN)
    if counts.scores:
        charts["scores"] = _draw_bins(counts.scores, "Scores of the judge", "score")
    if counts.n_pairs and counts.coverage:
        charts["coverage"] = _draw_coverage(counts)
    return {name: chart.to_json(indent=None) for name, chart in charts.items()}


def _draw_waterfall(waterfall: Sequence[tuple[str, int]]) -> Any:
    frame = pd.DataFrame(waterfall, columns=["step", "pairs"])
    base = alt.Chart(frame).encode(
        x=alt.X("pairs:Q", title="pairs", axis=_WHOLE), y=alt.Y("step:N", sort=None, title=None)
    )
    bars = base.mark_bar(color=_KEPT).encode(tooltip=["step:N", "pairs:Q"])
    text = base.mark_text(align="left", dx=4, color="#888").encode(text=alt.Text("pairs:Q"))
    return _titled(alt.layer(bars, text), "Pairs that are left", len(frame))


def _draw_names(table: Mapping[str, tuple[int, int]], title: str) -> Any:
    rows = [
        {"name": name, "verdict": verdict, "pairs": n}
        for name, numbers in table.items()
        for verdict, n in zip(_VERDICTS, numbers, strict=True)
    ]
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("pairs:Q", title="pairs", axis=_WHOLE),
            y=alt.Y("name:N", sort=list(table), title=None),
            color=_colour(),
            order=alt.Order("verdict:N", sort="descending"),
            tooltip=["name:N", "verdict:N", "pairs:Q"],
        )
    )
    return _titled(chart, title, len(table))


def _draw_places(counts: Counts) -> Any:
    """Draw the share of covered chunks as bars and the kept pairs as a line over them."""
    n = len(counts.places)
    rows = [
        {
            "from": index / n,
            "to": (index + 1) / n,
            "middle": (index + 0.5) / n,
            "share": one.n_covered / one.n_chunks if one.n_chunks else None,
            "pairs": one.n_kept if one.n_chunks else None,
            "chunks": one.n_chunks,
        }
        for index, one in enumerate(counts.places)
    ]
    ends = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], grid=False)
    tooltip = [
        *(alt.Tooltip("from:Q", format=".0%"), alt.Tooltip("to:Q", format=".0%")),
        alt.Tooltip("share:Q", format=".1%", title="chunks with a kept pair"),
        *("chunks:Q", alt.Tooltip("pairs:Q", title="kept pairs")),
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(tooltip=tooltip)
    bars = base.mark_bar(color=_KEPT, opacity=0.45, binSpacing=1).encode(
        x=alt.X("from:Q", title="place in the document", axis=ends, bin="binned"),
        x2="to:Q",
        y=alt.Y(
            "share:Q",
            title="chunks with a kept pair (bars)",
            axis=alt.Axis(format="%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
    )
    line = base.mark_line(color=_DROPPED, point={"color": _DROPPED, "size": 40}).encode(
        x=alt.X("middle:Q", title="place in the document", axis=ends),
        y=alt.Y("pairs:Q", title="kept pairs (line)", axis=_WHOLE, scale=alt.Scale(zero=True)),
    )
    chart = alt.layer(bars, line).resolve_scale(y="independent")
    return _titled(chart, "From the front to the end of documents")


def _draw_bins(bins: Iterable[Bin], title: str, unit: str) -> Any:
    rows = [
        {"from": one.low, "to": one.high, "verdict": verdict, "pairs": n}
        for one in bins
        for verdict, n in zip(_VERDICTS, (one.n_kept, one.n_dropped), strict=True)
    ]
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("from:Q", title=unit, bin="binned", axis=alt.Axis(grid=False)),
            x2="to:Q",
            y=alt.Y("pairs:Q", title="pairs", axis=_WHOLE),
            color=_colour(),
            order=alt.Order("verdict:N", sort="descending"),
            tooltip=["from:Q", "to:Q", "verdict:N", "pairs:Q"],
        )
    )
    return _titled(chart, title)


def _draw_coverage(counts: Counts) -> Any:
    labels = _different([one.name for one in counts.coverage])
    rows = [
        {"document": label, "share": one.share, "characters": one.n_chars}
        for label, one in zip(labels, counts.coverage, strict=True)
    ]
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar(color=_KEPT)
        .encode(
            x=alt.X(
                "share:Q",
                title="characters in chunks with a kept pair",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            y=alt.Y("document:N", sort=labels, title=None, axis=alt.Axis(labelLimit=180)),
            tooltip=[
                "document:N",
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("characters:Q", format=","),
            ],
        )
    )
    return _titled(chart, "Coverage of the largest documents", len(rows))


def _different(names: Sequence[str]) -> list[str]:
    """Return the names with a number behind those that come again."""
    seen: dict[str, int] = {}
    labels = []
    for name in names:
        seen[name] = n = seen.get(name, 0) + 1
        labels.append(name if n == 1 else f"{name} ({n})")
    return labels


def _colour() -> Any:
    scale = alt.Scale(domain=list(_VERDICTS), range=[_KEPT, _DROPPED])
    return alt.Color("verdict:N", scale=scale, legend=alt.Legend(title=None, orient="top"))


def _titled(chart: Any, title: str, n_rows: int | None = None) -> Any:
    """Return a chart with its title and size: as high as its rows, if it has some."""
    height = 220 if n_rows is None else max(60, _STEP * n_rows)
    chart = chart.properties(
        title=alt.Title(title, anchor="start", fontSize=14),
        width=_WIDTH,
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    return chart.configure_view(strokeOpacity=0).configure_axis(gridOpacity=0.3)
