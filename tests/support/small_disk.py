"""Disks that can be full: a tmpfs where a server keeps its data. Needs root."""

import errno
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

MEGABYTE = 1024 * 1024
SIZE = 3072 * MEGABYTE
"""Of memory, but only what is written counts: a server's files of half an hour at 60 commands/s fit."""


def why_no_small_disk() -> str | None:
    """None where one can be mounted."""
    if os.geteuid() != 0:
        return "only root may mount a tmpfs"
    with tempfile.TemporaryDirectory() as folder:
        try:
            mount_small_disk(Path(folder))
        except OSError as error:
            return f"a tmpfs can't be mounted here: {error}"
        _run("umount", folder)
    return None


def mount_small_disk(folder: Path, *, owner: str = "root") -> None:
    """On a folder that is empty and belongs to `owner` afterwards. Raises OSError."""
    _run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder))
    shutil.chown(folder, owner, owner)


def unmount_below(folder: Path) -> None:
    """Whatever is mounted on the folder or in it; harmless where nothing is."""
    for mounted in _mounts():
        if mounted == folder or folder in mounted.parents:
            _run("umount", "--lazy", str(mounted))


def fill(folder: Path) -> None:
    """Not a byte more can be written. The disk is made as small as what is on it, which takes no memory."""
    for _ in range(100):  # it may grow meanwhile, and then can't be made that small
        disk = os.statvfs(folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        with suppress(OSError):
            _resize(folder, used)
            break
    else:
        raise OSError(errno.EBUSY, f"{folder} grows too fast to be filled")


def free(folder: Path) -> None:
    _resize(folder, SIZE)


def is_full(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_bfree * disk.f_frsize < MEGABYTE


def _resize(folder: Path, size: int) -> None:
    _run("mount", "-o", f"remount,size={size}", str(folder))


def _mounts() -> list[Path]:
    """The innermost first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [Path(line.split()[1].encode().decode("unicode_escape")) for line in reversed(lines)]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(errno.EIO, done.stderr.strip() or f"{command[0]} failed")
