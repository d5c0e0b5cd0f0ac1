"""Hydra's side of a sweep: launchers that run its jobs server by server.

A launcher composes the configuration of every job before the first one starts: a mistake in any
of them ends the sweep before anything runs, and ``resume=`` finds what each job was to be.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import (
    JobReturn,
    JobStatus,
    configure_log,
    env_override,
    run_job,
    setup_globals,
)
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from synth.config import Config, open_door
from synth.errors import REPORTED, ConfigError, SynthError
from synth.place import Place
from synth.process import end_with
from synth.progress import labelled
from synth.record import read_record
from synth.server.lease import Session
from synth.sweep.book import NAME, Book, read_book
from synth.sweep.plan import Request
from synth.sweep.runner import Ready, groups
from synth.sweep.slurm import check_slurm
from synth.sweep.sweep import Sweep

log = logging.getLogger(__name__)

_FOLDER = "SYNTH_SWEEP"
_PLUGIN = "hydra_plugins.synth"

_open: list[Sweep] = []
"""The sweep of this process; a sweeper may launch it in several batches."""


@contextmanager
def sweeping() -> Iterator[None]:
    """End the sweep that the body starts, if it starts one, however the body ends."""
    with ExitStack() as stack:
        stack.push(lambda *how: _open.pop().__exit__(*how) if _open else None)
        yield


def place_in_sweep() -> Place | None:
    """Return the place of the job that this worker process runs; None: it belongs to no sweep."""
    if (folder := os.environ.get(_FOLDER)) is None:
        return None
    book = read_book(Path(folder))
    number = int(HydraConfig.get().job.num)
    # A store that was away has the sweep's run only later.
    return book.place(number, lambda: read_book(book.folder).mlflow_run_id)


def register_launchers() -> None:
    """Make the launchers of ``conf/hydra/launcher`` known to Hydra.

    Hydra takes plugins from its package ``hydra_plugins`` alone, so there this module has a
    second name.
    """
    plugins = Plugins.instance()
    package = sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    package.synth = sys.modules[_PLUGIN] = sys.modules[__name__]  # type: ignore[attr-defined]
    for launcher in (SideBySide, InWorkers, OnSlurm):
        launcher.__module__ = _PLUGIN
        plugins.register(launcher)
    # Options that Hydra and its plugins bring; ours, of the same names, are files.
    for name in ("basic.yaml", "joblib.yaml"):
        ConfigStore.instance().repo["hydra"]["launcher"].pop(name, None)


class SideBySide(Launcher):
    """Runs the jobs in this process; those that want the same server side by side."""

    def __init__(self, n_jobs: int) -> None:
        """Run at most ``n_jobs`` jobs at a time."""
        self._n_jobs = int(n_jobs)
        self._cluster: dict[str, Any] | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra gives a launcher."""
        self._composer = _Composer(hydra_context.config_loader.get_search_path())
        hydra_context.config_loader = self._composer
        self._context = hydra_context
        self._task = task_function
        self._config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; the results are in the order of ``job_overrides``.

        Raises:
            ConfigError: if the configuration of one is wrong, or none can be run.
        """
        setup_globals()
        folder = Path(str(self._config.hydra.sweep.dir)).absolute()
        if not _open and (folder / NAME).exists():
            raise ConfigError([f"{folder} holds a sweep already: go on with it by resume={folder}"])
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        nodes = [self._compose(*job) for job in zip(numbers, job_overrides, strict=True)]
        _check_surroundings(nodes, self._n_jobs)
        returns = [self._make_folder(node) for node in nodes]
        requests = [_request_of(*job) for job in zip(numbers, returns, strict=True)]
        self._configure_log(folder)
        if not _open:
            book = Book(folder, self._n_jobs, cluster=self._cluster)
            _open.append(Sweep(book, Session.from_environment()))
        (sweep,) = _open
        sweep.add(requests, list(self._config.hydra.overrides.task))
        ready = sweep.prepare(requests)
        with env_override(nodes[0].hydra.job.env_set):
            for node in nodes:
                self._context.callbacks.on_job_start(config=node, task_function=self._task)
            errors = self._run(sweep, ready)
            for node, request, job_return in zip(nodes, requests, returns, strict=True):
                _complete(job_return, request, errors.get(request.number))
                self._context.callbacks.on_job_end(config=node, job_return=job_return)
        return returns

    def _run(self, sweep: Sweep, ready: Sequence[Ready]) -> Mapping[int, Exception]:
        """Run the jobs and return the errors of those that failed."""
        results = sweep.run(ready)
        return {number: one for number, one in results.items() if isinstance(one, Exception)}

    def _compose(self, number: int, overrides: Sequence[str]) -> DictConfig:
        node = self._composer.take(self._config, list(overrides))
        with open_dict(node):
            node.hydra.job.id = f"{node.hydra.job.name}_{number}"
            node.hydra.job.num = number
        return node

    def _make_folder(self, node: DictConfig) -> JobReturn:
        """Let Hydra make the job's folder with its configuration, and open the door to it."""
        return run_job(
            task_function=open_door,
            config=node,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=HydraContext(self._context.config_loader, Callbacks()),
            configure_logging=False,
        )

    def _configure_log(self, folder: Path) -> None:
        with read_write(self._config.hydra), open_dict(self._config.hydra):
            self._config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(self._config)
        configure_log(self._config.hydra.job_logging, self._config.hydra.verbose)


class OnSlurm(SideBySide):
    """Runs the jobs on nodes of a cluster; those of a node that want the same server share it."""

    def __init__(self, n_jobs: int, **cluster: Any) -> None:
        """Run jobs on nodes.

        Args:
            n_jobs: most jobs of a node at a time.
            cluster: what is asked for, as in ``conf/hydra/launcher/slurm.yaml``.
        """
        super().__init__(n_jobs)
        self._cluster = OmegaConf.to_container(OmegaConf.create(cluster))  # type: ignore[assignment]

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; otherwise as :meth:`SideBySide.launch`."""
        check_slurm(self._cluster or {})
        return super().launch(job_overrides, initial_job_idx)


class InWorkers(SideBySide):
    """Runs each job in a process of its own, by joblib; those that want the same server share it."""

    def _run(self, sweep: Sweep, ready: Sequence[Ready]) -> Mapping[int, Exception]:
        # Those that can't be run are recorded here; the sweep's MLflow run is in the book then.
        errors = super()._run(sweep, [one for one in ready if isinstance(one.job, ConfigError)])
        with env_override({_FOLDER: str(Path(str(self._config.hydra.sweep.dir)).absolute())}):
            for group in groups([one for one in ready if one.request.number not in errors]):
                self._run_group(group)
        return errors

    def _run_group(self, group: Sequence[Ready]) -> None:
        """Run jobs; if a worker is killed, those that were not started yet go on in new ones."""
        try:
            from joblib import Parallel, delayed
            from joblib.externals.loky.process_executor import TerminatedWorkerError
        except ImportError as error:
            raise ConfigError(["hydra/launcher=joblib: install hydra-joblib-launcher"]) from error

        left, state = list(group), Singleton.get_state()
        while left:
            common = (self._context, self._config, self._task, state, os.getpid())
            calls = [delayed(_execute)(one.request, *common) for one in left]
            try:
                Parallel(n_jobs=self._n_jobs, backend="loky", batch_size=1)(calls)
            except TerminatedWorkerError:
                log.warning("a worker process was killed; resume= goes on with the jobs it had")
            new = [one for one in left if not read_record(one.request.folder)]
            if len(new) == len(left):
                raise SynthError("the worker processes end before they start a job")
            left = new


class _Composer(ConfigLoaderImpl):
    """Composes a job once, which takes a third of a second: Hydra's sweeper does so before the launcher."""

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Compose a job, and keep it."""
        node = super().load_sweep_config(master_config, sweep_overrides)
        self._composed[tuple(sweep_overrides)] = node
        return node

    def take(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return a job that was kept, for the caller alone; one that was not is composed."""
        node = self._composed.pop(tuple(sweep_overrides), None)
        return node or super().load_sweep_config(master_config, sweep_overrides)


def _execute(
    request: Request,
    context: HydraContext,
    config: DictConfig,
    task: TaskFunction,
    state: dict[Any, Any],
    owner: int,
) -> None:
    """Run a job in a worker; how it ended is in its ``run.json``."""
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    end_with(owner)  # joblib's workers would wait for five more minutes
    register_launchers()
    with labelled(f"#{request.number} "):
        execute_job(request.number, request.overrides, context, config, task, state)


def _request_of(number: int, job_return: JobReturn) -> Request:
    config: Config = job_return._return_value  # noqa: SLF001  (the property would print the error)
    if isinstance(config, Exception):
        raise config
    assert job_return.hydra_cfg is not None
    folder = Path(job_return.hydra_cfg.hydra.runtime.output_dir)
    return Request(number, list(job_return.overrides or ()), folder, config)


def _complete(job_return: JobReturn, request: Request, error: Exception | None) -> None:
    """Say how the job ended: its return value is the objective, for sweepers that optimise it."""
    record = read_record(request.folder)
    if error is None and record.get("status") != "FINISHED":
        error = SynthError(record.get("error") or f"job {request.number} was interrupted")
        error.add_note(REPORTED)
    if error is not None:
        job_return.status, job_return.return_value = JobStatus.FAILED, error
    else:
        objective = request.config.objective.removeprefix("-")
        job_return.return_value = record["metrics"].get(objective)


def _check_surroundings(nodes: Sequence[DictConfig], n_jobs: int) -> None:
    """Refuse what jobs that share a process can't have each for themselves."""
    problems = []
    if n_jobs < 1:
        problems.append(f"hydra.launcher.n_jobs={n_jobs}: expected 1 or more")
    if any(node.hydra.job.chdir for node in nodes):
        problems.append("hydra.job.chdir: the jobs of a sweep share a process; leave it out")
    if any(node.hydra.job.env_set != nodes[0].hydra.job.env_set for node in nodes):
        problems.append("hydra.job.env_set: it can't differ between the jobs of a sweep")
    if problems:
        raise ConfigError(problems)
