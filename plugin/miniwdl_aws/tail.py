"""One thread that reads the logs of all followed jobs of a process, many with one request.

CloudWatch Logs searches up to 100 streams with one FilterLogEvents request, so the number of
requests hardly depends on the number of followers: their readers share one pacer, `log_pacer`,
which lets one request go each second. Events may become readable late and out of order. So each
look goes back by `OVERLAP_SECONDS` before the one before it, and an event is told from those that
were delivered by its id.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from miniwdl_aws import outcome
from miniwdl_aws.errors import AwsError, AwsNotFoundError, AwsThrottledError, AwsUnavailableError
from miniwdl_aws.logs import EventPage, LogEvent, LogLine
from miniwdl_aws.pacer import Pacer

MAX_STREAMS = 100
"""Log streams of a request (CloudWatch Logs API, "FilterLogEvents")."""

OVERLAP_SECONDS = 60.0
"""How late an event may become readable and still be seen."""

NEWS_SECONDS = 1.0
"""Before a log is read again that had something new."""

READ_AGAIN_SECONDS = 3.0
"""Before a log is read again that had nothing new."""

AFTER_ERROR_SECONDS = 30.0
"""Before a log is tried again that could not be read."""

LAST_LINES_SECONDS = 5.0
"""How long the last lines of an ended attempt are waited for; CloudWatch shows them a bit later."""

GIVE_UP_SECONDS = 120.0
"""How long an ended job's log is tried again after throttling or while nothing answers."""

_OVERLAP_MS = round(OVERLAP_SECONDS * 1000)

_log = logging.getLogger(__name__)


class ReadsLogs(Protocol):
    """What the tails ask; implemented by `miniwdl_aws.logs.LogReader` and by tests' fakes."""

    def events(self, streams: Sequence[str], since: int, token: str | None = None) -> EventPage:
        """Give events of at most 100 streams, of ``since`` (milliseconds since the epoch) or later.

        1. A page with a token is not the last, though it may be empty.
        2. It raises `AwsNotFoundError` if one of the streams does not exist yet.
        3. It raises another `AwsError` when the logs could not be read.
        """
        ...


@dataclass(eq=False)
class LogTail:
    """One job's log on its way to whoever follows the job.

    Attributes:
        deliver: called on the reading thread with new lines; must return soon.
        done: called once when all lines of an ended job have been delivered, or as many as
            could be read.
        since: milliseconds since the epoch; earlier lines are left out.
        marks: the lines by which the job's runner has reported its outcome.
    """

    deliver: Callable[[list[LogLine]], object]
    done: Callable[[], object]
    since: int | None = None
    marks: list[str] = field(default_factory=list, init=False)


@dataclass(eq=False)
class _Reading:
    """A tail that is being read.

    Attributes:
        streams: what is read now, and after it the logs of later attempts.
        begun: before then the job had written nothing, in milliseconds since the epoch.
        start: from when on it is read.
        party: streams that are asked for together until each has been seen to exist; 0 after.
        due: when it is read next.
        closing_at: when nothing more is expected of the first stream; None while its attempt runs.
    """

    tail: LogTail
    streams: list[str]
    begun: int
    start: int
    party: int
    due: float
    closing_at: float | None = None
    ended: bool = False
    news: bool = False
    complained: bool = False
    seen: dict[str, int] = field(default_factory=dict)

    def take(self, events: Iterable[LogEvent]) -> None:
        """Deliver those events that are new."""
        lines: list[LogLine] = []
        for event in events:
            if event.event_id in self.seen or event.timestamp < (self.tail.since or 0):
                continue
            self.seen[event.event_id] = event.timestamp
            if outcome.is_mark(event.message):
                self.tail.marks.append(event.message)
            else:
                lines.append(LogLine(event.timestamp, event.message))
        if lines:
            self.news = True
            self.tail.deliver(lines)

    def looked(self, now_ms: int) -> None:
        """Note that everything until now has been read, but for what may come late."""
        self.party = 0
        self.start = max(self.start, now_ms - _OVERLAP_MS)
        self.seen = {key: at for key, at in self.seen.items() if at >= self.start}

    def is_given_up(self, now: float) -> bool:
        """Tell whether an ended job's log could not be read for so long that nobody waits."""
        closing = self.closing_at if self.ended else None
        return closing is not None and now >= closing + GIVE_UP_SECONDS

    def reported(self) -> bool:
        """Tell whether the runner's last words have been read."""
        try:
            return outcome.decode(self.tail.marks) is not None
        except ValueError:  # of a newer protocol: complete all the same
            return True


@dataclass(eq=False)
class _Look:
    """Logs that are read together, page by page."""

    readings: list[_Reading]
    since: int
    due: float
    now_ms: int | None = None
    token: str | None = None

    @property
    def streams(self) -> list[str]:
        return list(dict.fromkeys(each.streams[0] for each in self.readings))


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
        self._readings: dict[LogTail, _Reading] = {}
        self._looks: list[_Look] = []
        self._parties = 1
        self._thread: threading.Thread | None = None

    def start(self, tail: LogTail, stream: str, *, begun: int | None = None) -> None:
        """Begin to read a log, or go on with the log of the job's next attempt.

        Args:
            tail: whose log it is.
            stream: its stream; that of an earlier attempt is read to its end first.
            begun: milliseconds since the epoch, before which the job had written nothing.
        """
        with self._wake:
            reading = self._readings.get(tail)
            if reading is None:
                first = max(tail.since or 0, (begun or 0) - _OVERLAP_MS)
                self._readings[tail] = _Reading(tail, [stream], first, first, 1, self._clock())
            elif stream not in reading.streams:
                reading.streams.append(stream)
                reading.closing_at = self._clock() + LAST_LINES_SECONDS
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="miniwdl-aws-log-tails", daemon=True
                )
                self._thread.start()
            self._wake.notify_all()

    def finish(self, tail: LogTail) -> None:
        """Read the rest of an ended job's log, now, and call its ``done``."""
        with self._wake:
            reading = self._readings.get(tail)
            if reading is not None:
                reading.ended = True
                reading.due = self._clock()
                if len(reading.streams) == 1:
                    reading.closing_at = self._clock() + LAST_LINES_SECONDS
                self._wake.notify_all()
                return
        tail.done()

    def stop(self, tail: LogTail) -> None:
        """Read this log no more."""
        with self._wake:
            self._readings.pop(tail, None)
            self._wake.notify_all()

    def _run(self) -> None:
        while (look := self._next()) is not None:
            try:
                self._read(look)
            except Exception:  # noqa: BLE001  (one log must not end all others)
                _log.exception("the logs %s are read no more", look.streams)
                self._close(look.readings)

    def _next(self) -> _Look | None:
        """Wait for the look that is due: another page of one, or a new one."""
        with self._wake:
            while self._readings:
                under_way = {reading for look in self._looks for reading in look.readings}
                idle = [each for each in self._readings.values() if each not in under_way]
                due: list[_Look | _Reading] = [*self._looks, *idle]
                first = min(due, key=lambda each: each.due)
                wait = first.due - self._clock()
                if wait > 0:
                    self._wake.wait(wait)
                elif isinstance(first, _Look):
                    self._looks.remove(first)
                    return first
                else:
                    return self._together(first, idle)
            self._looks.clear()
            self._thread = None
            return None

    def _together(self, first: _Reading, idle: Iterable[_Reading]) -> _Look:
        """Read with a log those that are due about now and go back about as far."""
        soon = self._clock() + NEWS_SECONDS
        companions = sorted(
            (
                each
                for each in idle
                if each.due <= soon
                and each.party == first.party
                and abs(each.start - first.start) <= _OVERLAP_MS
            ),
            key=lambda each: each.due,
        )[:MAX_STREAMS]
        since = min(each.start for each in companions)
        return _Look(companions, since, self._clock())

    def _read(self, look: _Look) -> None:
        look.readings = self._still_wanted(look.readings)
        if not look.readings:
            return
        try:
            page = self._make_reader().events(look.streams, look.since, look.token)
        except AwsNotFoundError:
            self._missing(look)
            return
        except AwsError as exc:
            self._failed(look, exc)
            return
        look.now_ms = look.now_ms or page.now_ms
        look.token = page.token
        for reading in look.readings:
            reading.take(each for each in page.events if each.stream == reading.streams[0])
        if page.token is not None:
            look.due = self._clock()
            with self._wake:
                self._looks.append(look)
            return
        for reading in look.readings:
            reading.looked(look.now_ms)
            self._looked(reading)

    def _still_wanted(self, readings: Iterable[_Reading]) -> list[_Reading]:
        with self._wake:
            return [each for each in readings if self._readings.get(each.tail) is each]

    def _looked(self, reading: _Reading) -> None:
        """Decide when to read a log again, whose end for now has been reached."""
        now = self._clock()
        news, reading.news = reading.news, False
        closing = reading.closing_at is not None and (now >= reading.closing_at)
        if len(reading.streams) > 1 and not news and closing:
            with self._wake:
                reading.streams.pop(0)
                reading.start, reading.party, reading.due = reading.begun, 1, now
                reading.closing_at = now + LAST_LINES_SECONDS if reading.ended else None
                reading.seen.clear()
        elif reading.ended and len(reading.streams) == 1 and (closing or reading.reported()):
            self._close([reading])
        else:
            quiet = NEWS_SECONDS if news or reading.closing_at else READ_AGAIN_SECONDS
            reading.due = now + quiet

    def _missing(self, look: _Look) -> None:
        """Find out which stream does not exist yet, by halves; it is asked for again later."""
        now = self._clock()
        if len(look.streams) == 1:
            for reading in look.readings:
                if reading.ended and reading.closing_at and now >= reading.closing_at:
                    self._close([reading])
                reading.due = now + (NEWS_SECONDS if reading.ended else READ_AGAIN_SECONDS)
            return
        with self._wake:
            middle = len(look.readings) // 2
            for half in (look.readings[:middle], look.readings[middle:]):
                self._parties += 1
                for reading in half:
                    reading.party, reading.due = self._parties, now

    def _failed(self, look: _Look, exc: AwsError) -> None:
        now = self._clock()
        if isinstance(exc, AwsThrottledError):
            self._pacer.throttled()
        if isinstance(exc, AwsThrottledError | AwsUnavailableError):
            self._close([each for each in look.readings if each.is_given_up(now)])
            look.due = now + NEWS_SECONDS
            with self._wake:
                self._looks.append(look)
            return
        for reading in look.readings:
            if not reading.complained:
                reading.complained = True
                text = f"the job's log cannot be read, and will be tried again: {exc}"
                reading.tail.deliver([LogLine(int(time.time() * 1000), text)])
            reading.due = now + AFTER_ERROR_SECONDS
        self._close([each for each in look.readings if each.ended])

    def _close(self, readings: Iterable[_Reading]) -> None:
        for reading in readings:
            self.stop(reading.tail)
            reading.tail.done()
