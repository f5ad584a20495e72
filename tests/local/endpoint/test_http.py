"""The HTTP server that the local AWS listens with."""

import socket
from typing import Any

import pytest

from miniwdl_aws.local.endpoint.http import HttpServer


def answer(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.mark.parametrize("body", [b"", b"all of it"])
def test_a_request_that_expects_100_continue_and_is_complete_is_answered(body: bytes) -> None:
    """An object without bytes has no body to wait for, and a client may send a body at once."""
    server = HttpServer("127.0.0.1", 0)
    server.start(answer, threads=1)
    try:
        port = int(server.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            head = f"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            tail = "Expect: 100-continue\r\nConnection: close\r\n\r\n"
            client.sendall((head + tail).encode() + body)
            received = b"".join(iter(lambda: client.recv(4096), b""))
    finally:
        server.close()
    assert b"200 OK" in received
    assert received.endswith(b"ok")


def test_it_closes_though_the_loop_is_ahead_of_who_wakes_it() -> None:
    """The loop may close everything for another's sake before it is woken for this one's."""
    server = HttpServer("127.0.0.1", 0)
    server.start(answer, threads=1)
    thread, trigger = server._thread, server._server.trigger
    assert thread is not None
    wake = trigger._physical_pull

    def wake_late() -> None:
        wake()
        thread.join(timeout=10)
        wake()

    trigger._physical_pull = wake_late
    server.close()
    assert not thread.is_alive()
