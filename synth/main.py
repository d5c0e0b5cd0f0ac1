"""The one entry: overrides in, an experiment (or a sweep of them) run, exit code out.

Exit codes: 0 done, 1 failed (with one message, and no traceback unless it is a bug), 130 Ctrl-C,
143 SIGTERM. Heavy imports stay inside the functions that need them: ``--help`` needs none.
"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from synth.config import check_overrides, compose, open_door, register
from synth.config.describe import describe
from synth.config.files import conf_dir, option_names
from synth.config.overrides import CommandLine, read_command_line
from synth.errors import ConfigError, SynthError

log = logging.getLogger(__name__)

_USERS_ERRORS = (SynthError, HydraException, OmegaConfBaseException, yaml.YAMLError, OSError)
"""What ends in one message; anything else is a bug of ours and shows its traceback."""

_REPORTED = "reported"


def main() -> None:
    """Run the program on ``sys.argv`` and end the process with its exit code."""
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
    except _USERS_ERRORS as error:
        if _REPORTED not in getattr(error, "__notes__", ()):
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


def _run_in_session() -> None:
    from synth.server import lease

    signal.signal(signal.SIGTERM, _terminate)
    with lease.open_session() as session:
        os.environ.update(session.environment)
        _app()


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def _app(node: DictConfig) -> None:
    from synth.job import run_job
    from synth.server.lease import Session

    settings = HydraConfig.get()
    folder = Path(settings.runtime.output_dir)
    try:
        config, overrides = open_door(node), list(settings.overrides.task)
        summary = run_job(config, folder, Session.from_environment(), overrides)
        summary.tell()
        if summary.tracking_error is not None:
            raise summary.tracking_error
    except (SynthError, OSError) as error:
        _report(error)
        raise


def _report(error: Exception) -> None:
    """Log a job's failure when it happens: in a sweep the others go on."""
    log.error("%s", _message_of(error))
    error.add_note(_REPORTED)


def _terminate(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


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
