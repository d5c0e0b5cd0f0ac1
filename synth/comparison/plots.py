"""Draw a comparison. One specification gives the picture to look at and the plot to explore."""

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd

from synth.comparison.standings import SPEED, Comparison

_SIZE = {"width": 460, "height": 300}
_PLAIN = "#4c78a8"
_BEST = "#e45756"
_SHADES = "viridis"


def draw(comparison: Comparison) -> dict[str, str]:
    """Return the plots of a comparison by their names, the one for its swept keys first.

    Each is a Vega-Lite specification (JSON). Jobs without the objective are left out; without any
    there is no plot.
    """
    table = _Table(comparison)
    if not len(table.frame):
        return {}
    shape: dict[int, tuple[str, Callable[[_Table], Any]]] = {
        0: ("ranking", _draw_ranking),
        1: ("line", _draw_line),
        2: ("heat_map", _draw_heat_map),
    }
    name, plot = shape.get(len(table.keys), ("parallel_coordinates", _draw_parallel))
    charts = {name: plot(table), "ranking": _draw_ranking(table)}
    if table.frame["speed"].notna().any():
        charts["pareto"] = _draw_pareto(table)
    return {name: chart.to_json(indent=None) for name, chart in charts.items()}


class _Table:
    """The standings as a table with plain column names: keys have dots, which Vega would follow."""

    def __init__(self, comparison: Comparison) -> None:
        self.objective = comparison.objective
        self.direction = "ascending" if comparison.lowest_is_best else "descending"
        self.lowest_is_best = comparison.lowest_is_best
        ranked = [one for one in comparison.standings if one.value is not None]
        self.keys = list(dict.fromkeys(key for one in ranked for key in one.entry.settings))
        rows = []
        for rank, one in enumerate(ranked):
            interval = one.intervals.get(comparison.objective)
            row: dict[str, Any] = {
                "job": one.entry.number,
                "name": one.entry.name,
                "rank": rank,
                "value": one.value,
                "low": interval.low if interval else None,
                "high": interval.high if interval else None,
                "speed": one.entry.metrics.get(SPEED),
                "is_best": rank == 0,
            }
            rows.append(row)
        self.frame = pd.DataFrame(rows)
        self._has_numbers = []
        for n, key in enumerate(self.keys):
            values = [one.entry.settings.get(key) for one in ranked]
            self._has_numbers.append(all(map(_is_number, values)))
            self.frame[f"key{n}"] = (
                values if self._has_numbers[n] else [_short(value) for value in values]
            )
        self.tooltip = [
            *({"field": f"key{n}", "title": key} for n, key in enumerate(self.keys)),
            {"field": "value", "type": "quantitative", "title": self.objective, "format": ".3f"},
            {"field": "low", "type": "quantitative", "title": "95 % from", "format": ".3f"},
            {"field": "high", "type": "quantitative", "title": "to", "format": ".3f"},
            {"field": "speed", "type": "quantitative", "title": SPEED, "format": ".1f"},
        ]

    def is_number(self, n: int) -> bool:
        """Return whether all values of a key are numbers."""
        return self._has_numbers[n]

    def axis(self, n: int) -> tuple[str, list[Any]]:
        """Return a key's title and its values in their order."""
        values = list(dict.fromkeys(self.frame.sort_values("job")[f"key{n}"]))
        return self.keys[n], sorted(values) if self.is_number(n) else values


def _draw_line(table: _Table) -> Any:
    title, values = table.axis(0)
    kind = "quantitative" if table.is_number(0) else "ordinal"
    free = alt.Scale(zero=False, padding=20)
    x = alt.X("key0", type=kind, title=title, sort=values)
    if kind == "quantitative":
        x = x.scale(free)
    y = alt.Y("value:Q", title=table.objective, scale=free)
    base = alt.Chart(table.frame).encode(x=x, tooltip=_tooltip(table))
    bars = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        y=alt.Y("low:Q", title=table.objective, scale=free), y2="high:Q"
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(y=y, color=_best_colour())
    parts = [bars, points]
    if kind == "quantitative":
        parts.insert(0, base.mark_line(color=_PLAIN).encode(y=y))
    return _titled(alt.layer(*parts).properties(**_SIZE), f"{table.objective} by {title}")


def _draw_heat_map(table: _Table) -> Any:
    (first, rows), (second, columns) = table.axis(0), table.axis(1)
    frame = table.frame.sort_values("rank").drop_duplicates(["key0", "key1"])
    base = alt.Chart(frame).encode(
        x=alt.X("key1:O", title=second, sort=columns, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("key0:O", title=first, sort=rows),
        tooltip=_tooltip(table),
    )
    scale = alt.Scale(scheme=_SHADES, reverse=table.lowest_is_best)
    cells = base.mark_rect().encode(
        color=alt.Color("value:Q", title=table.objective, scale=scale),
    )
    middle = (frame["value"].min() + frame["value"].max()) / 2
    is_dark = alt.datum.value > middle if table.lowest_is_best else alt.datum.value < middle
    text = base.mark_text(fontSize=13).encode(
        text=alt.Text("value:Q", format=".3f"),
        color=alt.condition(is_dark, alt.value("white"), alt.value("black")),
    )
    best = (
        base.transform_filter("datum.is_best")
        .mark_rect(fillOpacity=0, stroke=_BEST, strokeWidth=4)
        .encode()
    )
    size = {"width": max(160, 90 * len(columns)), "height": max(120, 60 * len(rows))}
    return _titled(
        alt.layer(cells, text, best).properties(**size), f"{table.objective} (best framed)"
    )


def _draw_parallel(table: _Table) -> Any:
    axes = [*table.keys, table.objective]
    frame = table.frame.sort_values("rank", ascending=False)  # the best is drawn last
    long, labels = [], []
    for n in range(len(axes)):
        column = "value" if n == len(table.keys) else f"key{n}"
        positions, ticks = _positions(frame[column], table, n)
        labels += [{"axis": n, "at": at, "label": label} for at, label in ticks]
        part = frame.assign(axis=n, at=positions)
        long.append(part)
    order = list(range(len(axes)))
    blank = alt.Axis(labels=False, ticks=False, domain=False, grid=False, title=None)
    # The last axis leaves room for its labels.
    wide = alt.Scale(domain=[-0.3, len(axes) - 0.5], nice=False)
    across = alt.X("axis:Q", axis=blank, scale=wide)
    up = alt.Y("at:Q", axis=blank, scale=alt.Scale(domain=[-0.05, 1.15], nice=False))
    hover = alt.selection_point(fields=["job"], on="pointerover", empty=False)
    lines = (
        alt.Chart(pd.concat(long))
        .mark_line(interpolate="monotone")
        .encode(
            x=across,
            y=up,
            detail="job:N",
            order="axis:Q",
            color=alt.Color(
                "value:Q",
                title=table.objective,
                scale=alt.Scale(scheme=_SHADES, reverse=table.lowest_is_best),
            ),
            opacity=alt.condition(hover, alt.value(1), alt.value(0.7)),
            strokeWidth=alt.condition(hover, alt.value(5), alt.value(2)),
            tooltip=_tooltip(table),
        )
        .add_params(hover)
    )
    ends = pd.DataFrame({"axis": order, "low": 0.0, "high": 1.0, "at": 1.09, "label": axes})
    rules = (
        alt.Chart(ends)
        .mark_rule(color="#888")
        .encode(x=across, y=alt.Y("low:Q", axis=blank), y2="high:Q")
    )
    heads = alt.Chart(ends).mark_text(fontWeight="bold").encode(x=across, y=up, text="label:N")
    ticks = (
        alt.Chart(pd.DataFrame(labels))
        .mark_text(align="left", dx=6, fontSize=10)
        .encode(x=across, y=up, text="label:N")
    )
    size = {"width": max(460, 150 * len(axes)), "height": 320}
    return _titled(alt.layer(rules, lines, heads, ticks).properties(**size), "All settings")


def _draw_ranking(table: _Table) -> Any:
    names = table.frame["name"].map(_short)
    frame = table.frame.assign(label="#" + table.frame["job"].astype(str) + "  " + names)
    y = alt.Y("label:N", sort=list(frame["label"]), title=None, axis=alt.Axis(labelLimit=420))
    base = alt.Chart(frame).encode(y=y, tooltip=_tooltip(table))
    free = alt.Scale(zero=False, padding=20)
    x = alt.X("value:Q", title=table.objective, scale=free)
    bars = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        x=alt.X("low:Q", title=table.objective, scale=free), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x=x, color=_best_colour())
    size = {"width": 460, "height": max(60, 22 * len(frame))}
    return _titled(alt.layer(bars, points).properties(**size), "Best first, with 95 % intervals")


def _draw_pareto(table: _Table) -> Any:
    frame = table.frame.dropna(subset=["speed"]).sort_values("speed", ascending=False)
    best = frame["value"].cummin() if table.lowest_is_best else frame["value"].cummax()
    frame = frame.assign(on_front=frame["value"].eq(best) & ~best.duplicated())
    base = alt.Chart(frame).encode(
        x=alt.X("speed:Q", title=SPEED, scale=alt.Scale(zero=False, padding=20)),
        y=alt.Y("value:Q", title=table.objective, scale=alt.Scale(zero=False, padding=20)),
        tooltip=_tooltip(table),
    )
    front = base.transform_filter("datum.on_front")
    line = front.mark_line(color=_BEST, strokeDash=[5, 3], interpolate="step-before")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=alt.condition("datum.on_front", alt.value(_BEST), alt.value(_PLAIN))
    )
    names = front.mark_text(align="left", dx=8, dy=-8).encode(text="name:N")
    title = "What is both good and fast: no job is better and faster than one on the line"
    return _titled(alt.layer(line, points, names).properties(**_SIZE), title)


def _positions(
    values: "pd.Series[Any]", table: _Table, n: int
) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values stand on an axis from 0 to 1, and the axis' labels."""
    if n < len(table.keys) and not table.is_number(n):
        _, order = table.axis(n)
        step = max(1, len(order) - 1)
        places = {value: index / step for index, value in enumerate(order)}
        return [places[value] for value in values], [(at, str(v)) for v, at in places.items()]
    low, high = float(values.min()), float(values.max())
    width = high - low or 1.0
    ticks = sorted(set(values)) if len(set(values)) <= 6 else [low, high]
    return (
        [(float(value) - low) / width for value in values],
        [((float(value) - low) / width, f"{value:.4g}") for value in ticks],
    )


def _tooltip(table: _Table) -> list[Any]:
    return [alt.Tooltip(**{"type": "nominal", **entry}) for entry in table.tooltip]


def _best_colour() -> Any:
    return alt.condition("datum.is_best", alt.value(_BEST), alt.value(_PLAIN))


def _titled(chart: Any, title: str) -> Any:
    return chart.properties(title=alt.Title(title, anchor="start", fontSize=14)).configure_view(
        strokeOpacity=0
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any, longest: int = 60) -> str:
    text = "null" if value is None else " ".join(str(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
