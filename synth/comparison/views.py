"""What MLflow's pages show of a sweep without a click: links, a shared view, a note.

The shared view is an internal format of MLflow 3.17: an experiment's tag that its runs page reads
when its address names it. Where a later version does not know it, the page shows its own defaults.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from synth.comparison.standings import SPEED, Comparison

_SECTION = "synth"
_BESIDE = ("quality/kept_frac", "quality/covered_chars_frac", SPEED)
"""Columns beside the objective; with more of them the settings would be out of sight."""

_MOST_COMPARED = 50
"""Jobs whose ids are in an address; MLflow shows each of them as a column."""
_MENU = "workflowType=machine_learning"
"""Without it MLflow's menu is that for traces, where no runs are compared."""


@dataclass(frozen=True)
class Links:
    """Addresses of a sweep's pages below ``base`` (``http://…``, or "" for relative ones)."""

    base: str
    experiment_id: str
    parent_id: str
    job_ids: Sequence[str]

    @property
    def parent(self) -> str:
        """The sweep's own run."""
        return f"{self._parent}?{_MENU}"

    @property
    def report(self) -> str:
        """Its ``report.html``."""
        return f"{self._parent}/artifacts/report.html?{_MENU}"

    @property
    def table(self) -> str:
        """Its jobs as a table, with the columns that matter."""
        return f"{self._runs}&viewStateShareKey={view_key(self.parent_id)}"

    @property
    def charts(self) -> str:
        """Its jobs as charts."""
        return f"{self._runs}&compareRunsMode=CHART&viewStateShareKey={view_key(self.parent_id)}"

    @property
    def compare(self) -> str:
        """MLflow's page that compares runs, with the first jobs."""
        runs, experiments = (
            quote(json.dumps(ids, separators=(",", ":")))
            for ids in (list(self.job_ids[:_MOST_COMPARED]), [self.experiment_id])
        )
        return f"{self.base}/#/compare-runs?runs={runs}&experiments={experiments}&{_MENU}"

    @property
    def _parent(self) -> str:
        return f"{self.base}/#/experiments/{self.experiment_id}/runs/{self.parent_id}"

    @property
    def _runs(self) -> str:
        return f"{self.base}/#/experiments/{self.experiment_id}/runs?{_MENU}"


def view_key(parent_id: str) -> str:
    """Return the name of a sweep's shared view."""
    return hashlib.sha256(parent_id.encode()).hexdigest()


def shared_view(swept: Sequence[str], comparison: Comparison, parent_id: str) -> str:
    """Return the state of the runs page for a sweep: only its jobs, its columns, its charts.

    Args:
        swept: parameters that vary.
    """
    objective = comparison.objective
    figures = dict.fromkeys([objective, *_BESIDE])
    state = {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent_id}'",
        "orderByKey": f"metrics.`{objective}`",
        "orderByAsc": comparison.lowest_is_best,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"params.`{key}`" for key in swept),
            *(f"metrics.`{name}`" for name in figures),
        ],
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": list(_charts(swept, objective)),
        "compareRunSections": [
            {
                "uuid": _SECTION,
                "name": "Best settings",  # sections stand in the order of their names
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
            }
        ],
        "hideEmptyCharts": True,
        "groupBy": None,
        "autoRefreshEnabled": False,
        "useGroupedValuesInCharts": True,
    }
    return json.dumps(state)


def note(comparison: Comparison, links: Links) -> str:
    """Return what the sweep's own page says, as Markdown; its links work at any address."""
    near = Links("", links.experiment_id, links.parent_id, links.job_ids)
    pages = {
        "Report": near.report,
        "charts of its jobs": near.charts,
        "table": near.table,
        "comparison": near.compare,
    }
    rows = [
        f"| {one.entry.number} | {one.entry.name} | {one.value:.3g} |"
        for one in comparison.standings[:20]
        if one.value is not None
    ]
    return "\n".join(
        [
            comparison.verdict(),
            "",
            " · ".join(f"[{name}]({address[1:]})" for name, address in pages.items()),
            "",
            f"| job | settings | {comparison.objective} |",
            "|---|---|---|",
            *rows,
        ]
    )[:8000]


def _charts(swept: Sequence[str], objective: str) -> list[dict[str, Any]]:
    charts: list[dict[str, Any]] = [
        {"type": "PARALLEL", "selectedParams": list(swept), "selectedMetrics": [objective]}
        | {"showAllRuns": True},
        {"type": "BAR", "metricKey": objective, "dataAccessKey": objective},
        {"type": "SCATTER", "xaxis": _axis("METRIC", SPEED), "yaxis": _axis("METRIC", objective)},
        {"type": "BAR", "metricKey": SPEED, "dataAccessKey": SPEED},
    ]
    if len(swept) > 1:
        first, second = (_axis("PARAM", key) for key in swept[:2])
        contour = {"type": "CONTOUR", "xaxis": first, "yaxis": second}
        charts.insert(1, contour | {"zaxis": _axis("METRIC", objective)})
    common = {
        "runsCountToCompare": 100,
        "metricSectionId": _SECTION,
        "deleted": False,
        "isGenerated": False,
    }
    return [{"uuid": f"synth-{n}", **chart, **common} for n, chart in enumerate(charts)]


def _axis(kind: str, key: str) -> dict[str, str]:
    return {"key": key, "type": kind, "dataAccessKey": key}
