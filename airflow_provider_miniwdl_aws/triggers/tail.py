"""One thread that reads the logs of all watched jobs of a process, in fair turns."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from miniwdl_aws import outcome
from miniwdl_aws.errors import AwsError, AwsThrottledError
from miniwdl_aws.logs import LogLine, LogPage
from miniwdl_aws.pacer import Pacer

READ_AGAIN_SECONDS = 3.0
"""Between two looks at a log that had nothing new; longer where many logs share the rate."""

AFTER_ERROR_SECONDS = 30.0
"""Before a log is tried again that could not be read."""

LAST_LINES_SECONDS = 5.0
"""How long the last lines of an ended job are waited for; CloudWatch shows them a bit later."""

_log = logging.getLogger(__name__)


class ReadsLogs(Protocol):
    """What the tail asks; implemented by `miniwdl_aws.logs.LogReader` and by tests' fakes."""

    def page(self, stream: str, token: str | None = None, *, since: int | None = None) -> LogPage:
        """Give the lines after ``token``, of ``since`` (milliseconds since the epoch) or later.

        1. A stream that does not exist yet is an empty page.
        2. It raises `AwsError` when the log could not be read.
        """
        ...


@dataclass
class LogTail:
    """One job's log on its way to whoever watches the job.

    Attributes:
        deliver: called on the reading thread with new lines; must return soon.
        done: called once when all lines of an ended job have been delivered, or as many as
            could be read.
        since: milliseconds since the epoch; earlier lines are left out.
    """

    deliver: Callable[[list[LogLine]], object]
    done: Callable[[], object]
    since: int | None = None
    stream: str = field(default="", init=False)
    token: str | None = field(default=None, init=False)
    due: float = field(default=0.0, init=False)
    ended_at: float | None = field(default=None, init=False)
    marked: bool = field(default=False, init=False)
    complained: bool = field(default=False, init=False)


class LogTails:
    """Reads any number of logs, one request at a time, each when it is due.

    The thread starts with the first log and ends when none is left.

    Args:
        make_reader: makes what is asked, on the reading thread.
        pacer: told of throttling; the readers take its tokens themselves.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        make_reader: Callable[[], ReadsLogs],
        pacer: Pacer,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_reader = make_reader
        self._pacer = pacer
        self._clock = clock
        self._wake = threading.Condition()
        self._tails: list[LogTail] = []
        self._thread: threading.Thread | None = None

    def start(self, tail: LogTail, stream: str) -> None:
        """Begin to read a log, or go on with the log of the job's next attempt."""
        with self._wake:
            if tail.stream != stream:
                tail.stream = stream
                tail.token = None
                tail.due = self._clock()
            if not any(each is tail for each in self._tails):
                self._tails.append(tail)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="miniwdl-aws-log-tails", daemon=True
                )
                self._thread.start()
            self._wake.notify_all()

    def finish(self, tail: LogTail) -> None:
        """Read the rest of an ended job's log, now, and call its ``done``."""
        with self._wake:
            if any(each is tail for each in self._tails):
                tail.ended_at = tail.due = self._clock()
                self._wake.notify_all()
                return
        tail.done()

    def stop(self, tail: LogTail) -> None:
        """Read this log no more."""
        with self._wake:
            self._tails = [each for each in self._tails if each is not tail]
            self._wake.notify_all()

    def _run(self) -> None:
        while (tail := self._next()) is not None:
            try:
                self._read(tail)
            except Exception:  # noqa: BLE001  (one log must not end all others)
                _log.exception("the log %s is read no more", tail.stream)
                self._close(tail)

    def _next(self) -> LogTail | None:
        with self._wake:
            while self._tails:
                tail = min(self._tails, key=lambda each: each.due)
                wait = tail.due - self._clock()
                if wait <= 0:
                    return tail
                self._wake.wait(wait)
            self._thread = None
            return None

    def _read(self, tail: LogTail) -> None:
        try:
            page = self._make_reader().page(tail.stream, tail.token, since=tail.since)
        except AwsError as exc:
            self._failed(tail, exc)
            return
        tail.token = page.token
        lines = [line for line in page.lines if not outcome.is_mark(line.message)]
        tail.marked = tail.marked or len(lines) < len(page.lines)
        if lines:
            tail.deliver(lines)
        if page.lines:
            tail.due = self._clock()
        elif tail.ended_at is None:
            tail.due = self._clock() + READ_AGAIN_SECONDS
        elif tail.marked or self._clock() >= tail.ended_at + LAST_LINES_SECONDS:
            self._close(tail)
        else:
            tail.due = self._clock() + 1.0

    def _failed(self, tail: LogTail, exc: AwsError) -> None:
        if isinstance(exc, AwsThrottledError):
            self._pacer.throttled()
        elif not tail.complained:
            tail.complained = True
            text = f"the job's log cannot be read, and will be tried again: {exc}"
            tail.deliver([LogLine(int(time.time() * 1000), text)])
        if tail.ended_at is not None:
            self._close(tail)
        else:
            tail.due = self._clock() + AFTER_ERROR_SECONDS

    def _close(self, tail: LogTail) -> None:
        self.stop(tail)
        tail.done()
