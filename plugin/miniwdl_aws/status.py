"""One job as DescribeJobs shows it, decoded once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
"""In the order in which a job passes through them (AWS Batch user guide, "Job states")."""

LOST = "LOST"
"""Not a status of Batch's: the job is no longer known, or could not be asked about."""

TERMINAL = frozenset({"SUCCEEDED", "FAILED", LOST})


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """What Batch knows of a job at one moment.

    Attributes:
        job_id: its id.
        status: one of `STATUSES`, or `LOST`.
        job_name: its name.
        queue: the ARN or name of its job queue.
        reason: status reason and container reason, joined by "; ".
        exit_code: the exit code of its last attempt's container, once it ended.
        log_stream: the stream of its last attempt in ``/aws/batch/job``, once there is one.
        created_at: milliseconds since the epoch, as are the next two.
        started_at: when its last attempt started to run.
        stopped_at: when its last attempt ended.
        attempts: how many attempts have ended.
        is_cancelled: whether CancelJob ended it.
        is_terminated: whether TerminateJob ended it.
        tags: its tags.
    """

    job_id: str
    status: str
    job_name: str = ""
    queue: str = ""
    reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    created_at: int | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    attempts: int = 0
    is_cancelled: bool = False
    is_terminated: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_terminal(self) -> bool:
        """Whether the job will not change any more."""
        return self.status in TERMINAL

    @property
    def is_lost(self) -> bool:
        """Whether Batch no longer knows the job."""
        return self.status == LOST

    @property
    def succeeded(self) -> bool:
        """Whether the job ended with exit code 0."""
        return self.status == "SUCCEEDED"


def lost(job_id: str, reason: str) -> JobStatus:
    """Describe a job that Batch does not know, or could not be asked about."""
    return JobStatus(job_id=job_id, status=LOST, reason=reason)


def from_describe_jobs(job: Mapping[str, Any]) -> JobStatus:
    """Decode one element of the ``jobs`` that DescribeJobs returns."""
    container = job.get("container", {})
    attempts = job.get("attempts", [])
    last = attempts[-1].get("container", {}) if attempts else {}
    reasons = (job.get("statusReason"), container.get("reason") or last.get("reason"))
    return JobStatus(
        job_id=job["jobId"],
        status=job["status"],
        job_name=job.get("jobName", ""),
        queue=job.get("jobQueue", ""),
        reason="; ".join(reason for reason in reasons if reason),
        exit_code=container.get("exitCode", last.get("exitCode")),
        log_stream=container.get("logStreamName") or last.get("logStreamName") or "",
        created_at=job.get("createdAt"),
        started_at=job.get("startedAt"),
        stopped_at=job.get("stoppedAt"),
        attempts=len(attempts),
        is_cancelled=bool(job.get("isCancelled", False)),
        is_terminated=bool(job.get("isTerminated", False)),
        tags=dict(job.get("tags", {})),
    )
