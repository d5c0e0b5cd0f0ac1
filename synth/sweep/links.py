"""``python -m synth.sweep.links STORE ADDRESS``: where MLflow shows the newest sweep of a store."""

import sys

from synth.comparison.views import Links
from synth.store import connect


def newest_links(uri: str, base: str) -> Links | None:
    """Return the pages of the newest sweep below ``base``; None if the store has none."""
    client = connect(uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    newest = ["attributes.start_time DESC"]
    sweeps = client.search_runs(ids, "tags.`synth.kind` = 'sweep'", max_results=1, order_by=newest)
    if not sweeps:
        return None
    parent = sweeps[0].info
    jobs = client.search_runs(
        [parent.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    )
    job_ids = [job.info.run_id for job in jobs]
    return Links(base, parent.experiment_id, parent.run_id, job_ids)


def describe_links(links: Links) -> list[str]:
    """Return a line for each page of a sweep."""
    return [
        f"  the sweep       {links.parent}",
        f"  its report      {links.report}",
        f"  jobs in charts  {links.charts}",
        f"  jobs in a table {links.table}",
        f"  jobs compared   {links.compare}",
    ]


if __name__ == "__main__":
    if (found := newest_links(f"sqlite:///{sys.argv[1]}", sys.argv[2])) is not None:
        sys.stdout.write("\n".join(["The newest sweep:", *describe_links(found)]) + "\n")
