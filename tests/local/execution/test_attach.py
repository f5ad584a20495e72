"""A container's output arrives whole, in order, and no faster than it is read."""

import asyncio
import os
import socket
import struct

from hypothesis import given, strategies as st

from miniwdl_aws.local.execution.attach import LineDecoder, Relay


def frame(payload: bytes, stream: int = 1) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


@given(
    payloads=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=30),
)
def test_frames_are_decoded_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    """Headers and payloads may be split anywhere, and payloads may be empty."""
    data = b"".join(map(frame, payloads))
    decoder, decoded = LineDecoder(), b""
    while data:
        cut = cuts[len(data) % len(cuts)]
        decoded += decoder.feed(data[:cut])
        data = data[cut:]
    assert decoded + decoder.rest() == b"".join(payloads)


def test_lines_of_two_streams_stay_whole() -> None:
    """A line that is begun waits for its end, or for the end of all."""
    decoder = LineDecoder()
    assert decoder.feed(frame(b"one\ntw")) == b"one\n"
    assert decoder.feed(frame(b"error\nmo", 2)) == b"error\n"
    assert decoder.feed(frame(b"o\n") + frame(b"thr")) == b"two\n"
    assert decoder.rest() == b"mo\nthr"


def test_a_line_without_end_is_not_held_back_for_ever() -> None:
    """Beyond the size of a log event it is passed on in parts."""
    decoder = LineDecoder()
    assert decoder.feed(frame(b"x" * 200_000)) == b""
    assert decoder.feed(frame(b"x" * 100_000)) == b"x" * 300_000


def test_a_full_pipe_holds_the_stream_back() -> None:
    """Nothing is lost or piled up while nobody reads; the end comes after the last byte."""
    content = bytes(range(256)) * 4096

    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        relay = Relay(loop, ours, writing)
        sender = loop.run_in_executor(None, send, theirs)
        await asyncio.sleep(0.05)
        assert not relay.ended.done()
        received = await loop.run_in_executor(None, receive, reading)
        await asyncio.gather(sender, relay.ended)
        return received

    def send(theirs: socket.socket) -> None:
        with theirs:
            for start in range(0, len(content), 5000):
                theirs.sendall(frame(content[start : start + 5000]))

    def receive(reading: int) -> bytes:
        with os.fdopen(reading, "rb") as file:
            return file.read()

    assert asyncio.run(scenario()) == content


def test_a_pipe_that_nobody_reads_any_more_ends_the_relay() -> None:
    """It closes the stream, so that the engine learns of it."""

    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        relay = Relay(loop, ours, writing)
        os.close(reading)
        with theirs:
            theirs.sendall(frame(b"x\n"))
            await relay.ended
            return theirs.recv(1)

    assert asyncio.run(scenario()) == b""
