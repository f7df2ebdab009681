"""Which file systems end with their container."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.system.mounts import Mount, mount_of, read_mounts

# Of a container with a volume, and one in memory whose name has a blank.
MOUNTINFO = b"""\
574 528 0:64 / / rw,relatime master:189 - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c
575 574 0:67 / /proc rw,nosuid - proc proc rw
590 574 253:1 /var/lib/docker/volumes/x/_data /data rw,relatime master:1 - ext4 /dev/vda1 rw
591 574 0:70 / /in\\040memory rw - tmpfs tmpfs rw,size=64k
592 590 0:71 / /data/cache rw - tmpfs tmpfs rw
593 590 8:1 / /data/cache rw - xfs /dev/sda1 rw
damaged
"""


@pytest.fixture
def mounts(tmp_path: Path) -> list[Mount]:
    file = tmp_path / "mountinfo"
    file.write_bytes(MOUNTINFO)
    return read_mounts(file)


@pytest.mark.parametrize(
    ("folder", "point", "ends_with"),
    [
        ("/app-not-there/backups", "/", "this container"),
        ("/database", "/", "this container"),
        ("/", "/", "this container"),
    ],
)
def test_what_is_on_no_volume_ends_with_the_container(
    mounts: list[Mount], folder: str, point: str, ends_with: str
) -> None:
    found = mount_of(Path(folder), mounts)
    assert found
    assert (found.point, found.ends_with) == (point, ends_with)


def test_the_mounts_are_read_with_their_types(mounts: list[Mount]) -> None:
    assert {each.point: (each.type, each.ends_with) for each in mounts} == {
        "/": ("overlay", "this container"),
        "/proc": ("proc", ""),
        "/data": ("ext4", ""),
        "/in memory": ("tmpfs", "this machine or container"),
        "/data/cache": ("xfs", ""),
    }


def test_the_nearest_mount_counts_and_of_one_point_the_last(tmp_path: Path) -> None:
    """An overlay below the root, of another container for instance, tells nothing."""
    point = str(tmp_path.resolve())
    mounts = [Mount("/", "overlay"), Mount(point, "tmpfs"), Mount(point, "overlay")]
    found = mount_of(tmp_path / "not" / "there", mounts)
    assert found is mounts[-1]
    assert found.ends_with == ""
    assert mount_of(tmp_path.parent, mounts) is mounts[0]
    assert mount_of(tmp_path, []) is None


def test_where_no_file_tells_nothing_is_known(tmp_path: Path) -> None:
    assert read_mounts(tmp_path / "none") == []
