"""Tests of `miniwdl_aws.status`."""

from typing import Any

import pytest

from miniwdl_aws.status import from_describe_jobs


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
