"""Programs are started, watched and stopped with their children."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from demo.processes import LOOPBACK, ServiceError, free_ports, require_free, start, stop, tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def test_a_program_that_ignores_the_request_to_end_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    """Nothing that was started outlives `stop`, not even an orphan."""
    log = tmp_path / "log"
    service = start("stubborn", [sys.executable, "-c", STUBBORN], environment=os.environ, log=log)
    wait_for(lambda: tail(log).isdigit())
    child = psutil.Process(int(tail(log)))
    stop([service], seconds=0.2)
    assert service.process.poll() is not None
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_program_that_ended_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    """The error has the exit code, the log's place and its end."""
    code = "print('first'); print('no disk left'); raise SystemExit(3)"
    log = tmp_path / "scheduler.log"
    service = start("scheduler", [sys.executable, "-c", code], environment=os.environ, log=log)
    service.process.wait()
    with pytest.raises(ServiceError) as caught:
        service.check()
    assert "scheduler ended with exit code 3" in str(caught.value)
    assert caught.value.log.endswith("no disk left")
    assert str(log) in str(caught.value)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing program is an error of ours, not a bare FileNotFoundError."""
    with pytest.raises(ServiceError, match=r"api-server does not start: .*nowhere/airflow"):
        start("api-server", ["/nowhere/airflow"], environment={}, log=tmp_path / "log")


def test_a_port_in_use_is_refused_by_number() -> None:
    """The message has the port and what to do."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ServiceError, match=rf"port {port} on 127.0.0.1 cannot be used .*choose"
        ):
            require_free(port)
    with pytest.raises(ServiceError, match="port 70000"):
        require_free(70_000)


def test_free_ports_are_distinct_and_free() -> None:
    """Ports handed out together can be listened on together."""
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert [require_free(port) for port in ports] == ports


def test_the_tail_of_a_file_is_its_last_lines(tmp_path: Path) -> None:
    """Broken bytes are shown, a missing file has no lines."""
    path = tmp_path / "log"
    assert tail(path) == ""
    path.write_bytes(b"one\ntwo\xff\nthree\n")
    assert tail(path, 2) == "two\N{REPLACEMENT CHARACTER}\nthree"
