"""Faults that keep jobs from starting, and the rate of launches on Fargate."""

from collections.abc import Callable
from dataclasses import dataclass

from miniwdl_aws.local.batch.environments import ComputeEnvironment
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.endpoint.pacing import Pacer
from miniwdl_aws.local.execution.runs import Hold
from miniwdl_aws.local.faults.book import Faults, Strike
from miniwdl_aws.local.faults.kinds import Stage
from miniwdl_aws.local.faults.subjects import subject_of

NO_CAPACITY = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for "
    "instance type [optimal]"
)
"""AWS Batch user guide, "Jobs stuck in RUNNABLE due to capacity"."""


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
        self._decided: dict[str, _Held | None] = {}

    def hold(self, job: Job) -> Hold | None:
        """Say why a job may not start now, and for how many seconds; None if it may.

        Each attempt of a job is decided on once, as it could first start and there are rules.
        """
        if job.job_id not in self._decided:
            if not self._faults.about(Stage.QUEUE):
                return None
            strikes = self._faults.strikes(Stage.QUEUE, subject_of(job))
            self._decided[job.job_id] = self._held(strikes[0]) if strikes else None
        held = self._decided[job.job_id]
        if held is None or not self._holds(held):
            self._decided[job.job_id] = None
            return None
        left = None if held.until is None else held.until - self._clock()
        return Hold(held.strike.rule.reason or NO_CAPACITY, left)

    def observe(self, job: Job, previous: str | None) -> None:
        """Forget what was decided on a job that waits no longer; see ``store.Observer``."""
        if previous == "RUNNABLE":
            self._decided.pop(job.job_id, None)

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
