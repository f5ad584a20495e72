"""The heads of a run: one at a time works on a run directory, the next takes up where it ended.

A head is a process that runs miniwdl. The first works in the run directory itself, each later one
in ``resumed2``, ``resumed3`` … below it: what an earlier one left stays where it is, since live
jobs and later inputs name it by its path. What all share lies in `STATE_FOLDER`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATE_FOLDER = ".miniwdl-aws"
"""In a run directory: what runner and backend keep for themselves."""

RUN_DIR_VARIABLE = "WDL_AWS_RUN_DIR"
HEAD_VARIABLE = "WDL_AWS_HEAD"
"""In miniwdl's own process: the run directory, and which head of it this is. miniwdl warns of what
begins with its own name and it does not know."""


@dataclass(frozen=True, kw_only=True)
class RunPlace:
    """Where one head of a run works.

    Attributes:
        run_dir: the run directory.
        head: which head this is, from 1.
    """

    run_dir: Path
    head: int = 1

    @property
    def directory(self) -> Path:
        """Where this head's miniwdl works."""
        return head_directory(self.run_dir, self.head)

    @property
    def earlier(self) -> tuple[Path, ...]:
        """Where earlier heads worked, the latest first."""
        return tuple(head_directory(self.run_dir, n) for n in range(self.head - 1, 0, -1))

    @property
    def mailbox(self) -> Path:
        """Where all task jobs of the run leave their signs."""
        return self.run_dir / STATE_FOLDER / "signs"

    def variables(self) -> dict[str, str]:
        """Give what tells miniwdl's process of this place."""
        return {RUN_DIR_VARIABLE: str(self.run_dir), HEAD_VARIABLE: str(self.head)}

    def relative(self, path: Path) -> Path | None:
        """Name a path as every head of the run would, apart from its own directory.

        >>> place = RunPlace(run_dir=Path("/r"), head=3)
        >>> str(place.relative(Path("/r/resumed2/call-a/out/x")))
        'call-a/out/x'
        >>> str(place.relative(Path("/r/call-a/out/x")))
        'call-a/out/x'
        """
        for directory in (self.directory, *self.earlier):
            if path.is_relative_to(directory):
                return path.relative_to(directory)
        return None


def head_directory(run_dir: Path, number: int) -> Path:
    """Give the directory in which a head's miniwdl works."""
    return run_dir if number == 1 else run_dir / f"resumed{number}"


def run_directory(directory: Path) -> Path:
    """Give the run directory of the head that works in a directory.

    >>> str(run_directory(Path("/r/resumed2"))), str(run_directory(Path("/r")))
    ('/r', '/r')
    """
    return directory.parent if re.fullmatch(r"resumed\d+", directory.name) else directory


def place_of(environ: Mapping[str, str]) -> RunPlace | None:
    """Read where this process's miniwdl works, if our runner started it."""
    run_dir, head = environ.get(RUN_DIR_VARIABLE), environ.get(HEAD_VARIABLE)
    return RunPlace(run_dir=Path(run_dir), head=int(head)) if run_dir and head else None
