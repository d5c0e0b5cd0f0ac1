"""Slurm: asked for allocations through submitit, and for their states by its own ``squeue``.

``sacct``, which submitit would ask, needs an accounting database; ``squeue`` answers everywhere.
"""

import logging
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.errors import ClusterError, ConfigError

log = logging.getLogger(__name__)

_ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "TIMEOUT"),
    }
)
"""States that an allocation does not leave. Source: squeue(1), "JOB STATE CODES"."""

_GENERIC = frozenset(("cpus_per_task", "gpus_per_node", "mem_gb", "name", "timeout_min"))
"""Settings that submitit has for every kind of cluster; others are named for theirs."""

_ANSWER_S = 60


def check_slurm(settings: Mapping[str, Any]) -> None:
    """Check that this machine can ask a Slurm for nodes, and that the settings are such.

    Raises:
        ConfigError: if it can't, or they are not.
    """
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise ConfigError(["hydra/launcher=slurm: install submitit"]) from error
    for program in ("sbatch", "squeue", "srun"):
        if shutil.which(program) is None:
            raise ConfigError(
                [
                    f"hydra/launcher=slurm: no {program} here; start it on a login node of the cluster"
                ]
            )
    _make_executor(Path(), settings)


def submit(work: Sequence[Callable[[], None]], folder: Path, settings: Mapping[str, Any]) -> str:
    """Ask for an allocation for each of ``work``; return the job id that they have together.

    Args:
        work: called in its allocation, and again whenever that was requeued.
        folder: gets scripts and logs; the nodes have to see it.
        settings: as in ``conf/hydra/launcher/slurm.yaml``; what is None is left to the cluster.

    Raises:
        ClusterError: if Slurm refuses.
    """
    from submitit.core.utils import FailedJobError

    executor = _make_executor(folder, settings)
    try:
        with executor.batch():
            jobs = [executor.submit(one) for one in work]
    except FailedJobError as error:
        said = str(error).strip()
        raise ClusterError(f"Slurm refuses the job: {said}; see hydra.launcher") from error
    return str(jobs[0].job_id).partition("_")[0]


def _make_executor(folder: Path, settings: Mapping[str, Any]) -> Any:
    import submitit

    given = {name: value for name, value in settings.items() if value is not None}
    n_nodes, n_requeues = given.pop("array_parallelism"), given.pop("max_num_timeout")
    for name, n, least in (
        ("array_parallelism", n_nodes, 1),
        ("max_num_timeout", n_requeues, 0),
    ):
        if not isinstance(n, int) or n < least:
            raise ConfigError([f"hydra.launcher.{name}={n}: expected {least} or more"])
    given["additional_parameters"] = {"requeue": True, **given.get("additional_parameters", {})}
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=n_requeues)
    own = {(name if name in _GENERIC else f"slurm_{name}"): value for name, value in given.items()}
    try:
        executor.update_parameters(stderr_to_stdout=True, **own)
    except (AssertionError, NameError, TypeError, ValueError) as error:
        raise ConfigError([f"hydra.launcher: {error}"]) from error
    return executor


def read_states(job_id: str) -> list[str] | None:
    """Return the states of a job's allocations; none when all ended some time ago.

    None: the controller does not answer, which it may do later.
    """
    shown = ["--array", "--noheader", "--states=all", "--format=%T"]
    done = _ask("squeue", *shown, f"--jobs={job_id}")
    if done.returncode and "Invalid job id" not in done.stderr:
        log.debug("squeue: %s", done.stderr.strip())
        return None
    return [] if done.returncode else done.stdout.split()


def are_over(states: Sequence[str]) -> bool:
    """Return whether no allocation is left, and none will be requeued."""
    return set(states) <= _ENDED


def cancel(job_id: str, *, only_pending: bool = False) -> None:
    """End a job's allocations, or give up those that it has not got yet."""
    done = _ask("scancel", *(["--state=PENDING"] if only_pending else []), job_id)
    if done.returncode:
        log.warning("scancel %s: %s", job_id, done.stderr.strip())


def _ask(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer for {_ANSWER_S} s")
