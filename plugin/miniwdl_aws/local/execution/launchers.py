"""What starts a job, and one way to do it: as a process in namespaces of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.execution import spawner

POLL_SECONDS = 0.02
# Their messages fit into the socket's buffer together, so that sending never waits for the spawner,
# which may itself be waiting to send.
_STARTS_UNDER_WAY = 2
_KILLED_EXIT_CODE = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Mount:
    """A directory that a job sees at another path.

    Attributes:
        source: the directory on this machine.
        target: its absolute path in the job.
        read_only: whether the job may not write there.
    """

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Tmpfs:
    """A file system in memory that a job has for itself.

    Attributes:
        target: its absolute path in the job.
        flags: those of the ``mount`` system call.
        data: the options that are tmpfs's own.
    """

    target: str
    flags: int
    data: str


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """All that is needed to start a job's attempt.

    Attributes:
        task_id: its id, unique among all.
    """

    task_id: str


@dataclass(frozen=True, kw_only=True)
class ProcessSpec(TaskSpec):
    """All that is needed to start a job's process.

    Attributes:
        argv: the command and its arguments.
        env: its whole environment.
        cwd: its working directory.
        mounts: what it sees where.
        tmpfs: the memory file systems that it sees.
        read_only_root: whether it may write to its mounts, its working directory and devices alone.
        ulimits: resource limits, as in container properties.
        user: the numbers of its user and group; None for the caller's.
        init: whether an init process stands before it.
    """

    argv: list[str]
    env: dict[str, str]
    cwd: str
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    read_only_root: bool = False
    ulimits: tuple[dict[str, Any], ...] = ()
    user: tuple[int, int] | None = None
    init: bool = False


class ProcessEvents(Protocol):
    """Is told what becomes of processes, in the event loop's thread."""

    def started(self, task_id: str) -> None:
        """The process runs."""

    def failed(self, task_id: str, stage: str, error: str) -> None:
        """There is no process; ``stage`` is one of ``StartError``'s."""

    def exited(self, task_id: str, exit_code: int | None, reason: str | None = None) -> None:
        """The process ended, and all that it left; the code is None if nobody can tell it."""


Spec = TypeVar("Spec", bound=TaskSpec, contravariant=True)  # noqa: PLC0105 - one name for all who use it


class Launcher(Protocol[Spec]):
    """Starts processes, or containers.

    1. ``start`` takes over ``output``, which becomes standard output and error, and closes it.
    2. Every ``start`` is answered by one ``started`` or ``failed``, and every ``started`` by one
       ``exited``.
    3. ``kill`` of a process that has ended does nothing.
    4. ``close`` leaves no process behind.
    """

    @property
    def isolation(self) -> str:
        """Say in a few words what separates the jobs from this machine."""

    @property
    def mounts(self) -> bool:
        """Whether a job can see a directory of this machine at another path."""

    def start(self, spec: Spec, output: int) -> None:
        """Start a process."""

    def kill(self, task_id: str, number: int) -> None:
        """Send a signal to a process."""

    def close(self) -> None:
        """End all processes."""


class NamespaceLauncher:
    """Starts each process in its own mount and PID namespace, through the spawner.

    Args:
        loop: the event loop to receive events in.
        events: is told what becomes of the processes.
        staging: an empty directory that mounts may be built on.

    Raises:
        LocalAwsError: namespaces are not to be had here.
    """

    mounts = True

    def __init__(
        self, loop: asyncio.AbstractEventLoop, events: ProcessEvents, staging: Path
    ) -> None:
        self._loop = loop
        self._events = events
        self._staging = str(staging)
        self._waiting: deque[tuple[ProcessSpec, int]] = deque()
        self._under_way: set[str] = set()
        self._running: set[str] = set()
        self._control, theirs = _socket_pair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-I", "-S", spawner.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        hello = json.loads(self._control.recv(spawner.MESSAGE_BYTES) or b'{"event": "refused"}')
        if hello["event"] != "ready":
            self._end()
            raise LocalAwsError(
                f"namespaces are not to be had here: {hello.get('error', 'the spawner ended')}"
            )
        self._user_namespace = bool(hello["user_namespace"])
        loop.call_soon_threadsafe(loop.add_reader, self._control, self._receive)

    @property
    def isolation(self) -> str:
        """Say in a few words what separates the jobs from this machine."""
        kinds = "user, mount and PID" if self._user_namespace else "mount and PID"
        return f"{kinds} namespaces"

    def start(self, spec: ProcessSpec, output: int) -> None:
        """Start a process, once few enough others are being started."""
        self._waiting.append((spec, output))
        self._send_waiting()

    def kill(self, task_id: str, number: int) -> None:
        """Send a signal to a process."""
        message = {"op": "kill", "id": task_id, "signal": number}
        with contextlib.suppress(OSError):  # the spawner has ended, and with it all processes
            self._control.send(json.dumps(message).encode())

    def close(self) -> None:
        """End all processes and wait for the spawner."""
        for _, output in self._waiting:
            os.close(output)
        self._waiting.clear()
        self._loop.remove_reader(self._control)
        self._end()

    def _end(self) -> None:
        self._control.close()
        self._process.wait()

    def _send_waiting(self) -> None:
        while self._waiting and len(self._under_way) < _STARTS_UNDER_WAY:
            spec, output = self._waiting.popleft()
            message = {"op": "start", "id": spec.task_id, "staging": self._staging, **asdict(spec)}
            data = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogateescape")
            try:
                socket.send_fds(self._control, [data], [output])
            except OSError as error:
                self._events.failed(spec.task_id, "exec", str(error))
                continue
            finally:
                os.close(output)
            self._under_way.add(spec.task_id)

    def _receive(self) -> None:
        message = self._control.recv(spawner.MESSAGE_BYTES)
        if not message:
            self._spawner_ended()
            return
        event = json.loads(message)
        task_id = event["id"]
        if event["event"] == "exited":
            self._running.remove(task_id)
            self._events.exited(task_id, event["exit_code"])
            return
        self._under_way.remove(task_id)
        self._send_waiting()
        if event["event"] == "started":
            self._running.add(task_id)
            self._events.started(task_id)
        else:
            self._events.failed(task_id, event["stage"], event["error"])

    def _spawner_ended(self) -> None:
        """Tell of the end of all processes: the kernel has killed them with the spawner."""
        self._loop.remove_reader(self._control)
        running, self._running = self._running, set()
        starting, self._under_way = self._under_way, set()
        for task_id in starting:
            self._events.failed(task_id, "exec", "the spawner of jobs has ended")
        for task_id in running:
            self._events.exited(task_id, _KILLED_EXIT_CODE)
        self._send_waiting()


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    if not sys.platform.startswith("linux"):
        raise LocalAwsError(f"namespaces are not to be had here: {sys.platform} has none")
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
