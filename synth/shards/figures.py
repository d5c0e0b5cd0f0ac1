"""What the shards of a run have taken together: its figures, and what is said of their servers.

Seconds of a request (``server_s``) are its share of its own server's time, so their sum is the time
of all servers, one after the other. Rates by it, ``generate/pairs_per_s`` and
``generate/output_tokens_per_s``, are therefore those of one server, and don't grow with the number of
shards; GPU seconds and costs are sums. How fast all of them were is in ``shards/…_per_s``: over the
seconds from when the first was started to when the last was done, waiting in a queue included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from synth.config import Config
from synth.examination import Counts
from synth.io import JsonlWriter
from synth.records import Request
from synth.rows import CURATE_REQUESTS, FINDINGS, PAIRS, REQUESTS, read_rows
from synth.shards.book import read_book
from synth.tally import Tally

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Figures:
    """What ``run.json`` and the tracker are to be told of a run in shards."""

    metrics: dict[str, float]
    server: dict[str, Any]


def summarise(folder: Path, config: Config) -> Figures:
    """Return the figures of the run in ``folder``, of which the shards are merged."""
    records = [shard.record for shard in read_book(folder).shards]
    n_pairs = sum(1 for _ in read_rows(folder / PAIRS))
    tally = _count(folder / REQUESTS, config)
    figures = tally.figures(n_pairs, _sum(records, "generate/gpu_s"))
    if not figures and (seconds := sum(_seconds(record) for record in records)):
        figures = {"pairs_per_s": n_pairs / seconds}
    metrics = {f"generate/{name}": value for name, value in figures.items()}
    metrics |= _of_curation(folder, config, records)
    metrics |= {f"shards/{name}": n for name, n in _overall(records, n_pairs, tally).items()}
    return Figures(metrics, describe_servers(records))


def describe_servers(records: Sequence[Record]) -> dict[str, Any]:
    """Return what holds for the servers of all shards, and sums of what can be summed up."""
    facts = [record["server"] for record in records if record.get("server")]
    if not facts:
        return {}
    same = {
        name: value
        for name, value in facts[0].items()
        if all(one.get(name) == value for one in facts)
    }
    return same | {
        "n_shards": len(facts),
        "n_started": sum(one.get("was_reused") is False for one in facts),
        "n_restarts": sum(one.get("n_restarts", 0) for one in facts),
        "startup_s": max(one.get("startup_s", 0.0) for one in facts),
    }


def _of_curation(folder: Path, config: Config, records: Sequence[Record]) -> dict[str, float]:
    n_asked = sum("opinion" in row for row in read_rows(folder / FINDINGS))
    if not n_asked:
        return {}
    tally = _count(folder / CURATE_REQUESTS, config)
    figures = tally.figures(n_asked, _sum(records, "curate/gpu_s"))
    figures.pop("pairs_per_s", None)
    for name in (field.name for field in fields(Counts)):
        figures[name] = _sum(records, f"curate/{name}") or 0.0
    return {f"curate/{name}": value for name, value in figures.items()}


def _overall(records: Sequence[Record], n_pairs: int, tally: Tally) -> dict[str, float]:
    starts = [datetime.fromisoformat(one["started"]) for one in records if "started" in one]
    figures: dict[str, float] = {"n": len(records), "n_started": len(starts)}
    if starts:
        ended_s = max(one["ended_s"] for one in records if "started" in one)
        span_s = max(1.0, ended_s - min(starts).timestamp())  # starts are known to the second
        figures["span_s"] = span_s
        figures["pairs_per_s"] = n_pairs / span_s
        figures["output_tokens_per_s"] = tally.sent.output_tokens / span_s
    return figures


def _count(path: Path, config: Config) -> Tally:
    with JsonlWriter(path) as writer:
        tally = Tally(writer, cost=config.cost)
        for row in read_rows(path):
            tally.add(Request(**row), is_new=False)
        return tally


def _sum(records: Sequence[Record], name: str) -> float | None:
    found = [record["metrics"][name] for record in records if name in record.get("metrics", {})]
    return sum(found) if found else None


def _seconds(record: Record) -> float:
    seconds: float = record.get("timings", {}).get("generate_s", 0.0)
    return seconds
