"""Whatever is at a location is read, or is one failure; nothing is waited for or left behind."""

import errno
import os
import socket

import pytest

from synth.reading import Member, read
from synth.reading.source import show
from synth.records import Document, Failure
from synth.sources import Location
from synth.texts import TextWriter
from tests.reading.mutate import SETTINGS, break_files, read_broken


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/a b/ü\u202f漢.txt", "/a b/ü\u202f漢.txt"),
        (os.fsdecode(b"/caf\xe9.txt"), "/caf\\xe9.txt"),
        ("/line\nend\x1b[1m", "/line\\nend\\x1b[1m"),
        ("/half\ud800", "/half\\ud800"),
    ],
    ids=["as it is", "bytes", "controls", "half a character"],
)
def test_location_is_shown_as_text(location, shown):
    assert show(location) == shown
    shown.encode()


def test_name_of_any_bytes_is_read(reader):
    name = os.fsdecode(b"caf\xe9.txt")
    (document,) = reader(name, b"words")
    assert document.path.endswith("caf\\xe9.txt")


def test_pipes_sockets_and_folders_are_not_opened(reader, tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.txt"))
        assert reader.texts("s.txt") == ["is a socket, not a file"]
    assert reader.texts("pipe.txt") == ["is a pipe, not a file"]
    assert reader.texts(".") == ["is a folder, not a file"]
    assert reader.texts("/dev/zero") == ["is a device, not a file"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.pdf", "can't be read: No such file"), ("loop.txt", "can't be read: Too many levels")],
)
def test_file_that_can_not_be_opened_is_told(reader, tmp_path, name, message):
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (detail,) = reader.texts(name)
    assert detail.startswith(message)


def test_full_disk_ends_the_reading(reader, monkeypatch):
    def fail(self, piece):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TextWriter, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        reader("a.txt", b"words")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.jsonl"])
def test_reading_that_is_given_up_leaves_nothing(tmp_path, samples, name):
    (tmp_path / name).write_bytes(samples[name])
    results = read(Location(str(tmp_path / name)), tmp_path, tmp_path / "scratch", SETTINGS)
    assert isinstance(next(one for one in results if not isinstance(one, Member)), Document)
    results.close()
    assert not list((tmp_path / "scratch").iterdir())


def test_large_file_of_a_format_that_is_read_as_a_whole_is_told(reader, samples):
    (detail,) = reader.texts("a.pdf", samples["a.pdf"], max_file_gib=1e-6)
    assert detail.startswith("is larger than ingest.max_file_gib=1e-06")


def test_text_of_any_size_is_read(reader):
    assert reader.texts("a.txt", b"words " * 1000, max_file_gib=1e-6) == ["words " * 1000]


def test_broken_files_cost_themselves(samples, tmp_path):
    counts, ends, _ = read_broken(break_files(samples, 250, seed=7), tmp_path)
    assert not ends
    assert counts.total() >= 250
    assert not [what for what in counts if what.startswith("left in scratch")]


def test_failure_names_its_document(reader):
    assert reader("a.txt", b"")[0] == Failure(
        str(reader.folder / "a.txt"), "ingest", "IngestError", "has no text"
    )
