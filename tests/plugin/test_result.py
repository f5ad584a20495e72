"""Tests of `miniwdl_aws.result` and `miniwdl_aws.console`."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from miniwdl_aws import console, errors
from miniwdl_aws.logs import LogReader
from miniwdl_aws.outcome import CallFailure, Outcome, encode
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.result import fetch_outcome, job_error
from miniwdl_aws.status import JobStatus, lost

if TYPE_CHECKING:
    from miniwdl_aws.clients import AwsClients


class FakeLogs:
    """A log stream that grows by one batch of lines at each look."""

    def __init__(self, *batches: list[str]) -> None:
        self.batches = list(batches)
        self.lines: list[str] = []

    @property
    def logs(self) -> "FakeLogs":
        return self

    def get_log_events(self, **_arguments: Any) -> dict[str, Any]:
        self.lines += self.batches.pop(0) if self.batches else []
        return {"events": [{"timestamp": 1, "message": line} for line in self.lines]}


def fetched(logs: FakeLogs, stream: str = "s") -> Outcome | None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return fetch_outcome(
        LogReader(cast("AwsClients", logs), Pacer(1000, 1000)),
        JobStatus(job_id="j", status="SUCCEEDED", log_stream=stream),
        clock=lambda: now[0],
        sleep=sleep,
    )


def test_an_outcome_that_comes_late_is_waited_for() -> None:
    """CloudWatch shows a job's last lines some seconds after its end."""
    outcome = Outcome(exit_code=0, run_dir="/mnt/efs/x")
    assert fetched(FakeLogs(["line"], [], encode(outcome))) == outcome


def test_an_outcome_that_never_comes_is_none() -> None:
    """A runner that was killed reports nothing, and the wait for it ends."""
    assert fetched(FakeLogs(["line"])) is None


def test_a_job_that_never_ran_is_not_waited_for() -> None:
    """It has no log stream."""
    assert fetched(FakeLogs(), stream="") is None


def failed(**changes: Any) -> JobStatus:
    return JobStatus(**{"job_id": "j-1", "status": "FAILED", "exit_code": 1, **changes})


CAUSE = CallFailure(
    run="call-align-3",
    message="task align failed with exit status 7",
    exit_code=7,
    stderr=("boom",),
    job_id="t-1",
    category="command_failed",
)


@pytest.mark.parametrize(
    ("status", "outcome", "expected"),
    [
        (failed(), Outcome(exit_code=1, failure=CAUSE), errors.CommandFailedError),
        (failed(), Outcome(exit_code=2, failure=CallFailure()), errors.WorkflowError),
        (failed(), None, errors.WorkflowError),
        (failed(is_terminated=True), Outcome(exit_code=1, failure=CAUSE),
         errors.JobCancelledError),
        (failed(reason="Your Spot Task was interrupted."), None, errors.SpotInterruptedError),
        (failed(reason="Job attempt duration exceeded timeout"), None, errors.JobTimeoutError),
        (failed(exit_code=None, reason="ResourceInitializationError: x"), None,
         errors.InfrastructureError),
        (failed(exit_code=None, reason="CannotPullContainerError: x"), None, errors.ImageError),
        (failed(), Outcome(exit_code=1, failure=CallFailure(category="of tomorrow")),
         errors.WorkflowError),
        (lost("j-1", "gone"), None, errors.JobLostError),
    ],
)  # fmt: skip
def test_what_batch_did_comes_first_then_what_the_runner_reported(
    status: JobStatus, outcome: Outcome | None, expected: type[errors.JobError]
) -> None:
    """A cancelled run is cancelled, whatever its calls said while they were ended."""
    assert type(job_error(status, outcome, region="us-east-1")) is expected


def test_the_failed_call_is_in_the_message() -> None:
    """Call, exit code, last lines of its standard error, and the addresses of logs."""
    error = job_error(
        failed(log_stream="d/default/1"), Outcome(exit_code=1, failure=CAUSE), region="eu-west-1"
    )
    for part in ("call-align-3", "exit code: 7", "boom", "t-1", "eu-west-1.console.aws"):
        assert part in str(error)


def test_console_addresses_escape_names_as_the_console_does() -> None:
    """CloudWatch escapes twice and writes $ for %."""
    assert console.log_url("eu-west-1", "d/default/1").endswith(
        "#logsV2:log-groups/log-group/$252Faws$252Fbatch$252Fjob/log-events/d$252Fdefault$252F1"
    )
    assert console.job_url("eu-west-1", "j").endswith("region=eu-west-1#jobs/detail/j")
    assert console.s3_url("eu-west-1", "s3://b/a b/").endswith(
        "/s3/buckets/b?region=eu-west-1&prefix=a%20b/"
    )
