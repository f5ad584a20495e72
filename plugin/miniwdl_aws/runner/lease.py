"""That never two heads work on a run directory at once.

Each head has a number, and a file of that name in the run directory, which it makes by a hard link:
of two that want the same number one fails, on NFS too. The head with the highest number holds the
directory. It touches its file again and again, and looks whether there is a higher number: a head
that was taken for dead, and was not, stops.
"""

import dataclasses
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.heads import STATE_FOLDER

BEAT_SECONDS = 15.0
"""How often a head touches its file."""

DEAD_SECONDS = 90.0
"""How old the last touch must be before a head outside AWS Batch counts as dead."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """One head of a run.

    Attributes:
        number: its number, from 1.
        job_id: the workflow job; empty outside AWS Batch.
        attempt: which attempt of that job it is.
    """

    number: int
    job_id: str = ""
    attempt: int = 1


def heads_of(run_dir: Path) -> list[Head]:
    """List all heads that a run directory has had, in the order of their numbers."""
    found = []
    for path in _folder(run_dir).glob("*.json"):
        if path.stem.isdigit():
            content = json.loads(path.read_text())
            content["number"] = int(path.stem)
            found.append(Head(**content))
    return sorted(found, key=lambda head: head.number)


def take(run_dir: Path, job_id: str, attempt: int, lives: Callable[[str], bool]) -> Head:
    """Become the next head of a run directory.

    Args:
        run_dir: the run directory.
        job_id: this workflow job; empty outside AWS Batch.
        attempt: which attempt of it this is.
        lives: tells whether a job has not ended.

    Raises:
        ConfigurationError: another head works there.
        AwsError: whether another one lives cannot be found out.
    """
    earlier = heads_of(run_dir)
    if earlier and _holds(run_dir, earlier[-1], job_id, lives):
        raise _busy(run_dir, earlier[-1])
    number = earlier[-1].number + 1 if earlier else 1
    head = Head(number=number, job_id=job_id, attempt=attempt)
    if not _claim(run_dir, head):
        raise _busy(run_dir, heads_of(run_dir)[-1])
    return head


@contextmanager
def holding(
    run_dir: Path, head: Head, lost: Callable[[], object], period_seconds: float = BEAT_SECONDS
) -> Iterator[None]:
    """Keep a run directory for the length of the block.

    Args:
        run_dir: the run directory.
        head: what `take` gave.
        lost: called once, on another thread, if a later head has taken the directory.
        period_seconds: how often that is looked for.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(period_seconds):
            if _beat(run_dir, head):
                lost()
                return

    thread = threading.Thread(target=beat, name="miniwdl-aws-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(run_dir: Path, head: Head) -> bool:
    """Touch this head's file; tells whether there is a later one."""
    try:
        os.utime(_path(run_dir, head))
        numbers = [path.stem for path in _folder(run_dir).iterdir() if path.suffix == ".json"]
    except OSError:
        return False
    return any(stem.isdigit() and int(stem) > head.number for stem in numbers)


def _holds(run_dir: Path, other: Head, job_id: str, lives: Callable[[str], bool]) -> bool:
    """Tell whether another head may still work: attempts of one job never run side by side."""
    if other.job_id:
        return other.job_id != job_id and lives(other.job_id)
    return _age(run_dir, other) < DEAD_SECONDS


def _age(run_dir: Path, head: Head) -> float:
    """Give the seconds since a head's last touch, by the clock of the file system alone."""
    probe = _folder(run_dir) / f"now.{uuid.uuid4().hex}"
    probe.touch()
    try:
        return probe.stat().st_mtime - _path(run_dir, head).stat().st_mtime
    finally:
        probe.unlink()


def _claim(run_dir: Path, head: Head) -> bool:
    folder = _folder(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    content = dataclasses.asdict(head)
    del content["number"]
    new = folder / f"new.{uuid.uuid4().hex}"
    new.write_text(json.dumps(content) + "\n")
    try:
        _path(run_dir, head).hardlink_to(new)
    except FileExistsError:
        return False
    finally:
        new.unlink()
    return True


def _busy(run_dir: Path, other: Head) -> ConfigurationError:
    who = f"job {other.job_id}" if other.job_id else "another process"
    return ConfigurationError(
        "--dir",
        f"is the run directory of {who}, which has not ended",
        value=str(run_dir),
        remedy="Wait for its end, end it, or name another directory.",
    )


def _folder(run_dir: Path) -> Path:
    return run_dir / STATE_FOLDER / "heads"


def _path(run_dir: Path, head: Head) -> Path:
    return _folder(run_dir) / f"{head.number}.json"
