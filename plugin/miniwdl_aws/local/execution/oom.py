"""Sees the kernel run out of a container's memory, where the engine does not tell."""

import asyncio
import contextlib
import os
from pathlib import Path

MEMORY_ROOT = Path("/sys/fs/cgroup/memory")
"""Where cgroups v1 have their memory limits; it is not there under v2."""


def memory_cgroup(pid: int) -> Path | None:
    """Return the directory of a process's memory cgroup under cgroups v1; None under v2.

    Engines read cgroups v2 themselves; under v1 Podman's monitor misses the event on some kernels.
    """
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found = MEMORY_ROOT / path.lstrip("/")
            return found if found.is_dir() else None
    return None


class OomWatch:
    """Notes whether a memory cgroup ran out of memory.

    Args:
        loop: the event loop to receive the event in.
        directory: the cgroup's, under cgroups v1.

    Raises:
        OSError: the kernel or the caller's rights do not allow it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, directory: Path) -> None:
        self.fired = False
        self._loop = loop
        self._directory = directory
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            control = os.open(directory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                registration = f"{self._event} {control}"
                (directory / "cgroup.event_control").write_text(registration, encoding="ascii")
            finally:
                os.close(control)
        except OSError:
            os.close(self._event)
            raise
        loop.add_reader(self._event, self._notified)

    def _notified(self) -> None:
        # The kernel also notifies as it removes the cgroup: a second time, or after its end.
        with contextlib.suppress(BlockingIOError):
            times = os.eventfd_read(self._event)
            self.fired = self.fired or times > 1 or self._directory.exists()

    def close(self) -> None:
        """Stop to watch."""
        self._loop.remove_reader(self._event)
        os.close(self._event)


def watch(loop: asyncio.AbstractEventLoop, pid: int) -> OomWatch | None:
    """Watch the memory of a container's first process; None where there is nothing to watch."""
    directory = memory_cgroup(pid) if pid else None
    if directory is None:
        return None
    try:
        return OomWatch(loop, directory)
    except OSError:
        return None
