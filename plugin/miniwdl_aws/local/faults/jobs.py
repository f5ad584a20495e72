"""Faults of jobs: those that hold them, that end their attempts, and that hide their logs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from miniwdl_aws.local.environments import ComputeEnvironment
from miniwdl_aws.local.executor import LogStreams
from miniwdl_aws.local.faults.book import Faults, Strike
from miniwdl_aws.local.faults.kinds import Stage
from miniwdl_aws.local.faults.rules import Subject
from miniwdl_aws.local.faults.verdicts import ended, not_started
from miniwdl_aws.local.jobs import Job
from miniwdl_aws.local.pacing import Pacer
from miniwdl_aws.local.runs import AttemptEvents, Hold, TaskRunner, Timer

NO_CAPACITY = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for "
    "instance type [optimal]"
)
"""AWS Batch user guide, "Jobs stuck in RUNNABLE due to capacity"."""


def subject_of(job: Job, status: str | None = None) -> Subject:
    """Say what rules are held against: a job and its attempt, or its new status."""
    attempt = len(job.attempts) + 1
    environment = job.environment
    return Subject(
        key=f"{job.name}:{job.index}:{status or attempt}",
        job=job.name,
        queue=job.queue.name,
        fargate=environment.fargate if environment else job.queue.fargate,
        attempt=attempt,
        status=status,
    )


@dataclass(frozen=True)
class Visibility:
    """Says which jobs an answer of DescribeJobs leaves out.

    Args:
        faults: the rules.
    """

    faults: Faults

    def shows(self, job: Job) -> bool:
        """Tell whether the answer has the job."""
        subject = Subject(f"{job.name}:described", job=job.name, queue=job.queue.name)
        return not self.faults.strikes(Stage.DESCRIBE, subject)


@dataclass(frozen=True)
class _Held:
    strike: Strike
    until: float | None


class Placement:
    """Says which jobs a fault keeps from starting, and how long Fargate makes them wait.

    Args:
        faults: the rules.
        pacer: knows the rate of launches.
        clock: the time in seconds.
    """

    def __init__(self, faults: Faults, pacer: Pacer, clock: Callable[[], float]) -> None:
        self._faults = faults
        self._pacer = pacer
        self._clock = clock
        self._decided: dict[tuple[str, int], _Held | None] = {}

    def hold(self, job: Job) -> Hold | None:
        """Say why a job may not start now, and for how many seconds; None if it may.

        Each attempt of a job is decided on once, as it could first start.
        """
        key = (job.job_id, len(job.attempts))
        if key not in self._decided:
            strikes = self._faults.strikes(Stage.QUEUE, subject_of(job))
            if not strikes:
                return None
            self._decided[key] = self._held(strikes[0])
        held = self._decided[key]
        if held is None or not self._holds(held):
            self._decided[key] = None
            return None
        left = None if held.until is None else held.until - self._clock()
        return Hold(held.strike.rule.reason or NO_CAPACITY, left)

    def launch_wait(self, environment: ComputeEnvironment) -> float:
        """Take a launch; return the seconds until it may happen."""
        if not environment.fargate:
            return 0.0
        return self._pacer.launch_wait(environment.resources["type"])

    def _held(self, strike: Strike) -> _Held:
        delay = strike.rule.delay
        return _Held(strike, None if delay is None else self._clock() + delay)

    def _holds(self, held: _Held) -> bool:
        expired = held.until is not None and self._clock() >= held.until
        return not expired and self._faults.holds(held.strike.rule_id)


class FaultyRunner:
    """Runs attempts, some of which do not start or do not end by themselves.

    Args:
        runner: runs the attempts.
        faults: the rules.
        logs: where attempts write.
    """

    def __init__(self, runner: TaskRunner, faults: Faults, logs: "FaultyLogs") -> None:
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
        for strike in self.faults.strikes(Stage.LOGS, subject):
            self._logs.disturb(stream, strike)
        for strike in self.faults.strikes(Stage.RUN, subject):
            end = self._runner.stop if strike.kind == "fargate-spot" else self._runner.kill
            events = _Doomed(events, strike, self, partial(end, task_id))
        self._runner.start(job, task_id, stream, events)


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


class FaultyLogs:
    """Passes what attempts print on to their log streams, late or not at all where a fault says so.

    Args:
        logs: keeps the log streams.
    """

    def __init__(self, logs: LogStreams) -> None:
        self._logs = logs
        self._missing: set[str] = set()
        self._late: dict[str, float] = {}

    def disturb(self, stream: str, strike: Strike) -> None:
        """Make a log stream late, or let it not appear."""
        if strike.kind == "missing-logs":
            self._missing.add(stream)
        else:
            self._late[stream] = strike.delay_seconds

    def create_stream(self, stream: str) -> None:
        """Make a log stream; only from the event loop's thread, as the next."""
        self._pass_on(stream, self._logs.create_stream, stream)

    def put(self, stream: str, events: list[dict[str, Any]]) -> None:
        """Append events to a log stream."""
        self._pass_on(stream, self._logs.put, stream, events)

    def _pass_on(self, stream: str, function: Callable[..., object], *arguments: Any) -> None:
        if stream in self._missing:
            return
        delay = self._late.get(stream)
        if delay is None:
            function(*arguments)
        else:
            asyncio.get_running_loop().call_later(delay, function, *arguments)
