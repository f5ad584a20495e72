"""Whether a workflow job that is asked to end will begin again, and its task jobs had better live.

AWS tells a container no reason with SIGTERM. A job that somebody terminates, or that ran past its
time-out, never begins again: its task jobs must be ended. One whose host is taken away may, and
its next attempt adopts the task jobs as they are; to end them would throw their work away.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from miniwdl_aws.clients import AwsClients, aws_errors

RECLAIMED = {
    "onStatusReason": "Your Spot Task was interrupted.",
    "onReason": "",
    "onExitCode": "143",
}
"""What Batch will say of a Fargate task that was taken away (AWS Fargate, "Fargate Spot
termination notices")."""

TIMEOUT_MARGIN_SECONDS = 60.0
"""How near its time-out a job counts as timed out: clocks differ, Batch is not to the second."""


def begins_again(
    clients: AwsClients, job_id: str, attempt: int, *, clock: Callable[[], float] = time.time
) -> bool:
    """Ask Batch whether this job is going to have another attempt.

    Args:
        clients: where Batch is.
        job_id: this workflow job.
        attempt: which attempt of it this is.
        clock: seconds since 1970.

    Raises:
        AwsError: Batch could not be asked.
    """
    with aws_errors("DescribeJobs", job_id):
        found = clients.batch.describe_jobs(jobs=[job_id])["jobs"]
    return bool(found) and has_another_attempt(found[0], attempt, clock())


def has_another_attempt(job: Mapping[str, Any], attempt: int, now: float) -> bool:
    """Decide by what Batch says of a job, whose host is being taken away if nothing else is known.

    Args:
        job: an element of the ``jobs`` that DescribeJobs returns.
        attempt: which attempt of it runs.
        now: seconds since 1970.
    """
    if job.get("isTerminated") or job.get("isCancelled"):
        return False
    seconds = job.get("timeout", {}).get("attemptDurationSeconds")
    started = job.get("startedAt", 0) / 1000
    if seconds and started and now - started >= seconds - TIMEOUT_MARGIN_SECONDS:
        return False
    strategy = job.get("retryStrategy", {})
    if attempt >= strategy.get("attempts", 1):
        return False
    for condition in strategy.get("evaluateOnExit", []):
        patterns = {key: value for key, value in condition.items() if key in RECLAIMED}
        if all(_matches(pattern, RECLAIMED[key]) for key, pattern in patterns.items()):
            return str(condition["action"]).upper() == "RETRY"
    return True


def _matches(pattern: str, value: str) -> bool:
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern
