"""The mount options of memory file systems."""

import pytest

from miniwdl_aws import linux
from miniwdl_aws.local.execution import tmpfs

_ALL = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ([], _ALL),
        (["defaults", "mode=700"], _ALL),
        (["exec"], _ALL & ~linux.MS_NOEXEC),
        (["ro"], _ALL | linux.MS_RDONLY),
        (["ro", "rw", "suid", "dev", "exec"], 0),
    ],
)
def test_options_change_dockers_defaults(options: list[str], flags: int) -> None:
    """A tmpfs is nosuid, nodev and noexec unless told otherwise; the last word counts."""
    assert tmpfs.mount_flags(options) == flags


def test_options_that_are_no_tmpfs_s_are_found() -> None:
    """Binds, remounts and values without a name's value are not taken."""
    options = ["noexec", "mode=1777", "bind", "mode", "size=3m", "relatime"]
    assert tmpfs.unknown_options(options) == ["bind", "mode", "size=3m"]
