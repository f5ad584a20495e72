"""Running miniwdl, and handing signals on to it."""

import collections
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

KILL_AFTER_SECONDS = 18.0
"""How long miniwdl may take to end its task jobs. AWS Batch and Amazon ECS give a job 30 s between
SIGTERM and SIGKILL (Amazon ECS developer guide, "stopTimeout"); the rest is for the report."""

TAIL_LINES = 40

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class ProcessResult:
    """How a process ended.

    Attributes:
        exit_code: its exit code; 128 and the number of the signal that killed it.
        stdout: what it wrote there.
        stderr_tail: the last lines of its standard error.
    """

    exit_code: int
    stdout: str
    stderr_tail: tuple[str, ...]


@dataclass
class Cancellation:
    """Whether this process was asked to end, and the process that must be told.

    Attributes:
        signal_number: the first signal that asked for it; None if none did.
    """

    signal_number: int | None = None
    _process: "subprocess.Popen[bytes] | None" = None
    _timer: threading.Timer | None = None
    _kill_after: float = field(default=KILL_AFTER_SECONDS)

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.signal_number is not None

    def request(self, signal_number: int) -> None:
        """Note the first signal and hand it on, once; later ones change nothing."""
        if self.requested:
            return
        self.signal_number = signal_number
        self._forward()

    def attach(self, process: "subprocess.Popen[bytes]") -> None:
        """Name the process that is told, at once if a signal has come already."""
        self._process = process
        if self.requested:
            self._forward()

    def detach(self) -> None:
        """Forget the process, which has ended."""
        self._process = None
        if self._timer is not None:
            self._timer.cancel()

    def _forward(self) -> None:
        process = self._process
        if process is None or self._timer is not None:
            return
        _signal_group(process, signal.SIGTERM)
        self._timer = threading.Timer(self._kill_after, _signal_group, (process, signal.SIGKILL))
        self._timer.daemon = True
        self._timer.start()


@contextmanager
def handling_signals(cancellation: Cancellation) -> Iterator[None]:
    """Let signals request cancellation within the block; for the main thread."""

    def handle(number: int, _frame: FrameType | None) -> None:
        cancellation.request(number)

    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    cancellation: Cancellation,
    *,
    log: Callable[[bytes], object] | None = None,
) -> ProcessResult:
    """Run a command in a process group of its own.

    Args:
        command: the program and its arguments.
        environment: its environment.
        cancellation: hands signals on to it.
        log: takes what it writes to standard error, as it comes; this process's own if not given.
    """
    write = log or _to_stderr
    tail: collections.deque[bytes] = collections.deque(maxlen=TAIL_LINES)
    with subprocess.Popen(  # noqa: S603  (miniwdl, with the arguments of the job's command)
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        cancellation.attach(process)
        reader = threading.Thread(target=_pump, args=(process.stderr, write, tail), daemon=True)
        reader.start()
        stdout = process.stdout.read() if process.stdout else b""
        process.wait()
        reader.join(timeout=10)
        cancellation.detach()
    code = process.returncode
    return ProcessResult(
        exit_code=code if code >= 0 else 128 - code,
        stdout=stdout.decode(errors="replace"),
        stderr_tail=tuple(line.decode(errors="replace").rstrip() for line in tail),
    )


def _pump(
    stream: IO[bytes], write: Callable[[bytes], object], tail: "collections.deque[bytes]"
) -> None:
    for line in stream:
        write(line)
        tail.append(line)


def _to_stderr(line: bytes) -> None:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
