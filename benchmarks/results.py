"""What one run of one workload on one backend showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.head import Usage


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What one run showed.

    Attributes:
        peer: the backend's name.
        is_ours: whether it is the one that has targets.
        workload: the workload's name.
        task_count: how many task jobs it had.
        rounds: how many of them followed one another.
        job_seconds: the time that jobs alone take.
        usage: what the head used.
        calls: how often each operation of AWS was called by the head.
        throttled: how many of these calls were refused for their rate.
        submitted_at: when each task job was submitted, in milliseconds since 1970.
        stopped_at: when each of them ended.
    """

    peer: str
    is_ours: bool
    workload: str
    task_count: int
    rounds: int
    job_seconds: float
    usage: Usage
    calls: Mapping[str, int]
    throttled: Mapping[str, int]
    submitted_at: Sequence[int]
    stopped_at: Sequence[int]

    @property
    def beyond_job_seconds(self) -> float:
        """The makespan without the time that jobs alone take."""
        return self.usage.seconds - self.job_seconds

    @property
    def calls_per_task(self) -> float:
        """Calls of AWS a task job."""
        return sum(self.calls.values()) / self.task_count

    @property
    def most_submissions(self) -> int:
        """The most task jobs that were submitted within one second."""
        return most_within(self.submitted_at, 1000)

    @property
    def definitions_registered(self) -> int:
        """How many job definitions were registered."""
        return self.calls.get("RegisterJobDefinition", 0)

    @property
    def cpu_milliseconds_per_task(self) -> float:
        """CPU time of the head a task job."""
        return self.usage.cpu_seconds * 1000 / self.task_count

    @property
    def phases(self) -> dict[str, float]:
        """Where the time beyond the jobs' own went, in seconds; the phases add up to it.

        Submitting and lateness of jobs are told apart by the last submission: in a series, what
        passes between one job's end and the next submission counts as submitting.
        """
        begun, ended = self.usage.started_at, self.usage.started_at + self.usage.seconds
        first, last = min(self.submitted_at) / 1000, max(self.submitted_at) / 1000
        jobs_over = max(self.stopped_at) / 1000
        own = self.job_seconds / self.rounds
        return {
            "until first submission": first - begun,
            "submitting": last - first - own * (self.rounds - 1),
            "jobs late": jobs_over - last - own,
            "after last job": ended - jobs_over,
        }


@dataclass(frozen=True, kw_only=True)
class CrowdResult:
    """What many workflows at once showed.

    Attributes:
        peer: the backend's name.
        is_ours: whether it is the one that has targets.
        count: how many workflows there were.
        succeeded: how many of them succeeded.
        seconds: how long it took until all had ended.
        calls: how often each operation of AWS was called by their heads.
        throttled: how many of these calls were refused for their rate.
    """

    peer: str
    is_ours: bool
    count: int
    succeeded: int
    seconds: float
    calls: Mapping[str, int]
    throttled: Mapping[str, int]

    @property
    def failed(self) -> int:
        """How many workflows failed."""
        return self.count - self.succeeded

    @property
    def refused(self) -> int:
        """How many calls were refused."""
        return sum(self.throttled.values())


def most_within(times: Iterable[int], span: int) -> int:
    """Count the most events in any half-open stretch of time of a length.

    >>> most_within([0, 10, 999, 1000, 1500], 1000)
    4
    """
    ordered = sorted(times)
    most, first = 0, 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most


def difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Give the counts that were added, without the operations that were not.

    >>> difference({"SubmitJob": 5, "ListJobs": 1}, {"SubmitJob": 2, "ListJobs": 1})
    {'SubmitJob': 3}
    """
    added = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in sorted(added.items()) if count}
