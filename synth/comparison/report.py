"""The page of a sweep: one HTML file that needs no network and no server."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from synth.charts import embedded, vega
from synth.comparison.standings import SPEED, Comparison, Standing
from synth.io import read_text
from synth.records import Chunk
from synth.rows import DOCUMENTS, PAIRS, read_chunks, read_rows
from synth.texts import Texts

N_PASSAGES = 6
_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)


@dataclass(frozen=True)
class Passage:
    """A piece of a document, and the pairs that each job has made of it."""

    source: str
    text: str
    pairs: Sequence[tuple[str, Sequence[Mapping[str, str]]]]
    """For each job its name and its pairs, those of the best job first."""


@dataclass(frozen=True)
class Facts:
    """What a report tells of a sweep beside its comparison."""

    about: Mapping[str, str]
    """For the head of the page; ``name`` is its title."""
    folders: Mapping[int, Path]
    """Each finished job's, by its number."""
    failed: Sequence[tuple[str, str]] = ()
    """Name and error of each job that has no figures."""
    seed: int = 0
    """Of the choice of passages."""


def prepare() -> None:
    """Do beforehand what takes a second or two the first time."""
    vega()
    vl_convert.vegalite_to_png({"mark": "point"})


def write_report(
    comparison: Comparison, plots: Mapping[str, str], facts: Facts, path: Path
) -> None:
    """Write the report of a sweep to ``path``."""
    keys = list(dict.fromkeys(key for one in comparison.standings for key in one.entry.settings))
    metrics = [name for name in _metrics(comparison) if name != comparison.objective]
    page = _templates.from_string(read_text(_TEMPLATE)).render(
        comparison=comparison,
        about=facts.about,
        failed=facts.failed,
        keys=keys,
        metrics=metrics,
        charts={name: embedded(specification) for name, specification in plots.items()},
        vega=vega() if plots else "",
        passages=list(choose_passages(comparison, facts.folders, facts.seed)),
        shown=_shown,
        interval=_interval,
    )
    path.write_bytes(page.encode("utf-8", errors="replace"))


def choose_passages(
    comparison: Comparison, folders: Mapping[int, Path], seed: int
) -> Iterator[Passage]:
    """Yield chunks of the best job, spread over documents, with the pairs that all jobs made there.

    Another job's pairs are those of its chunks that hold the middle of the passage.
    """
    jobs = [_Job(one, folders[one.entry.number]) for one in comparison.standings]
    jobs = [job for job in jobs if job.chunks]
    if not jobs:
        return
    first, chooser = jobs[0], random.Random(seed)  # noqa: S311  (a choice to look at)
    texts = Texts(first.folder)
    by_document: dict[str, list[Chunk]] = {}
    for chunk in first.chunks:
        by_document.setdefault(chunk.doc_id, []).append(chunk)
    documents = sorted(by_document)
    chooser.shuffle(documents)
    for turn in range(N_PASSAGES):
        left = by_document[documents[turn % len(documents)]]
        if not left:
            continue
        chunk = left.pop(chooser.randrange(len(left)))
        middle = (chunk.start + chunk.end) // 2
        pairs = [(job.name, job.pairs_at(chunk.doc_id, middle)) for job in jobs]
        source = f"{first.paths.get(chunk.doc_id, '')}, {chunk.start:,} to {chunk.end:,}"
        yield Passage(source, texts.read(chunk), pairs)


class _Job:
    """The files of one job."""

    def __init__(self, standing: Standing, folder: Path) -> None:
        self.name = f"#{standing.entry.number} {standing.entry.name}"
        self.folder = folder
        self.chunks = list(read_chunks(folder))
        self.paths = {row["id"]: Path(row["path"]).name for row in read_rows(folder / DOCUMENTS)}
        self._pairs: dict[str, list[dict[str, str]]] = {}
        for row in read_rows(folder / PAIRS):
            self._pairs.setdefault(row["chunk_id"], []).append(row)

    def pairs_at(self, doc_id: str, position: int) -> list[dict[str, str]]:
        """Return the pairs of the chunks that hold a character of a document."""
        return [
            pair
            for chunk in self.chunks
            if chunk.doc_id == doc_id and chunk.start <= position < chunk.end
            for pair in self._pairs.get(chunk.id, [])
        ]


def _metrics(comparison: Comparison) -> list[str]:
    named = [name for one in comparison.standings for name in one.entry.metrics]
    quality = [
        name
        for name in dict.fromkeys(named)
        if name.startswith("quality/") and not name.endswith(("_low", "_high"))
    ]
    return [*quality, *([SPEED] if SPEED in named else [])]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool | int | str):
        return str(value)
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _interval(standing: Standing, metric: str) -> str:
    interval = standing.intervals.get(metric)
    return f"{_shown(interval.low)} to {_shown(interval.high)}" if interval else ""
