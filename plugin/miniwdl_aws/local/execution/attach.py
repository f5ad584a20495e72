"""Carries a container's output from the engine to a pipe, in the event loop."""

import asyncio
import contextlib
import os
import struct
from typing import Protocol

_HEADER = struct.Struct(">BxxxL")
_READ_BYTES = 64 * 1024
_LINE_BYTES = 256 * 1024
"""So much of a line is held back at most: no log event is larger."""


class Stream(Protocol):
    """An open connection that a container's output comes through."""

    def fileno(self) -> int:
        """Return its file descriptor."""

    def close(self) -> None:
        """Close the connection."""


class LineDecoder:
    """Takes the lines out of an engine's frames, however the bytes are cut.

    Standard output and error come together, so each has its lines kept whole. A frame is a header
    of 8 bytes, the stream's number first and the payload's size last, and the payload (Docker
    Engine API, "Attach to a container", "Stream format").
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0
        self._begun: dict[int, bytes] = {}

    def feed(self, data: bytes) -> bytes:
        """Return the lines that are complete with the bytes that follow those fed before."""
        lines = []
        while data:
            if self._left:
                payload, data = data[: self._left], data[self._left :]
                self._left -= len(payload)
                lines.append(self._complete(payload))
                continue
            missing = _HEADER.size - len(self._header)
            self._header, data = self._header + data[:missing], data[missing:]
            if len(self._header) == _HEADER.size:
                self._stream, self._left = _HEADER.unpack(self._header)
                self._header = b""
        return b"".join(lines)

    def rest(self) -> bytes:
        """Return the lines that were begun and will have no end."""
        begun, self._begun = self._begun, {}
        return b"\n".join(text for text in begun.values() if text)

    def _complete(self, payload: bytes) -> bytes:
        text = self._begun.pop(self._stream, b"") + payload
        end = len(text) if len(text) > _LINE_BYTES else text.rfind(b"\n") + 1
        self._begun[self._stream] = text[end:]
        return text[:end]


class Relay:
    """Writes what comes through a stream into a pipe, and waits while the pipe is full.

    Args:
        loop: the event loop to work in.
        stream: where the frames come from; it is taken over.
        output: the pipe's writing end; it is taken over.

    Attributes:
        ended: is done once the stream has ended and all of it is in the pipe.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: Stream, output: int) -> None:
        self._loop = loop
        self._stream = stream
        self._output = output
        self._decoder = LineDecoder()
        self._drained = False
        self._pending = b""
        self._closed = False
        self.ended: asyncio.Future[None] = loop.create_future()
        for descriptor in (stream.fileno(), output):
            os.set_blocking(descriptor, False)
        loop.add_reader(stream.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._stream.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:  # the engine has gone
            data = b""
        self._drained = not data
        self._pending = self._decoder.feed(data) if data else self._decoder.rest()
        if not self._write():
            self._loop.remove_reader(self._stream.fileno())
            self._loop.add_writer(self._output, self._writable)

    def _writable(self) -> None:
        if self._write() and not self._closed:
            self._loop.remove_writer(self._output)
            self._loop.add_reader(self._stream.fileno(), self._readable)

    def _write(self) -> bool:
        """Write what is pending; return whether nothing is left."""
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._output, self._pending) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:  # nobody reads any more
            self.close()
        if self._drained:
            self.close()
        return True

    def close(self) -> None:
        """Close both ends."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._stream.fileno())
        self._loop.remove_writer(self._output)
        self._stream.close()
        os.close(self._output)
        with contextlib.suppress(asyncio.InvalidStateError):
            self.ended.set_result(None)
