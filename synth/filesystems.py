"""Which file systems are on another machine: locks and shared memory of SQLite need a local one."""

import os
from pathlib import Path

import psutil

_FUSE = (
    *("alluxio-fuse", "beegfs", "blobfuse", "blobfuse2", "ceph", "ceph-fuse", "curlftpfs"),
    *("cvmfs2", "davfs2", "dbfs", "fuse_dfs", "gcsfuse", "glusterfs", "goofys", "juicefs"),
    *("lizardfs", "mfs", "moosefs", "mount-s3", "mountpoint-s3", "nfs", "objectivefs"),
    *("quobyte", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs", "wekafs"),
)
"""Those that FUSE shows; its other ones, such as overlays, are local."""
_REMOTE = frozenset(
    (
        *("9p", "afs", "autofs", "beegfs", "beegfs_nodev", "ceph", "cifs", "coda", "davfs", "gfs2"),
        *("glusterfs", "gpfs", "lustre", "mfs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"),
        *("panfs", "pvfs2", "quobyte", "smb", "smb2", "smb3", "smbfs", "wekafs"),
        *(f"fuse.{name}" for name in _FUSE),
    )
)


def network_filesystem(path: Path) -> str | None:
    """Return the type of the network file system that holds ``path``, such as ``nfs4``.

    Args:
        path: of a file or folder; if it is not there yet, where its nearest parent is counts.

    Returns:
        None: it is on this machine, or the system does not tell.
    """
    place = Path(os.path.realpath(path))  # links are followed as far as there is something
    found, longest = "", -1
    for mount in psutil.disk_partitions(all=True):
        n_parts = len(Path(mount.mountpoint).parts)
        # What was mounted last over the same place is what is seen.
        if n_parts >= longest and place.is_relative_to(mount.mountpoint):
            found, longest = mount.fstype.lower(), n_parts
    return found if found in _REMOTE else None
