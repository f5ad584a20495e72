"""Running miniwdl, and handing signals on to it."""

import collections
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

from miniwdl_aws.errors import MiniwdlAwsError

KILL_AFTER_SECONDS = 18.0
"""How long miniwdl may take to end its task jobs. AWS Batch and Amazon ECS give a job 30 s between
SIGTERM and SIGKILL (Amazon ECS developer guide, "stopTimeout"); the rest is for the report."""

DECIDE_SECONDS = 5.0
"""How long Batch is asked what SIGTERM means, before it is taken for the end of the run."""

TAIL_LINES = 40

_log = logging.getLogger(__name__)

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
        spare: asked whether miniwdl is to be killed at once, which leaves its task jobs alive for
            the next head; its answer is waited for `DECIDE_SECONDS`.
        left: why the run was left to another head; empty if it was not.
    """

    signal_number: int | None = None
    spare: Callable[[], bool] | None = None
    left: str = ""
    _process: "subprocess.Popen[bytes] | None" = None
    _timer: threading.Timer | None = None
    _deciding: bool = False
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
        if self.spare is None:
            self._forward()
        else:
            # Not here: a signal handler must not wait.
            self._deciding = True
            threading.Thread(target=self._decide, daemon=True).start()

    def leave(self, why: str) -> None:
        """Kill miniwdl at once and leave its task jobs to another head."""
        self.left = self.left or why
        if self._process is not None:
            _signal_group(self._process, signal.SIGKILL)

    def attach(self, process: "subprocess.Popen[bytes]") -> None:
        """Name the process that is told, at once if a signal has come already."""
        self._process = process
        if self.left:
            self.leave(self.left)
        elif self.requested and not self._deciding:
            self._forward()

    def detach(self) -> None:
        """Forget the process, which has ended."""
        self._process = None
        if self._timer is not None:
            self._timer.cancel()

    def _decide(self) -> None:
        answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(_asked(self.spare)), daemon=True).start()
        try:
            spared = answers.get(timeout=DECIDE_SECONDS)
        except queue.Empty:
            spared = False
        self._deciding = False
        if spared:
            self.leave("the job is going to have another attempt, which takes over its task jobs")
        else:
            self._forward()

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


def _asked(spare: Callable[[], bool] | None) -> bool:
    try:
        return spare is not None and spare()
    except MiniwdlAwsError as exc:
        _log.warning("whether the job begins again is not known, its task jobs are ended: %s", exc)
        return False


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
