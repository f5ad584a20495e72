"""Reading the logs of jobs from CloudWatch Logs, sparingly.

GetLogEvents is limited to 10 requests a second an account (CloudWatch Logs quotas); every reader
here takes a `Pacer`, and a process shares one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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


def log_pacer() -> Pacer:
    """Make the pacer that one process uses for all of its log reading: 5 requests a second."""
    return Pacer(rate=5.0, burst=5.0)


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
        self._pacer = pacer or log_pacer()
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
