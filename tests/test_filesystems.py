"""Network file systems are told from local ones, by what is mounted where."""

from types import SimpleNamespace

import psutil
import pytest

from synth.filesystems import network_filesystem

MOUNTS = {
    "/": "ext4",
    "/home": "autofs",
    "/home/me": "nfs4",
    "/home/me/fast": "xfs",
    "/lab": "fuse.sshfs",
    "/phone": "fuse.jmtpfs",
    "/windows": "CIFS",
    "/homestead": "lustre",
}


@pytest.fixture(autouse=True)
def mounts(monkeypatch):
    partitions = [SimpleNamespace(mountpoint=at, fstype=kind) for at, kind in MOUNTS.items()]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: partitions)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/ml.db", None),
        ("/home/me/not/there/yet/ml.db", "nfs4"),
        ("/home/me/fast/ml.db", None),
        ("/home/you/ml.db", "autofs"),
        ("/lab/ml.db", "fuse.sshfs"),
        ("/phone/ml.db", None),
        ("/windows/ml.db", "cifs"),
        ("/homely/ml.db", None),
    ],
)
def test_the_nearest_mount_decides(path, kind, tmp_path):
    assert network_filesystem(tmp_path / path) == kind


def test_what_was_mounted_last_over_a_place_is_seen(monkeypatch):
    both = [SimpleNamespace(mountpoint="/data", fstype=kind) for kind in ("autofs", "ext4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: both)
    assert network_filesystem(both[0].mountpoint) is None


def test_links_are_followed(tmp_path):
    (tmp_path / "outputs").symlink_to("/lab/results")
    assert network_filesystem(tmp_path / "outputs" / "ml.db") == "fuse.sshfs"
    assert network_filesystem(tmp_path / "ml.db") is None
