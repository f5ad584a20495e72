"""Tests of `miniwdl_aws.tail`."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from miniwdl_aws.errors import (
    AwsAccessDeniedError,
    AwsError,
    AwsNotFoundError,
    AwsThrottledError,
)
from miniwdl_aws.logs import EventPage, LogEvent, LogLine, log_pacer
from miniwdl_aws.outcome import Outcome, encode
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.tail import MAX_STREAMS, LogTail, LogTails

Wait = Callable[[Callable[[], object]], None]

REPORT = encode(Outcome(exit_code=0))


class FakeLogs:
    """Log streams in memory, as FilterLogEvents searches them; a token is a place in the result."""

    def __init__(self, page_size: int = 10_000) -> None:
        self.streams: dict[str, list[LogEvent]] = {}
        self.page_size = page_size
        self.errors: list[AwsError] = []
        self.asked: list[tuple[str, ...]] = []
        self.lock = threading.Lock()

    def put(self, stream: str, *messages: str, at: int | None = None) -> None:
        """Write events, all at one time: now, or as many milliseconds since the epoch."""
        now = int(time.time() * 1000) if at is None else at
        with self.lock:
            events = self.streams.setdefault(stream, [])
            for message in messages:
                events.append(LogEvent(stream, f"{stream}/{len(events)}", now, message))

    def events(self, streams: Sequence[str], since: int, token: str | None = None) -> EventPage:
        self.asked.append(tuple(streams))
        assert len(streams) <= MAX_STREAMS
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else self.errors.pop(0)
        with self.lock:
            if any(stream not in self.streams for stream in streams):
                raise AwsNotFoundError("FilterLogEvents", "ResourceNotFoundException", "no stream")
            found = [event for stream in streams for event in self.streams[stream]]
        found = sorted(
            (each for each in found if each.timestamp >= since), key=lambda e: e.timestamp
        )
        start = int(token or 0)
        following = start + self.page_size
        page = tuple(found[start:following])
        more = str(following) if following < len(found) else None
        return EventPage(page, int(time.time() * 1000), more)


class Reader:
    """Somebody who reads a log through a tail."""

    def __init__(self, since: int | None = None) -> None:
        self.lines: list[str] = []
        self.done = threading.Event()
        self.tail = LogTail(deliver=self._take, done=self.done.set, since=since)

    def _take(self, lines: list[LogLine]) -> None:
        self.lines.extend(line.message for line in lines)


@pytest.fixture
def logs() -> FakeLogs:
    return FakeLogs()


@pytest.fixture
def pacer() -> Pacer:
    return Pacer(rate=1000.0, burst=1000.0)


@pytest.fixture
def tails(logs: FakeLogs, pacer: Pacer) -> LogTails:
    return LogTails(lambda: logs, pacer)


def test_a_log_is_delivered_to_its_end(tails: LogTails, logs: FakeLogs) -> None:
    """All lines in order, none twice, and then word that this was all."""
    logs.put("s", "a", "b")
    reader = Reader()
    tails.start(reader.tail, "s")
    logs.put("s", "c", *REPORT)
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert reader.lines == ["a", "b", "c"]


def test_an_outcome_is_for_machines(tails: LogTails, logs: FakeLogs) -> None:
    """Its lines are left out, and end the wait for more."""
    logs.put("s", *encode(Outcome(exit_code=0, outputs={"w.x": "y" * 300_000})))
    reader = Reader()
    tails.start(reader.tail, "s")
    tails.finish(reader.tail)
    assert reader.done.wait(4)  # without the mark it would take five seconds
    assert reader.lines == []
    assert len(reader.tail.marks) == 4


def test_lines_before_the_cursor_are_left_out(tails: LogTails, logs: FakeLogs) -> None:
    """Another process has copied them."""
    logs.put("s", "old", at=1000)
    logs.put("s", "new", *REPORT, at=2000)
    reader = Reader(since=2000)
    tails.start(reader.tail, "s")
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert reader.lines == ["new"]


def test_a_log_longer_than_a_page_is_read_page_by_page(pacer: Pacer) -> None:
    """A page holds 10,000 events at most, and an empty page need not be the last."""
    logs = FakeLogs(page_size=10)
    logs.put("s", *(str(number) for number in range(95)), *REPORT)
    reader = Reader()
    tails = LogTails(lambda: logs, pacer)
    tails.start(reader.tail, "s")
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert reader.lines == [str(number) for number in range(95)]


def test_a_line_that_becomes_readable_late_is_not_lost(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """CloudWatch may show an event after later ones; the established follower never sees it."""
    reader = Reader()
    logs.put("s", "first", "third")
    tails.start(reader.tail, "s")
    eventually(lambda: reader.lines == ["first", "third"])
    logs.put("s", "second", at=int(time.time() * 1000) - 30_000)
    logs.put("s", "fourth", *REPORT)
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert sorted(reader.lines) == ["first", "fourth", "second", "third"]


def test_a_stream_that_comes_late_keeps_no_other_waiting(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """Batch names a stream before it exists, and one such fails the whole request."""
    readers = {f"s{number}": Reader() for number in range(9)}
    for stream, reader in readers.items():
        if stream != "s4":
            logs.put(stream, stream)
        tails.start(reader.tail, stream)
    eventually(lambda: all(r.lines == [s] for s, r in readers.items() if s != "s4"))
    logs.put("s4", "s4")
    eventually(lambda: readers["s4"].lines == ["s4"])
    for reader in readers.values():
        tails.stop(reader.tail)


def test_a_job_without_a_log_has_ended_too(tails: LogTails) -> None:
    """A job that never ran has nothing to be read."""
    reader = Reader()
    tails.finish(reader.tail)
    assert reader.done.is_set()


def test_a_log_that_never_comes_is_waited_for_only_a_while(tails: LogTails) -> None:
    """A job may end before it has written anything."""
    reader = Reader()
    tails.start(reader.tail, "never")
    tails.finish(reader.tail)
    assert reader.done.wait(20)


def test_a_second_attempt_has_a_log_of_its_own(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """It is read from its beginning, after the first one's last lines."""
    logs.put("s1", "a")
    logs.put("s2", "c", *REPORT)
    reader = Reader()
    tails.start(reader.tail, "s1")
    eventually(lambda: reader.lines == ["a"])
    tails.start(reader.tail, "s2")
    logs.put("s1", "b")
    tails.finish(reader.tail)
    assert reader.done.wait(30)
    assert reader.lines == ["a", "b", "c"]


def test_many_logs_are_read_with_few_requests(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """Up to 100 with one; a log that always has news does not keep others waiting."""
    readers = {f"s{n}": Reader() for n in range(250)}
    for stream in readers:
        logs.put(stream, "line")
    for stream, reader in readers.items():
        tails.start(reader.tail, stream)
    eventually(lambda: all(reader.lines == ["line"] for reader in readers.values()))
    assert len(logs.asked) <= 50
    for reader in readers.values():
        tails.stop(reader.tail)


def test_a_long_log_lets_others_through(pacer: Pacer, eventually: Wait) -> None:
    """Between two pages of one, others are read."""
    logs = FakeLogs(page_size=1)
    hour_ago = int(time.time() * 1000) - 3_600_000
    logs.put("long", *(str(number) for number in range(3000)), at=hour_ago)
    logs.put("short", "x")
    long, short = Reader(), Reader()
    tails = LogTails(lambda: logs, pacer)
    tails.start(long.tail, "long", begun=hour_ago)
    tails.start(short.tail, "short", begun=int(time.time() * 1000))
    eventually(lambda: short.lines == ["x"])
    assert len(long.lines) < 3000
    tails.stop(long.tail)
    tails.stop(short.tail)


def test_a_log_that_cannot_be_read_is_said_once(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """Without the permission, a run goes on without its log, and says why."""
    logs.errors = [AwsAccessDeniedError("FilterLogEvents", "AccessDeniedException", "no")]
    reader = Reader()
    tails.start(reader.tail, "s")
    eventually(lambda: reader.lines)
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    (line,) = reader.lines
    assert "cannot be read" in line
    assert "Grant the operation" in line


def test_throttling_slows_all_readers_and_loses_nothing(
    tails: LogTails, logs: FakeLogs, pacer: Pacer
) -> None:
    """The account's rate is shared with others."""
    throttled = AwsThrottledError("FilterLogEvents", "ThrottlingException", "slow down")
    logs.put("s", "a", *REPORT)
    logs.errors = [throttled, throttled]
    reader = Reader()
    tails.start(reader.tail, "s")
    threading.Timer(1.5, logs.errors.clear).start()
    tails.finish(reader.tail)
    assert reader.done.wait(20)
    assert pacer.rate <= 1000.0
    assert reader.lines == ["a"]
    assert len(logs.asked) >= 3


def test_all_followers_of_a_process_share_one_request_a_second() -> None:
    """The account has few, whatever the number of followers."""
    assert log_pacer() is log_pacer()
    assert log_pacer().rate <= 1.0
