"""A small disk is full when it is filled, and loses nothing when there is room again."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.small_disk import MEGABYTE, fill, free, is_full, mount_small_disk, unmount_below, why_no_small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if (why := why_no_small_disk()) is not None:
        pytest.skip(why)
    mount_small_disk(tmp_path)
    try:
        yield tmp_path
    finally:
        unmount_below(tmp_path)


def test_on_a_full_disk_nothing_can_be_written_and_what_was_there_stays(disk: Path) -> None:
    (disk / "kept").write_bytes(b"x" * MEGABYTE)
    fill(disk)
    assert is_full(disk)
    with pytest.raises(OSError, match="No space") as raised:
        (disk / "more").write_bytes(b"x" * MEGABYTE)
    assert raised.value.errno == errno.ENOSPC

    free(disk)
    (disk / "more").write_bytes(b"x" * MEGABYTE)
    assert not is_full(disk)
    assert (disk / "kept").read_bytes() == b"x" * MEGABYTE


def test_what_is_mounted_below_a_folder_is_gone_after_unmounting(disk: Path) -> None:
    (disk / "file").write_text("x")
    unmount_below(disk.parent)
    assert not (disk / "file").exists()
