"""Removes the containers of a local AWS; as a program, once that one has gone.

Run as ``python -I -S container_reaper.py URL LABEL``: it imports the standard library alone, so
that it costs little while it waits for its standard input to end, as it does however its parent
ends.
"""

import contextlib
import http.client
import json
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

_TIMEOUT_SECONDS = 60
_REMOVALS_AT_ONCE = 8
_TRIES = 20
_GONE = frozenset({204, 404, 409})  # 409: somebody else is removing it


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path)
    return http.client.HTTPConnection(
        parts.hostname or "localhost", parts.port, timeout=_TIMEOUT_SECONDS
    )


def _ask(url: str, method: str, path: str) -> tuple[int, bytes]:
    with contextlib.closing(_connection(url)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def ping(url: str) -> None:
    """Ask an engine whether it is there.

    Raises:
        OSError: it does not answer.
    """
    status, body = _ask(url, "GET", "/_ping")
    if status != http.client.OK:
        raise OSError(f"{status} {body[:500]!r}")


def find(url: str, label: str) -> list[str]:
    """Return the ids of the containers, running or not, that bear a label.

    Raises:
        OSError: the engine does not answer, or not with a list.
    """
    filters = quote(json.dumps({"label": [label]}))
    status, body = _ask(url, "GET", f"/containers/json?all=1&filters={filters}")
    if status != http.client.OK:
        raise OSError(f"{url} lists no containers: {status} {body[:500]!r}")
    listed: list[dict[str, Any]] = json.loads(body)
    return [each["Id"] for each in listed]


def _remove(url: str, container: str) -> bool:
    status, _ = _ask(url, "DELETE", f"/containers/{container}?force=1&v=1")
    return status in _GONE


def remove_all(url: str, label: str) -> None:
    """Kill and remove all containers that bear a label.

    Args:
        url: where the engine listens, ``unix://`` or ``tcp://``.
        label: ``NAME=VALUE``.

    Raises:
        OSError: the engine does not answer, or does not remove them.
    """
    left = find(url, label)
    for _ in range(_TRIES):
        if not left:
            return
        with ThreadPoolExecutor(_REMOVALS_AT_ONCE) as pool:
            list(pool.map(lambda container: _remove(url, container), left))
        left = find(url, label)
        if left:
            time.sleep(0.1)
    if left:
        raise OSError(f"{url} does not remove the containers {', '.join(left)}")


def main(url: str, label: str) -> None:
    """Wait for standard input to end, then remove the containers."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent's end is what counts
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    remove_all(url, label)


if __name__ == "__main__":
    main(*sys.argv[1:])
