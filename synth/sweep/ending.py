"""What a sweep ends in: the comparison of its jobs, on the terminal, in a report, in MLflow."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from rich import get_console
from rich.table import Table

from synth.address import ui_address, ui_command
from synth.charts import save_pictures
from synth.comparison.overlap import SHARED, find_shared
from synth.comparison.plots import draw
from synth.comparison.report import Facts, write_report
from synth.comparison.standings import SPEED, Comparison, Entry, Standing, to_table
from synth.comparison.statistics import compare
from synth.comparison.views import Links, note, shared_view, view_key
from synth.config import Config
from synth.measure import MEANS, RATIOS, read_figures
from synth.progress import tell
from synth.sweep.book import Book
from synth.sweep.links import describe_links
from synth.tracking import Tracker


class Ending:
    """Compares the finished jobs of a sweep and tells of all."""

    def __init__(
        self, book: Book, records: Mapping[int, Mapping[str, Any]], config: Config, tracker: Tracker
    ) -> None:
        """Compare the jobs.

        Args:
            records: each job's ``run.json``; empty for one that was not started.
            config: of one of the jobs, for what is the same in all.
        """
        self._book = book
        self._records = records
        self._config = config
        self._tracker = tracker
        self._shared_frac: float | None = None
        self._entries = list(self._finished())

    async def write(self) -> None:
        """Write ``report.html``, ``comparison.csv`` and ``plots/``, log them, and tell of all."""
        if not self._entries:
            self._tell(None)
            tell(self._book.going_on)
            return
        comparison = compare(
            self._entries, self._config.objective, RATIOS, self._config.seed, means=MEANS
        )
        folder, plots = self._book.folder, draw(comparison)
        to_table(comparison).to_csv(folder / "comparison.csv", index=False)
        await asyncio.gather(
            asyncio.to_thread(save_pictures, plots, folder / "plots"),
            asyncio.to_thread(
                write_report, comparison, plots, self._facts(), folder / "report.html"
            ),
        )
        links = await self._log(comparison)
        self._tell(comparison)
        self._tell_links(links)

    def _finished(self) -> Iterator[Entry]:
        finished = {
            number: record
            for number, record in sorted(self._records.items())
            if record.get("status") == "FINISHED"
        }
        folders = {
            number: self._book.folder / self._book.jobs[number].folder for number in finished
        }
        shared, self._shared_frac = find_shared(folders)
        for number, record in finished.items():
            entry, rows = self._book.jobs[number], read_figures(folders[number])
            metrics = record["metrics"] | ({SHARED: shared[number]} if number in shared else {})
            yield Entry(number, entry.name, entry.settings, metrics, pd.DataFrame(rows))

    def _failures(self) -> Iterator[tuple[str, str]]:
        for number, record in sorted(self._records.items()):
            if record.get("status") != "FINISHED":
                error = record.get("error") or record.get("status") or "was not started"
                yield f"#{number} {self._book.jobs[number].name}", error

    def _facts(self) -> Facts:
        folder, jobs = self._book.folder, self._book.jobs
        return Facts(
            about=self._about(),
            folders={entry.number: folder / jobs[entry.number].folder for entry in self._entries},
            failed=list(self._failures()),
            seed=self._config.seed,
        )

    def _about(self) -> dict[str, str]:
        n_starts = sum(
            1
            for record in self._records.values()
            if record.get("server", {}).get("was_reused") is False
        )
        return {
            "name": self._book.title(self._config.name),
            "folder": os.path.relpath(self._book.folder),
            "model": self._config.model.name,
            "jobs": f"{len(self._entries)} finished, {len(self._book.jobs) - len(self._entries)} not",
            "server starts": str(n_starts),
            "time": f"{self._book.seconds:,.0f} s",
        }

    async def _log(self, comparison: Comparison) -> Links | None:
        """Log the comparison, and a view of the jobs for MLflow's pages; None without MLflow."""
        tracker, folder = self._tracker, self._book.folder
        parent_id, experiment_id = await tracker.run_id(), await tracker.experiment_id()
        if parent_id is None or experiment_id is None:
            return None
        best = comparison.best
        figures = {"n_jobs": len(self._book.jobs), "n_failed": len(list(self._failures()))}
        tracker.log_metrics({f"sweep/{name}": float(n) for name, n in figures.items()})
        tracker.log_metrics({"sweep/duration_s": self._book.seconds})
        if self._shared_frac is not None:
            tracker.log_metrics({"sweep/repeated_frac": self._shared_frac})
        if best is not None and best.value is not None:
            tracker.log_metrics(
                {"sweep/best_" + comparison.objective.rpartition("/")[2]: best.value}
            )
        for name in ("report.html", "comparison.csv", "sweep.json"):
            tracker.log_artifact(folder / name)
        tracker.log_artifacts(folder / "plots", "plots")
        standings = comparison.standings  # the best first
        ids = [self._records[one.entry.number].get("mlflow_run_id") for one in standings]
        links = Links(
            ui_address(self._config.tracking.uri), experiment_id, parent_id, list(filter(None, ids))
        )
        view = shared_view(self._book.swept, comparison, parent_id)
        tracker.set_experiment_tags({f"mlflow.sharedViewState.{view_key(parent_id)}": view})
        tracker.set_tags({"mlflow.note.content": note(comparison, links)})
        return links

    def _tell(self, comparison: Comparison | None) -> None:
        standings = {one.entry.number: one for one in comparison.standings} if comparison else {}
        table = Table()
        table.add_column("job")
        table.add_column("settings", overflow="fold")
        table.add_column("status", overflow="fold")
        for head in ("pairs", self._config.objective, "tokens/s"):
            table.add_column(head, no_wrap=True, justify="right")
        for number, entry in sorted(self._book.jobs.items()):
            record = self._records[number]
            status, standing = record.get("status", "not started"), standings.get(number)
            speed = record.get("metrics", {}).get(SPEED)
            table.add_row(
                str(number),
                entry.name,
                status if status == "FINISHED" else f"{status}: {record.get('error') or ''}",
                f"{record.get('counts', {}).get('n_pairs', 0):,}",
                _shown(standing, self._config.objective) if standing else "",
                f"{speed:.1f}" if speed else "",
            )
        get_console().print(table, markup=False)
        if comparison is not None:
            tell(comparison.verdict())

    def _tell_links(self, links: Links | None) -> None:
        lines = [f"Report: {self._book.folder / 'report.html'}"]
        if links is not None:
            lines.append(f"MLflow, opened by {ui_command(self._config.tracking.uri)}:")
            lines += describe_links(links)
        if list(self._failures()):
            lines.append(self._book.going_on)
        tell(*lines)


def _shown(standing: Standing, objective: str) -> str:
    interval = standing.intervals.get(objective.removeprefix("-"))
    value = "" if standing.value is None else f"{standing.value:.3g}"
    return f"{value} ({interval.low:.3g} to {interval.high:.3g})" if interval else value
