"""Where the files of one attempt of a task lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class AttemptFiles:
    """The files of one attempt; their names carry the attempt's number from the second one on.

    Attributes:
        task_dir: the call's run directory.
        attempt: which attempt this is, from 1.
    """

    task_dir: Path
    attempt: int

    @property
    def work_dir(self) -> Path:
        """The working directory."""
        return self.task_dir / f"work{self._suffix}"

    @property
    def command(self) -> Path:
        """The task's command."""
        return self.task_dir / f"command{self._suffix}"

    @property
    def script(self) -> Path:
        """The script that the job runs."""
        return self.task_dir / f"job{self._suffix}.sh"

    @property
    def stdout(self) -> Path:
        """The command's standard output."""
        return self.task_dir / f"stdout{self._suffix}.txt"

    @property
    def stderr(self) -> Path:
        """The command's standard error."""
        return self.task_dir / f"stderr{self._suffix}.txt"

    @property
    def exit(self) -> Path:
        """What the job's own shell says of its end, written last (`sentinel.Ending`)."""
        return self.task_dir / f"exit{self._suffix}.json"

    @property
    def _suffix(self) -> str:
        return str(self.attempt) if self.attempt > 1 else ""

    def revalidate(self) -> None:
        """Have an NFS client see what the job wrote: opening a directory asks the server."""
        for folder in (self.task_dir, self.work_dir):
            if folder.exists():
                os.scandir(folder).close()


def set_work_aside(task_dir: Path) -> None:
    """Free the name ``work`` when an attempt is to follow: the first one's becomes ``work1``."""
    work = task_dir / "work"
    if work.is_dir() and not work.is_symlink():
        work.rename(task_dir / "work1")


def point_work_at(files: AttemptFiles) -> None:
    """Let ``work`` stand for an attempt's work directory: the command names its files by it."""
    _symlink(files.work_dir.name, files.task_dir / "work")


def link_inputs(links: Mapping[Path, str]) -> None:
    """Make symbolic links to inputs.

    Args:
        links: the target of each link.
    """
    folders: set[Path] = set()
    for link, target in links.items():
        if link.parent not in folders:
            link.parent.mkdir(parents=True, exist_ok=True)
            folders.add(link.parent)
        _symlink(target, link)


def _symlink(target: str, link: Path) -> None:
    """Make a link, in place of one that may be there."""
    try:
        link.symlink_to(target)
    except FileExistsError:
        new = link.with_name(f"{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(link)
