"""Runs jobs' processes: one thread with an event loop for all of them."""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.execution.launchers import Launcher, ProcessEvents, TaskSpec
from miniwdl_aws.local.execution.output import LogSink, OutputPump
from miniwdl_aws.local.execution.spawner import StartError

Spec = TypeVar("Spec", bound=TaskSpec)
BuiltSpec = TypeVar("BuiltSpec", bound=TaskSpec, covariant=True)  # noqa: PLC0105 - as launchers.Spec

_OPEN_FILES = 16_384
"""One pipe for each job, one socket for each connection."""


class LogStreams(LogSink, Protocol):
    """Keeps log streams."""

    def create_stream(self, stream: str) -> None:
        """Make a log stream."""


class TaskEvents(Protocol):
    """Is told what becomes of a job's attempt, in the event loop's thread."""

    def task_started(self) -> None:
        """Its process runs and its log stream exists."""

    def task_failed(self, stage: str, error: str) -> None:
        """It could not be started; ``stage`` is one of ``StartError``'s."""

    def task_exited(self, exit_code: int | None, reason: str | None = None) -> None:
        """Its process ended and its whole output is in the log stream."""


class TaskBuilder(Protocol[BuiltSpec]):
    """Makes attempts from jobs."""

    def build(self, job: Job, task_id: str, scratch: Path) -> BuiltSpec:
        """Make all that is needed to start the attempt ``task_id``.

        Raises:
            StartError: it cannot be started.
        """


MakeLauncher = Callable[[asyncio.AbstractEventLoop, ProcessEvents, Path], Launcher[Spec]]
"""Makes a launcher from the event loop, what to tell of processes, and an empty directory."""


@dataclass
class _Task:
    stream: str
    events: TaskEvents
    output: int
    pump: OutputPump | None = None
    killer: asyncio.TimerHandle | None = None
    stopped: bool = False


class Executor(Generic[Spec]):
    """Runs the processes of all jobs in one thread of its own.

    Args:
        builder: makes attempts from jobs.
        make_launcher: makes what starts them.
        scratch: holds a working directory for each attempt, removed as it ends.
        logs: where the output goes.
        stop_timeout_seconds: from SIGTERM to SIGKILL.
        clock: the time in milliseconds since 1970.

    Raises:
        LocalAwsError: the launcher cannot work here.
    """

    def __init__(
        self,
        *,
        builder: TaskBuilder[Spec],
        make_launcher: MakeLauncher[Spec],
        scratch: Path,
        logs: LogStreams,
        stop_timeout_seconds: float,
        clock: Callable[[], int],
    ) -> None:
        self._builder = builder
        self._scratch = scratch
        self._logs = logs
        self._stop_timeout_seconds = stop_timeout_seconds
        self._clock = clock
        self._tasks: dict[str, _Task] = {}
        self._closing = False
        allow_open_files(_OPEN_FILES)
        self._loop = asyncio.new_event_loop()
        staging = scratch / ".staging"
        staging.mkdir(parents=True, exist_ok=True)
        try:
            self._launcher = make_launcher(self._loop, self, staging)
        except BaseException:
            self._loop.close()
            raise
        self._thread = threading.Thread(target=self._run, name="local-aws-jobs", daemon=True)
        self._thread.start()

    @property
    def isolation(self) -> str:
        """What separates the jobs from this machine, in a few words."""
        return self._launcher.isolation

    @property
    def mounts(self) -> bool:
        """Whether a job can see a directory of this machine at another path."""
        return self._launcher.mounts

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the event loop's thread; safe from every thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nothing more happens
            self._loop.call_soon_threadsafe(function, *arguments)

    def call_later(
        self, seconds: float, function: Callable[..., object], *arguments: Any
    ) -> asyncio.TimerHandle:
        """Call a function after a time; only from the event loop's thread."""
        return self._loop.call_later(seconds, function, *arguments)

    def start(self, job: Job, task_id: str, stream: str, events: TaskEvents) -> None:
        """Start an attempt; only from the event loop's thread."""
        scratch = self._scratch / task_id
        scratch.mkdir(mode=0o777)
        try:
            spec = self._builder.build(job, task_id, scratch)
        except StartError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            events.task_failed(error.stage, error.problem)
            return
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._tasks[task_id] = _Task(stream, events, reading)
        self._launcher.start(spec, writing)

    def stop(self, task_id: str) -> None:
        """Send SIGTERM to an attempt's main process, and SIGKILL if it takes too long.

        Only from the event loop's thread.
        """
        task = self._tasks.get(task_id)
        if task is None or task.stopped:
            return
        task.stopped = True
        self._launcher.kill(task_id, signal.SIGTERM)
        task.killer = self._loop.call_later(
            self._stop_timeout_seconds, self._launcher.kill, task_id, signal.SIGKILL
        )

    def kill(self, task_id: str) -> None:
        """Send SIGKILL to an attempt's main process; only from the event loop's thread."""
        if task_id in self._tasks:
            self._launcher.kill(task_id, signal.SIGKILL)

    def close(self) -> None:
        """End all processes and the thread."""
        self.call_soon(self._stop_loop)
        self._thread.join()
        self._loop.close()

    # ProcessEvents

    def started(self, task_id: str) -> None:
        """Begin to read the output of a process that runs."""
        task = self._tasks[task_id]
        self._logs.create_stream(task.stream)
        task.pump = OutputPump(self._loop, task.output, task.stream, self._logs, self._clock)
        task.events.task_started()

    def failed(self, task_id: str, stage: str, error: str) -> None:
        """Forget a process that could not be started."""
        task = self._tasks.pop(task_id)
        os.close(task.output)
        self._remove_scratch(task_id)
        task.events.task_failed(stage, error)

    def exited(self, task_id: str, exit_code: int | None, reason: str | None = None) -> None:
        """Finish a process's output and tell of its end."""
        task = self._tasks.pop(task_id)
        if task.killer is not None:
            task.killer.cancel()
        if task.pump is not None:
            task.pump.finish()
        self._remove_scratch(task_id)
        if not self._closing:
            task.events.task_exited(exit_code, reason)

    def _remove_scratch(self, task_id: str) -> None:
        directory = self._scratch / task_id
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # not empty
            self._loop.run_in_executor(None, shutil.rmtree, directory, True)  # noqa: FBT003 - ignore_errors

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.gather(*asyncio.all_tasks(self._loop), return_exceptions=True)
            self._loop.run_until_complete(left)
            self._loop.run_until_complete(self._loop.shutdown_default_executor())

    def _stop_loop(self) -> None:
        self._closing = True
        try:
            self._launcher.close()
        finally:
            for task in self._tasks.values():
                if task.pump is not None:
                    task.pump.finish()
                else:
                    os.close(task.output)
            self._tasks.clear()
            self._loop.stop()


def allow_open_files(wanted: int) -> None:
    """Raise this process's limit of open files to a number, or as near as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    with contextlib.suppress(ValueError, OSError):  # some systems have lower limits of their own
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
