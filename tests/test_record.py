"""Who is at work on a run."""

import errno
import fcntl

import pytest

from synth.errors import ConfigError, InUse
from synth.record import hold, is_held


def test_one_process_holds_a_folder(tmp_path):
    lock = hold(tmp_path / "run")
    assert is_held(tmp_path / "run")
    with pytest.raises(InUse, match="still at work"):
        hold(tmp_path / "run")
    lock.release()
    assert not is_held(tmp_path / "run")


def test_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def flock(fd, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ConfigError, match="no locks") as caught:
        hold(tmp_path)
    assert not isinstance(caught.value, InUse)
