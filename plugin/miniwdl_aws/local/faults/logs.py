"""Log streams that appear late, or not at all."""

import asyncio
from collections.abc import Callable
from typing import Any

from miniwdl_aws.local.execution.executor import LogStreams
from miniwdl_aws.local.faults.book import Strike


class FaultyLogs:
    """Passes what attempts print on to their log streams, late or not at all where a fault says so.

    Args:
        logs: keeps the log streams.
    """

    def __init__(self, logs: LogStreams) -> None:
        self._logs = logs
        self._missing: set[str] = set()
        self._late: dict[str, float] = {}

    def disturb(self, stream: str, strike: Strike) -> None:
        """Make a log stream late, or let it not appear."""
        if strike.kind == "missing-logs":
            self._missing.add(stream)
        else:
            self._late[stream] = strike.delay_seconds

    def forget(self, stream: str) -> None:
        """Forget a log stream that nothing more is written to."""
        self._missing.discard(stream)
        self._late.pop(stream, None)

    def create_stream(self, stream: str) -> None:
        """Make a log stream; only from the event loop's thread, as the next."""
        self._pass_on(stream, self._logs.create_stream, stream)

    def put(self, stream: str, events: list[dict[str, Any]]) -> None:
        """Append events to a log stream."""
        self._pass_on(stream, self._logs.put, stream, events)

    def _pass_on(self, stream: str, function: Callable[..., object], *arguments: Any) -> None:
        if stream in self._missing:
            return
        delay = self._late.get(stream)
        if delay is None:
            function(*arguments)
        else:
            asyncio.get_running_loop().call_later(delay, function, *arguments)
