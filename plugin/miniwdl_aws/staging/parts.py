"""The parts in which an object is fetched, and the book of those that are there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

PART_BYTES = 16 * 2**20
"""Large enough that a request's latency does not count, small enough to lose little of."""


class Part(NamedTuple):
    """A part of an object: its number from 0, where it begins, where it ends."""

    number: int
    begin: int
    end: int


def parts(size: int) -> list[Part]:
    """Divide an object; one that is empty has no part.

    >>> [part.end - part.begin for part in parts(PART_BYTES + 1)]
    [16777216, 1]
    """
    begins = range(0, size, PART_BYTES)
    return [Part(i, begin, min(begin + PART_BYTES, size)) for i, begin in enumerate(begins)]


class PartialFile:
    """A file that is being made, and the book beside it of the parts that are there.

    A part is written down once its bytes are on the disk. Two processes may make the same file at
    once: they write the same bytes to the same places.

    Args:
        path: the file.
        descriptor: the same, open for writing.
        done: numbers of the parts that are there already.
    """

    def __init__(self, path: Path, descriptor: int, done: frozenset[int]) -> None:
        self.path = path
        self.done = done
        self._descriptor = descriptor

    def write(self, content: bytes, offset: int) -> None:
        """Write bytes to their place."""
        while content:
            written = os.pwrite(self._descriptor, content, offset)
            content, offset = content[written:], offset + written

    def reading(self) -> BinaryIO:
        """Open the same file for reading, wherever it has been moved to."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._descriptor), "rb")

    def finish(self, part: Part) -> None:
        """Write down that a part is there."""
        os.fdatasync(self._descriptor)
        with _book(self.path).open("a") as book:
            book.write(f"{part.number}\n")

    def complete(self, target: Path, modified: float) -> None:
        """Move the file to its place with all its bytes, unless another process has."""
        os.fsync(self._descriptor)
        os.utime(self._descriptor, (modified, modified))
        _book(self.path).unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        # A file that is there may be open on other hosts, and is the same.
        size = os.fstat(self._descriptor).st_size
        if target.exists() and target.stat().st_size == size:
            self.path.unlink(missing_ok=True)
        else:
            self.path.rename(target)

    def discard(self) -> None:
        """Forget the file and the book."""
        _book(self.path).unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@contextmanager
def partial_file(path: Path, size: int) -> Iterator[PartialFile]:
    """Make a file, or go on with one that an earlier process began.

    Args:
        path: the file.
        size: how large it is going to be, in bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        begun = begun and os.fstat(descriptor).st_size == size
        if not begun:
            _book(path).unlink(missing_ok=True)
            os.ftruncate(descriptor, size)
        yield PartialFile(path, descriptor, _read(_book(path)) if begun else frozenset())
    finally:
        os.close(descriptor)


def _book(path: Path) -> Path:
    return path.with_name(f"{path.name}.parts")


def _read(book: Path) -> frozenset[int]:
    """Read the numbers; a line that was cut short, or joined with another, tells nothing."""
    try:
        lines = book.read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return frozenset()
    return frozenset(int(line) for line in lines if line.endswith("\n") and line[:-1].isdigit())
