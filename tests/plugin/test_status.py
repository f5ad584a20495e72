"""Tests of `miniwdl_aws.status` and `miniwdl_aws.failures`."""

from typing import Any

import pytest

from miniwdl_aws.errors import JOB_ERRORS
from miniwdl_aws.failures import REASONS, classify
from miniwdl_aws.status import JobStatus, from_describe_jobs, lost


def described(**changes: Any) -> dict[str, Any]:
    return {"jobId": "j-1", "jobName": "n", "jobQueue": "q", "status": "FAILED", **changes}


def test_reasons_of_job_and_container_are_both_kept() -> None:
    """Batch puts half of the truth into each."""
    job = described(statusReason="Essential container in task exited", container={"reason": "OOM"})
    assert from_describe_jobs(job).reason == "Essential container in task exited; OOM"


def test_what_the_container_lacks_is_taken_from_the_last_attempt() -> None:
    """A job that is about to be retried shows its exit code and stream only in its attempts."""
    job = described(
        container={},
        attempts=[
            {"container": {"exitCode": 1, "logStreamName": "a"}},
            {"container": {"exitCode": 137, "logStreamName": "b", "reason": "killed"}},
        ],
    )
    status = from_describe_jobs(job)
    assert (status.exit_code, status.log_stream, status.reason) == (137, "b", "killed")
    assert status.attempts == 2


@pytest.mark.parametrize(
    ("status", "terminal"),
    [("SUBMITTED", False), ("RUNNING", False), ("SUCCEEDED", True), ("FAILED", True)],
)
def test_only_the_last_two_statuses_are_terminal(status: str, terminal: bool) -> None:
    """A job that is not terminal will change."""
    assert from_describe_jobs(described(status=status)).is_terminal is terminal


def failed(reason: str = "", exit_code: int | None = None, **changes: Any) -> JobStatus:
    return JobStatus(job_id="j", status="FAILED", reason=reason, exit_code=exit_code, **changes)


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (failed("Host EC2 (instance i-0123) terminated."), "spot"),
        (failed("Your Spot Task was interrupted."), "spot"),
        (failed("CannotPullContainerError: pull access denied"), "infrastructure"),
        (failed("ResourceInitializationError: failed to invoke EFS utils"), "infrastructure"),
        (failed("DockerTimeoutError: Could not transition to started"), "infrastructure"),
        (failed("Timeout waiting for network interface provisioning to complete."),
         "infrastructure"),
        (failed("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large"), "infrastructure"),
        (failed("OutOfMemoryError: Container killed due to memory usage", 137), "out_of_memory"),
        (failed("Job attempt duration exceeded timeout", 137), "timeout"),
        (failed("Essential container in task exited", 3), "command_failed"),
        (failed("Essential container in task exited", 137), "command_failed"),
        (failed("by hand", 143, is_terminated=True), "cancelled"),
        (failed("by hand", is_cancelled=True), "cancelled"),
        (failed("something nobody has seen"), "infrastructure"),
        (lost("j", "gone"), "lost"),
    ],
)  # fmt: skip
def test_a_failure_is_classified_by_what_batch_says(status: JobStatus, category: str) -> None:
    """A time-out is not an out-of-memory, and a reclaimed host is not a failed command."""
    assert classify(status) == category


def test_every_category_has_its_error() -> None:
    """The table of reasons names no category that cannot be raised."""
    assert {rule.category for rule in REASONS} <= set(JOB_ERRORS)
