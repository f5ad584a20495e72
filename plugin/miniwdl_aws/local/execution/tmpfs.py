"""Memory file systems that jobs ask for: their options and what they mean to ``mount``."""

from collections.abc import Iterable, Mapping
from typing import Any

from miniwdl_aws import linux

_FLAGS = {
    "ro": linux.MS_RDONLY,
    "nosuid": linux.MS_NOSUID,
    "nodev": linux.MS_NODEV,
    "noexec": linux.MS_NOEXEC,
    "sync": 16,
    "dirsync": 128,
    "noatime": 1024,
    "nodiratime": 2048,
    "relatime": 1 << 21,
    "strictatime": 1 << 24,
}
_CLEARED_BY = {
    "rw": "ro",
    "suid": "nosuid",
    "dev": "nodev",
    "exec": "noexec",
    "async": "sync",
    "atime": "noatime",
    "diratime": "nodiratime",
    "norelatime": "relatime",
    "nostrictatime": "strictatime",
}
_VALUES = ("mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")
# Docker's own, which an option that says the opposite takes away (Docker, "tmpfs mounts").
_DEFAULTS = ("nosuid", "nodev", "noexec")


def unknown_options(options: Iterable[str]) -> list[str]:
    """Return the mount options that a tmpfs of the local AWS does not take."""
    return [
        option
        for option in options
        if option not in {"defaults", *_FLAGS, *_CLEARED_BY}
        and not (option.partition("=")[0] in _VALUES and "=" in option)
    ]


def mount_flags(options: Iterable[str]) -> int:
    """Return the flags of the ``mount`` system call for a tmpfs with these options."""
    chosen = set(_DEFAULTS)
    for option in options:
        if option in _FLAGS:
            chosen.add(option)
        chosen.discard(_CLEARED_BY.get(option, ""))
    return sum(_FLAGS[option] for option in chosen)


def mount_data(tmpfs: Mapping[str, Any]) -> str:
    """Return the options of an entry of ``linuxParameters.tmpfs`` that belong to tmpfs itself.

    >>> mount_data({"containerPath": "/t", "size": 5, "mountOptions": ["noexec", "mode=700"]})
    'size=5m,mode=700'
    """
    given = [option for option in tmpfs.get("mountOptions", []) if "=" in option]
    return ",".join([f"size={tmpfs['size']}m", *given])


def docker_options(tmpfs: Mapping[str, Any]) -> str:
    """Return the options of an entry of ``linuxParameters.tmpfs`` for Docker's API.

    >>> docker_options({"containerPath": "/t", "size": 5, "mountOptions": ["exec"]})
    'size=5m,exec'
    """
    given = [option for option in tmpfs.get("mountOptions", []) if option != "defaults"]
    return ",".join([f"size={tmpfs['size']}m", *given])
