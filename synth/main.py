"""The one entry: overrides in, an experiment (or a sweep of them) run, exit code out.

Exit codes: 0 done, 1 failed (with one message, and no traceback unless it is a bug), 130 Ctrl-C,
143 SIGTERM. Heavy imports stay inside the functions that need them: ``--help`` needs none.
"""

import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from synth.config import check_overrides, compose, launcher_of, open_door, register
from synth.config.describe import describe
from synth.config.files import conf_dir, option_names
from synth.config.overrides import CommandLine, read_command_line
from synth.errors import REPORTED, ConfigError, SynthError
from synth.process import end_on_sigterm

log = logging.getLogger(__name__)

_USERS_ERRORS = (SynthError, HydraException, OmegaConfBaseException, yaml.YAMLError, OSError)
"""What ends in one message; anything else is a bug of ours and shows its traceback."""


def main() -> None:
    """Run the program on ``sys.argv`` and end the process with its exit code."""
    if sys.argv[1:2] == ["replies"]:
        sys.exit(_answer(lambda: _keep_house(sys.argv[2:])))
    is_doctor = sys.argv[1:2] == ["doctor"]
    line = read_command_line(sys.argv[2:] if is_doctor else sys.argv[1:])
    if not {"-h", "--help"}.isdisjoint(line.arguments):
        sys.stdout.write(describe())
        sys.exit(0)
    if problems := check_overrides(line.overrides, option_names(line.config_dir)):
        _complain(ConfigError(problems))
        sys.exit(1)
    sys.argv[1:] = line.arguments
    os.environ.update(line.secrets)
    logging.raiseExceptions = False  # a full disk shows once, and not with each line of the log
    # Hydra would print its own traceback and end the process; here all failures meet in one place.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if is_doctor:
        sys.exit(_answer(lambda: _examine(line)))
    register()
    if line.resume is not None:
        sys.exit(_answer(lambda: _resume(line)))
    sys.exit(_answer(_app) if line.is_question else _answer(_run_in_session))


def _answer(program: Callable[[], int | None]) -> int:
    """Run the program and turn however it ends into an exit code and at most one message."""
    try:
        code = program() or 0
    except KeyboardInterrupt:
        sys.stderr.write("synth: interrupted; what was done is kept\n")
        return 130
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        return 0
    except Exception as error:
        if REPORTED not in getattr(error, "__notes__", ()):
            if not isinstance(error, _USERS_ERRORS):
                raise
            _complain(error)
        return 1
    return code


def _examine(line: CommandLine) -> int:
    from rich import get_console

    from synth.doctor import examine, tell

    console = get_console()
    with console.status("looking"):
        findings = examine(compose(line.overrides, config_dir=line.config_dir))
    tell(findings, console)
    return int(any(finding.is_wrong for finding in findings))


def _keep_house(arguments: list[str]) -> None:
    from rich import get_console

    from synth.housekeeping import keep_house

    keep_house(arguments, get_console())


def _run_in_session() -> None:
    from synth.launcher import register_launchers, sweeping
    from synth.server import lease

    register_launchers()
    end_on_sigterm()
    with lease.open_session() as session, sweeping():
        os.environ.update(session.environment)
        _app()


def _resume(line: CommandLine) -> int:
    from synth.server import lease
    from synth.sweep.resume import resume

    assert line.resume is not None
    if more := [text for text in line.overrides if not _may_stand_beside_resume(text)]:
        raise ConfigError([f"resume= goes on with what was configured; leave out {' '.join(more)}"])
    end_on_sigterm()
    with lease.open_session() as session:
        return 0 if resume(Path(line.resume), session) else 1


def _may_stand_beside_resume(override: str) -> bool:
    """Return whether it is ``resume`` itself, or a secret, which no file has kept."""
    return override.startswith("resume=") or "=${oc.env:SYNTH_" in override


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def _app(node: DictConfig) -> float | None:
    """Run one job, in this process or in a worker's; return the objective."""
    from synth.jobs import check_new, run_job
    from synth.launcher import place_in_sweep
    from synth.server.lease import Session
    from synth.sweep.dispersal import Dispersal, run_in_shards

    register()  # a worker process has not come through main()
    settings, session = HydraConfig.get(), Session.from_environment()
    session.require()
    folder = Path(settings.runtime.output_dir)
    try:
        config, overrides = open_door(node), list(settings.overrides.task)
        place = place_in_sweep()
        if config.shards is None:
            summary = run_job(config, folder, session, overrides, place)
        else:
            check_new(folder)
            dispersal = Dispersal.by(launcher_of(settings), session)
            summary = run_in_shards(config, folder, overrides, dispersal)
        summary.tell()
        if summary.tracking_error is not None and place is None:  # a sweep sends it in the end
            raise summary.tracking_error
    except (SynthError, OSError) as error:
        _report(error)
        raise
    return summary.metrics.get(config.objective.removeprefix("-"))


def _report(error: Exception) -> None:
    """Log a job's failure when it happens, once."""
    log.error("%s", _message_of(error))
    error.add_note(REPORTED)


def _complain(error: Exception) -> None:
    sys.stderr.write(f"synth: {_message_of(error)}\n")


def _message_of(error: Exception) -> str:
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return "\n  ".join([f"{len(error.problems)} problems:", *error.problems])
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        advice = "; free some space" if error.errno == errno.ENOSPC else ""
        return f"{where}{error.strerror}{advice}, or choose another folder with hydra.run.dir"
    cause = error.__cause__
    because = f"\n{cause}" if isinstance(cause, OmegaConfBaseException) else ""
    return f"{error}{because}"
