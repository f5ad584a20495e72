"""Reading the logs of jobs from CloudWatch Logs, sparingly.

An account may send few requests for logs a second: 10 GetLogEvents, 5 FilterLogEvents where it is
least (CloudWatch Logs user guide, "CloudWatch Logs quotas"). Every reader here takes a `Pacer`, and
all followers of a process share `log_pacer`.
"""

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsNotFoundError
from miniwdl_aws.outcome import is_mark
from miniwdl_aws.pacer import Pacer

LOG_GROUP = "/aws/batch/job"
"""Where AWS Batch sends a job's output unless told otherwise."""

PAGE_EVENTS = 10_000
"""Events a GetLogEvents answer holds at most (CloudWatch Logs API, "GetLogEvents")."""


class LogLine(NamedTuple):
    """One event of a log stream: milliseconds since the epoch, and the text."""

    timestamp: int
    message: str


@dataclass(frozen=True)
class LogPage:
    """Some lines, and the token that continues after them."""

    lines: tuple[LogLine, ...]
    token: str | None


class LogEvent(NamedTuple):
    """One event of several streams.

    Attributes:
        stream: its stream.
        event_id: unlike that of any other event.
        timestamp: milliseconds since the epoch.
        message: the text.
    """

    stream: str
    event_id: str
    timestamp: int
    message: str


@dataclass(frozen=True)
class EventPage:
    """Events, the server's time in milliseconds since the epoch, and the next page's token."""

    events: tuple[LogEvent, ...]
    now_ms: int
    token: str | None = None


@functools.cache
def log_pacer() -> Pacer:
    """Give the pacer that all followers of logs in this process share: one request a second.

    The limit is the account's, so the process has one, however many followers it has.
    """
    return Pacer(rate=1.0, burst=1.0)


class LogReader:
    """Reads log streams of one log group.

    Args:
        clients: where CloudWatch Logs is.
        pacer: limits the requests of all readers that share it.
        group: the log group.
    """

    def __init__(
        self, clients: AwsClients, pacer: Pacer | None = None, *, group: str = LOG_GROUP
    ) -> None:
        self._clients = clients
        self._pacer = pacer or Pacer(rate=5.0, burst=5.0)
        self._group = group

    def page(self, stream: str, token: str | None = None, *, since: int | None = None) -> LogPage:
        """Read the lines after ``token``, or from the beginning.

        A stream that does not exist yet, as before a job's first line, is an empty page.

        Args:
            stream: the log stream.
            token: where an earlier page ended.
            since: milliseconds since the epoch; earlier lines are left out.
        """
        arguments: dict[str, Any] = {"nextToken": token} if token else {}
        if since is not None:
            arguments["startTime"] = since
        return self._get(stream, startFromHead=True, **arguments)

    def events(self, streams: Sequence[str], since: int, token: str | None = None) -> EventPage:
        """Read events of several streams.

        Args:
            streams: at most 100.
            since: milliseconds since the epoch; earlier events are left out.
            token: where an earlier page with the same arguments ended.

        Raises:
            AwsNotFoundError: one of the streams does not exist (yet).
        """
        self._pacer.acquire()
        with aws_errors("FilterLogEvents", ", ".join(streams[:3])):
            answer = self._clients.logs.filter_log_events(
                logGroupName=self._group,
                logStreamNames=list(streams),
                startTime=since,
                **({"nextToken": token} if token else {}),  # type: ignore[arg-type]
            )
        events = tuple(
            LogEvent(
                each["logStreamName"], each["eventId"], each["timestamp"],
                each["message"].rstrip("\n"),
            )
            for each in answer["events"]
        )  # fmt: skip
        return EventPage(events, _server_time(answer["ResponseMetadata"]), answer.get("nextToken"))

    def lines(self, stream: str) -> Iterator[str]:
        """Give all lines of a stream from its beginning, but those that are for machines."""
        token: str | None = None
        while True:
            page = self.page(stream, token)
            yield from (each.message for each in page.lines if not is_mark(each.message))
            if page.token is None or page.token == token:
                return
            token = page.token

    def tail(self, stream: str, count: int) -> list[str]:
        """Give the last lines of a stream, at most ``count`` (up to `PAGE_EVENTS`)."""
        page = self._get(stream, startFromHead=False, limit=min(count, PAGE_EVENTS))
        return [line.message for line in page.lines]

    def _get(self, stream: str, **arguments: Any) -> LogPage:
        self._pacer.acquire()
        try:
            with aws_errors("GetLogEvents", stream):
                answer = self._clients.logs.get_log_events(
                    logGroupName=self._group, logStreamName=stream, **arguments
                )
        except AwsNotFoundError:
            return LogPage((), arguments.get("nextToken"))
        lines = tuple(
            LogLine(event["timestamp"], event["message"].rstrip("\n")) for event in answer["events"]
        )
        return LogPage(lines, answer.get("nextForwardToken"))


def _server_time(metadata: Mapping[str, Any]) -> int:
    """Give the server's clock: events bear the times of AWS's hosts, not of this machine."""
    date = metadata.get("HTTPHeaders", {}).get("date")
    return int((parsedate_to_datetime(date).timestamp() if date else time.time()) * 1000)
