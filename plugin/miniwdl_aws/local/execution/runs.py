"""One attempt's way from its start to its end, and what runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from miniwdl_aws.local.batch.environments import ComputeEnvironment
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.reasons import CONTAINER_EXITED, START_FAILED, start_failure
from miniwdl_aws.local.execution.executor import TaskEvents


class Timer(Protocol):
    """A call that will come."""

    def cancel(self) -> None:
        """Let it not come."""


class AttemptEvents(TaskEvents, Protocol):
    """Is told what becomes of an attempt, also by others than what runs it."""

    def task_ended(self, exit_code: int | None, status_reason: str, reason: str | None) -> None:
        """It ended for a reason that is not its process's."""


@dataclass(frozen=True)
class Hold:
    """Why a job may not start now.

    Attributes:
        reason: its status reason meanwhile.
        seconds: for how long; None until something else changes.
    """

    reason: str
    seconds: float | None = None


class Placement(Protocol):
    """Says when jobs that could start may do so."""

    def hold(self, job: Job) -> Hold | None:
        """Say why a job may not start now; None if it may."""

    def launch_wait(self, environment: ComputeEnvironment) -> float:
        """Take a launch; return the seconds until it may happen."""


class AtOnce:
    """Lets every job start."""

    def hold(self, job: Job) -> Hold | None:  # noqa: ARG002 - as Placement
        """Hold no job."""
        return None

    def launch_wait(self, environment: ComputeEnvironment) -> float:  # noqa: ARG002 - as Placement
        """Let no job wait."""
        return 0.0


class TaskRunner(Protocol):
    """Runs attempts in one thread; see ``Executor``."""

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in that thread."""

    def call_later(self, seconds: float, function: Callable[..., object], *arguments: Any) -> Timer:
        """Call a function in that thread after a time."""

    def start(self, job: Job, task_id: str, stream: str, events: AttemptEvents) -> None:
        """Start an attempt."""

    def stop(self, task_id: str) -> None:
        """Stop an attempt."""

    def kill(self, task_id: str) -> None:
        """End an attempt at once."""


class Attempts(Protocol):
    """Is told what becomes of jobs' attempts; see ``Scheduler``."""

    def start_attempt(self, job: Job) -> None:
        """Note that a job's process runs."""

    def timeout(self, job: Job) -> None:
        """Stop an attempt that takes too long."""

    def end_attempt(
        self, job: Job, exit_code: int | None, status_reason: str, reason: str | None = None
    ) -> None:
        """Note how a job's attempt ended."""


class Run:
    """Passes the events of one attempt on, and counts its time-out.

    Args:
        job: the job whose attempt it is.
        attempts: is told.
        runner: counts the time.
    """

    def __init__(self, job: Job, attempts: Attempts, runner: TaskRunner) -> None:
        self._job = job
        self._attempts = attempts
        self._runner = runner
        self._timer: Timer | None = None

    def task_started(self) -> None:
        """Begin to count the time-out."""
        self._attempts.start_attempt(self._job)
        timeout = (self._job.request.get("timeout") or {}).get("attemptDurationSeconds")
        if timeout is not None:
            self._timer = self._runner.call_later(timeout, self._attempts.timeout, self._job)

    def task_failed(self, stage: str, error: str) -> None:
        """Say why there is no process, as ECS does."""
        exit_code, reason = start_failure(stage, error, self._job.container["command"])
        self._attempts.end_attempt(self._job, exit_code, START_FAILED, reason)

    def task_exited(self, exit_code: int | None, reason: str | None = None) -> None:
        """Pass on the exit code and the container's reason."""
        self.task_ended(exit_code, CONTAINER_EXITED, reason)

    def task_ended(self, exit_code: int | None, status_reason: str, reason: str | None) -> None:
        """Pass on how it ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._attempts.end_attempt(self._job, exit_code, status_reason, reason)
