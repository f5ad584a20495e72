"""What a task job's own shell tells of it on the shared file system, at no API call.

The shell leaves two signs in a folder that all jobs of a run share, the *mailbox*: one when it
begins and one when it has ended and its streams are complete. One thread lists that folder for
all jobs of the process. The sign of the end is the same file that stays beside the streams of the
attempt, and holds an `Ending`; it is linked into the folder once it is written, so that nobody who
sees the sign reads a part of it.

Opening a folder makes an NFS client ask the server whether it has changed (Linux manual, "nfs(5)",
close-to-open consistency), so listing it sees new files at once, whatever the attribute cache says
of a single path.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGAN = ".began"
ENDED = ".ended"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job ended, by its own shell.

    Attributes:
        job_id: the job, as the shell's environment names it.
        exit_code: the command's exit code.
        started_at: when the shell began, in milliseconds since 1970; 0 where it has no clock.
        stopped_at: when the command had ended and its streams were complete.
        signalled: whether the shell was asked to end meanwhile: by Batch, whatever the reason.
        peak_memory_bytes: the most memory that the container has had; None if it is not known.
        cpu_seconds: the CPU time that it has had; None if it is not known.
    """

    job_id: str
    exit_code: int
    started_at: int = 0
    stopped_at: int = 0
    signalled: bool = False
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether nobody but the shell need be asked: the command did all that it was to do."""
        return self.exit_code == 0 and not self.signalled


def read_ending(path: Path) -> Ending | None:
    """Read how a job ended; None if there is no such file, or none that says so."""
    try:
        content = json.loads(path.read_text())
        return Ending(
            job_id=str(content["jobId"]),
            exit_code=int(content["exitCode"]),
            started_at=int(content.get("startedAt", 0)) * 1000,
            stopped_at=int(content.get("stoppedAt", 0)) * 1000,
            signalled=bool(content.get("signalled", False)),
            peak_memory_bytes=content.get("peakMemoryBytes"),
            cpu_seconds=_seconds(content.get("cpuMicroseconds")),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        _log.warning("%s cannot be read: %s", path, exc)
        return None


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


@dataclass(frozen=True, kw_only=True)
class Mailbox:
    """Where one job leaves its signs.

    Attributes:
        folder: the folder.
        name: what the names of both files begin with; no other job's do.
    """

    folder: Path
    name: str

    @property
    def began(self) -> Path:
        """There once the job's shell has begun."""
        return self.folder / f"{self.name}{BEGAN}"

    @property
    def ended(self) -> Path:
        """There once the job's streams are complete."""
        return self.folder / f"{self.name}{ENDED}"

    def clear(self) -> None:
        """Take the signs away, so that listing the folder stays cheap."""
        for path in (self.began, self.ended):
            with contextlib.suppress(OSError):
                path.unlink()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often mailboxes are looked into.

    Attributes:
        shortest_seconds: the pause after something happened.
        longest_seconds: the pause while nothing has happened for long.
        longest_rest_seconds: the longest pause after a look that took long.
        patience: how many pauses nothing may have happened before they grow.
        share: the most of its time that the thread may spend looking, as far as its rests allow.
    """

    shortest_seconds: float = 0.25
    longest_seconds: float = 2.0
    longest_rest_seconds: float = 0.5
    patience: float = 40.0
    share: float = 0.1

    def pause(self, quiet_seconds: float, look_seconds: float) -> float:
        """Give the pause before the next look.

        Args:
            quiet_seconds: how long nothing has happened.
            look_seconds: how long the last look took.
        """
        calm = min(self.longest_seconds, quiet_seconds / self.patience)
        rest = min(self.longest_rest_seconds, look_seconds / self.share)
        return max(self.shortest_seconds, calm, rest)


@dataclass
class _Waited:
    began: Callable[[], object]
    ended: Callable[[], object]
    has_begun: bool = False


class SignWatcher:
    """Looks into mailboxes, and tells who waits for a sign.

    Who waits is told on the watcher's thread, of each sign once, and must return soon. The thread
    starts with the first job and ends when none is left.

    Args:
        pace: how often it looks.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self, pace: Pace | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pace = pace or Pace()
        self._clock = clock
        self._wake = threading.Condition()
        self._waited: dict[Path, dict[str, _Waited]] = {}
        self._seen: dict[Path, set[str]] = {}
        """The names that were in each mailbox when it was last looked into."""

        self._thread: threading.Thread | None = None
        self._moved_at = clock()

    @contextlib.contextmanager
    def watching(
        self, mailbox: Mailbox, *, began: Callable[[], object], ended: Callable[[], object]
    ) -> Iterator[None]:
        """Call ``began`` and ``ended`` once a sign of that is there, within the block."""
        with self._wake:
            self._waited.setdefault(mailbox.folder, {})[mailbox.name] = _Waited(began, ended)
            self._seen.get(mailbox.folder, set()).difference_update(
                {mailbox.began.name, mailbox.ended.name}
            )
            self._moved_at = self._clock()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="miniwdl-aws-signs", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._wake:
                self._forget(mailbox)

    def look(self) -> None:
        """Look once into every mailbox; what the thread does in each round."""
        with self._wake:
            folders = list(self._waited)
        for folder in folders:
            names = _names(folder)
            with self._wake:
                told = list(self._news(folder, names - self._seen.get(folder, set())))
                if folder in self._waited:
                    self._seen[folder] = names
            for tell in told:
                _call(tell)

    def _news(self, folder: Path, names: set[str]) -> Iterator[Callable[[], object]]:
        waited = self._waited.get(folder, {})
        for name in sorted(names):
            stem, _, sign = name.rpartition(".")
            if (found := waited.get(stem)) is None:
                continue
            if f".{sign}" == BEGAN and not found.has_begun:
                found.has_begun = True
                self._moved_at = self._clock()
                yield found.began
            elif f".{sign}" == ENDED:
                del waited[stem]
                self._moved_at = self._clock()
                yield found.ended

    def _forget(self, mailbox: Mailbox) -> None:
        waited = self._waited.get(mailbox.folder, {})
        waited.pop(mailbox.name, None)
        if not waited:
            self._waited.pop(mailbox.folder, None)
            self._seen.pop(mailbox.folder, None)
        if not self._waited:
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            begun = self._clock()
            self.look()
            now = self._clock()
            with self._wake:
                pause = self._pace.pause(now - self._moved_at, now - begun)
                self._wake.wait_for(lambda: not self._waited, pause)
                if not self._waited:
                    self._thread = None
                    return


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208  (again and again, of thousands)
    except OSError as exc:
        _log.debug("%s cannot be listed: %s", folder, exc)
        return set()


def _call(tell: Callable[[], Any]) -> None:
    try:
        tell()
    except Exception:  # noqa: BLE001  (one that waits must not end all others)
        _log.exception("a sign of a job could not be handled")
