import os
import subprocess
import sys

import pytest

from synth.shared import Shared


@pytest.fixture
def shared(tmp_path):
    """One with three files of 1000 bytes, of which "b" is the longest unused."""
    shared = Shared(tmp_path)
    for age, name in enumerate("cab"):
        with shared.once(name) as path:
            path.write_bytes(bytes(1000))
        os.utime(path, (0, 1000 - age))
    return shared


def kept(shared, names="abc"):
    found = []
    for name in names:
        with shared.once(name) as path:
            found += name * path.exists()
    return found


def test_nothing_is_shared_without_a_folder():
    with Shared().once("a") as path:
        assert path is None
    Shared().shrink(0)


def test_a_folder_that_is_not_there_is_small_enough(tmp_path):
    Shared(tmp_path / "none").shrink(0)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("n_bytes", "left"), [(3000, "abc"), (2999, "ac"), (1500, "c"), (0, "")])
def test_the_longest_unused_go_first(shared, n_bytes, left):
    shared.shrink(n_bytes)
    assert kept(shared) == list(left)


def test_using_a_file_keeps_it(shared):
    with shared.once("b"):
        pass
    shared.shrink(1000)
    assert kept(shared) == ["b"]


def test_locks_go_with_their_files(shared, tmp_path):
    shared.shrink(1000)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".lock"]


def test_what_is_held_stays(shared):
    with shared.once("b") as path:
        os.utime(path, (0, 0))
        shared.shrink(0)
        assert path.exists()
    assert kept(shared) == ["b"]


def test_what_another_process_holds_stays(shared, tmp_path):
    code = "import sys, synth.shared as s, pathlib; p = pathlib.Path(sys.argv[1])\n"
    code += "with s.Shared(p).once('b'): print(flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        shared.shrink(0)
        holder.communicate(b"\n")
    assert kept(shared) == ["b"]


def test_what_a_killed_holder_has_left_goes(shared, tmp_path):
    with shared.once("d") as path:
        path.with_name(f".{path.name}.123.456").write_bytes(bytes(50))
    shared.shrink(10_000)
    assert not [part for part in tmp_path.iterdir() if path.name in part.name]
    assert kept(shared) == ["a", "b", "c"]
