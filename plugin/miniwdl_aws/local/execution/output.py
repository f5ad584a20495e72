"""Reads what jobs print and writes it, line by line, into their log streams."""

import asyncio
import codecs
import os
from collections.abc import Callable
from typing import Any, Protocol

FLUSH_SECONDS = 0.1
MAX_EVENT_BYTES = 256 * 1024 - 26
"""The largest event that CloudWatch Logs takes, less its own 26 bytes (CloudWatch Logs API,
"PutLogEvents")."""

_READ_BYTES = 64 * 1024
# So that one job that prints without end does not keep the loop from the others.
_READS_AT_ONCE = 16


class LogSink(Protocol):
    """Takes log events."""

    def put(self, stream: str, events: list[dict[str, Any]]) -> None:
        """Append events, each with ``timestamp`` and ``message``, to a log stream."""


class LineSplitter:
    """Turns bytes as they come into lines of at most ``MAX_EVENT_BYTES``."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes, *, last: bool = False) -> list[str]:
        """Return the lines that are complete now; with ``last``, also what remains."""
        *lines, self._rest = (self._rest + self._decoder.decode(data, last)).split("\n")
        if self._rest and (last or len(self._rest) > MAX_EVENT_BYTES):
            lines.append(self._rest)
            self._rest = ""
        return [piece for line in lines for piece in _pieces(line.removesuffix("\r"))]


def _pieces(line: str) -> list[str]:
    if len(line) * 4 <= MAX_EVENT_BYTES or len(line.encode()) <= MAX_EVENT_BYTES:
        return [line]
    step = MAX_EVENT_BYTES // 4  # no character takes more than four bytes
    return [line[begin : begin + step] for begin in range(0, len(line), step)]


class OutputPump:
    """Carries one job's output from a pipe to its log stream.

    Args:
        loop: the event loop to read in.
        descriptor: the pipe's reading end, not blocking; it is taken over.
        stream: the log stream.
        sink: where the events go.
        clock: the time in milliseconds since 1970.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        stream: str,
        sink: LogSink,
        clock: Callable[[], int],
    ) -> None:
        self._loop = loop
        self._descriptor: int | None = descriptor
        self._stream = stream
        self._sink = sink
        self._clock = clock
        self._lines = LineSplitter()
        self._events: list[dict[str, Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        loop.add_reader(descriptor, self._readable)

    def finish(self) -> None:
        """Read what is left, write it, and close the pipe."""
        while self._read():
            pass
        self._close()
        self._collect(b"", last=True)
        self._flush()

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            if not self._read():
                return

    def _read(self) -> bool:
        """Read once; return whether there may be more at once."""
        if self._descriptor is None:
            return False
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._close()
        self._collect(data, last=False)
        return bool(data)

    def _collect(self, data: bytes, *, last: bool) -> None:
        lines = self._lines.feed(data, last=last)
        # CloudWatch Logs takes no empty messages; the agent sends a space.
        now = self._clock()
        self._events += [{"timestamp": now, "message": line or " "} for line in lines]
        if self._events and self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._events:
            events, self._events = self._events, []
            self._sink.put(self._stream, events)

    def _close(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
