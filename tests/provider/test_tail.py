"""Tests of `airflow_provider_miniwdl_aws.triggers.tail`."""

import threading
from collections.abc import Callable

import pytest

from airflow_provider_miniwdl_aws.triggers.tail import LogTail, LogTails
from miniwdl_aws.errors import AwsAccessDeniedError, AwsError, AwsThrottledError
from miniwdl_aws.logs import LogLine, LogPage
from miniwdl_aws.outcome import Outcome, encode
from miniwdl_aws.pacer import Pacer

Wait = Callable[[Callable[[], object]], None]


class FakeLogs:
    """Log streams in memory; a token is the number of lines read."""

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = {}
        self.error: AwsError | None = None
        self.asked: list[str] = []

    def page(self, stream: str, token: str | None = None, *, since: int | None = None) -> LogPage:
        self.asked.append(stream)
        if self.error is not None:
            raise self.error
        lines = self.streams.get(stream, [])
        start = int(token or 0)
        found = tuple(LogLine(n, text) for n, text in enumerate(lines[start:], start))
        kept = tuple(line for line in found if since is None or line.timestamp >= since)
        return LogPage(kept, str(len(lines)))


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
    logs.streams["s"] = ["a", "b"]
    reader = Reader()
    tails.start(reader.tail, "s")
    logs.streams["s"] += ["c", *encode(Outcome(exit_code=0))]
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert reader.lines == ["a", "b", "c"]


def test_an_outcome_is_for_machines(tails: LogTails, logs: FakeLogs) -> None:
    """Its lines are left out, and end the wait for more."""
    logs.streams["s"] = encode(Outcome(exit_code=0, outputs={"w.x": "y" * 300_000}))
    reader = Reader()
    tails.start(reader.tail, "s")
    tails.finish(reader.tail)
    assert reader.done.wait(4)  # without the mark it would take five seconds
    assert reader.lines == []


def test_lines_before_the_cursor_are_left_out(tails: LogTails, logs: FakeLogs) -> None:
    """Another process has copied them."""
    logs.streams["s"] = ["old", "new"]
    reader = Reader(since=1)
    tails.start(reader.tail, "s")
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert reader.lines == ["new"]


def test_a_job_without_a_log_has_ended_too(tails: LogTails) -> None:
    """A job that never ran has nothing to be read."""
    reader = Reader()
    tails.finish(reader.tail)
    assert reader.done.is_set()


def test_a_second_attempt_has_a_log_of_its_own(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """It is read from its beginning."""
    logs.streams = {"s1": ["a"], "s2": ["b"]}
    reader = Reader()
    tails.start(reader.tail, "s1")
    eventually(lambda: reader.lines == ["a"])
    tails.start(reader.tail, "s2")
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    assert reader.lines == ["a", "b"]


def test_many_logs_take_turns(tails: LogTails, logs: FakeLogs, eventually: Wait) -> None:
    """A log that always has news does not keep others waiting."""
    readers = {f"s{n}": Reader() for n in range(20)}
    logs.streams = {stream: ["line"] for stream in readers}
    for stream, reader in readers.items():
        tails.start(reader.tail, stream)
    eventually(lambda: all(reader.lines == ["line"] for reader in readers.values()))
    assert max(logs.asked.count(stream) for stream in readers) <= 4
    for reader in readers.values():
        tails.stop(reader.tail)


def test_a_log_that_cannot_be_read_is_said_once(
    tails: LogTails, logs: FakeLogs, eventually: Wait
) -> None:
    """Without the permission, a run goes on without its log, and says why."""
    logs.error = AwsAccessDeniedError("GetLogEvents", "AccessDeniedException", "no")
    reader = Reader()
    tails.start(reader.tail, "s")
    eventually(lambda: reader.lines)
    tails.finish(reader.tail)
    assert reader.done.wait(10)
    (line,) = reader.lines
    assert "cannot be read" in line
    assert "Grant the operation" in line


def test_throttling_slows_all_readers(
    tails: LogTails, logs: FakeLogs, pacer: Pacer, eventually: Wait
) -> None:
    """The account's rate is shared with others."""
    logs.error = AwsThrottledError("GetLogEvents", "ThrottlingException", "slow down")
    reader = Reader()
    tails.start(reader.tail, "s")
    eventually(lambda: pacer.rate < 1000.0)
    assert reader.lines == []
    tails.stop(reader.tail)
