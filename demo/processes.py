"""Programs that are started, watched and stopped with all their children."""

from __future__ import annotations

import socket
import subprocess
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 10.0
TAIL_LINES = 20


class ServiceError(Exception):
    """A program that is needed did not start, ended early, or did not answer.

    Attributes:
        service: its name.
        log: the last lines that it wrote; may be empty.
    """

    def __init__(self, message: str, *, service: str = "", log: str = "") -> None:
        super().__init__(message)
        self.service = service
        self.log = log

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message}\n{self.log}" if self.log else message


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program that runs.

    Attributes:
        name: what people call it.
        log: the file that holds its standard output and standard error.
        process: the running program.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            ServiceError: it has ended.
        """
        code = self.process.poll()
        if code is not None:
            raise ServiceError(
                f"{self.name} ended with exit code {code}; its log is {self.log}",
                service=self.name,
                log=tail(self.log),
            )


def start(
    name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path
) -> Service:
    """Start a program in a session of its own, so that a key pressed here does not reach it.

    Args:
        name: what people call it.
        command: the program and its arguments.
        environment: its whole environment.
        log: the file that its standard output and standard error are appended to.

    Returns:
        The service, which may still be on its way up.

    Raises:
        ServiceError: there is no such program.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as exc:
            raise ServiceError(f"{name} does not start: {exc}", service=name) from exc
    return Service(name=name, log=log, process=process)


def stop(services: Sequence[Service], *, seconds: float = STOP_SECONDS) -> None:
    """End programs: ask each, then kill whatever of it and its children is left.

    The children are looked up before their parent is asked: an orphan cannot be found any more.

    Args:
        services: what to stop; those that have ended are left alone, their children are not.
        seconds: how long they may take to end by themselves, all together.
    """
    family = [one for service in services for one in _with_children(service.process.pid)]
    for service in services:
        if service.process.poll() is None:
            service.process.terminate()
    _, left = psutil.wait_procs(family, timeout=seconds)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=seconds)
    for service in services:
        service.process.wait(timeout=seconds)


def _with_children(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Give the last lines of a file.

    Args:
        path: the file.
        lines: how many.

    Returns:
        The lines; nothing when there is no such file.
    """
    if not path.exists():
        return ""
    with path.open(encoding="utf-8", errors="replace") as text:
        return "".join(deque(text, maxlen=lines)).rstrip()


def free_ports(count: int) -> list[int]:
    """Find ports on loopback that nothing listens on.

    Args:
        count: how many; all are distinct.

    Returns:
        The ports. Another program may take one before it is used.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]


def require_free(port: int) -> int:
    """Make sure that a port on loopback can be listened on.

    Args:
        port: the port asked for.

    Returns:
        The port.

    Raises:
        ServiceError: something else listens on it, or this user may not.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as exc:
            raise ServiceError(
                f"port {port} on {LOOPBACK} cannot be used ({exc}): choose another, or none "
                "for a free one"
            ) from exc
    return port
