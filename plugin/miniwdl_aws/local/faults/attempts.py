"""Faults that keep attempts from starting, end them, and hide what they print."""

from collections.abc import Callable
from functools import partial
from typing import Any

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.execution.runs import AttemptEvents, TaskRunner, Timer
from miniwdl_aws.local.faults.book import Faults, Strike
from miniwdl_aws.local.faults.kinds import Stage
from miniwdl_aws.local.faults.logs import FaultyLogs
from miniwdl_aws.local.faults.subjects import subject_of
from miniwdl_aws.local.faults.verdicts import ended, not_started


class FaultyRunner:
    """Runs attempts, some of which do not start or do not end by themselves.

    Args:
        runner: runs the attempts.
        faults: the rules.
        logs: where attempts write.
    """

    def __init__(self, runner: TaskRunner, faults: Faults, logs: FaultyLogs) -> None:
        self._runner = runner
        self.faults = faults
        self._logs = logs

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the runner's thread."""
        self._runner.call_soon(function, *arguments)

    def call_later(self, seconds: float, function: Callable[..., object], *arguments: Any) -> Timer:
        """Call a function in the runner's thread after a time."""
        return self._runner.call_later(seconds, function, *arguments)

    def stop(self, task_id: str) -> None:
        """Stop an attempt."""
        self._runner.stop(task_id)

    def kill(self, task_id: str) -> None:
        """End an attempt at once."""
        self._runner.kill(task_id)

    def start(self, job: Job, task_id: str, stream: str, events: AttemptEvents) -> None:
        """Start an attempt, unless a fault keeps it from that."""
        subject = subject_of(job)
        failed = self.faults.strikes(Stage.START, subject)
        if failed:
            verdict = not_started(failed[0], job.container["image"])
            events.task_ended(verdict.exit_code, verdict.status_reason, verdict.reason)
            return
        disturbed = self.faults.strikes(Stage.LOGS, subject)
        for strike in disturbed:
            self._logs.disturb(stream, strike)
        if disturbed:
            events = _Ending(events, partial(self._logs.forget, stream))
        for strike in self.faults.strikes(Stage.RUN, subject):
            end = self._runner.stop if strike.kind == "fargate-spot" else self._runner.kill
            events = _Doomed(events, strike, self, partial(end, task_id))
        self._runner.start(job, task_id, stream, events)


class _Ending:
    """Calls a function as an attempt ends, after its whole output was written."""

    def __init__(self, events: AttemptEvents, finish: Callable[[], object]) -> None:
        self._events = events
        self._finish = finish

    def task_started(self) -> None:
        self._events.task_started()

    def task_failed(self, stage: str, error: str) -> None:
        self._finish()
        self._events.task_failed(stage, error)

    def task_exited(self, exit_code: int | None, reason: str | None = None) -> None:
        self._finish()
        self._events.task_exited(exit_code, reason)

    def task_ended(self, exit_code: int | None, status_reason: str, reason: str | None) -> None:
        self._finish()
        self._events.task_ended(exit_code, status_reason, reason)


class _Doomed:
    """Ends an attempt a time after it has started, and says why."""

    def __init__(
        self,
        events: AttemptEvents,
        strike: Strike,
        runner: "FaultyRunner",
        end: Callable[[], object],
    ) -> None:
        self._events = events
        self._strike = strike
        self._runner = runner
        self._end = end
        self._timer: Timer | None = None
        self._struck = False

    def task_started(self) -> None:
        self._events.task_started()
        self._timer = self._runner.call_later(self._strike.delay_seconds, self._do)

    def task_failed(self, stage: str, error: str) -> None:
        self._events.task_failed(stage, error)

    def task_exited(self, exit_code: int | None, reason: str | None = None) -> None:
        if not self._struck:
            self._cancel()
            self._events.task_exited(exit_code, reason)
            return
        verdict = ended(self._strike, exit_code, reason)
        self.task_ended(verdict.exit_code, verdict.status_reason, verdict.reason)

    def task_ended(self, exit_code: int | None, status_reason: str, reason: str | None) -> None:
        self._cancel()
        self._events.task_ended(exit_code, status_reason, reason)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _do(self) -> None:
        self._struck = True
        self._runner.faults.happened(self._strike)
        self._end()
