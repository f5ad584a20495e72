"""The directory that a demonstration has for itself."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demo.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "lock"


@contextmanager
def workspace(directory: Path) -> Iterator[Path]:
    """Take a directory, emptied of what the last demonstration left; what this one makes stays.

    Args:
        directory: made when it is not there. One that holds other things is not touched.

    Yields:
        The directory.

    Raises:
        ServiceError: another demonstration runs in it, or it is not one of ours.
    """
    if directory.exists() and any(directory.iterdir()) and not (directory / LOCK).exists():
        raise ServiceError(f"{directory} holds files that no demonstration made: choose another")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServiceError(
                f"another demonstration (process {lock.read().strip()}) runs in {directory}: "
                "end it, or choose another directory"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        for entry in directory.iterdir():
            if entry.name != LOCK:
                _remove(entry)
        yield directory


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
