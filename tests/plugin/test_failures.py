"""Tests of `miniwdl_aws.failures`: the table of what failed a job."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.errors import JOB_ERRORS
from miniwdl_aws.failures import NOT_STARTED, RULES, Budget, classify, judge
from miniwdl_aws.status import JobStatus, lost

DOCUMENTED = Path(__file__).parent.parent.parent / "docs" / "backend.md"


def failed(reason: str = "", exit_code: int | None = None, **changes: bool) -> JobStatus:
    return JobStatus(job_id="j", status="FAILED", reason=reason, exit_code=exit_code, **changes)  # type: ignore[arg-type]


EXITED = "Essential container in task exited"
DAEMON = "Error response from daemon"

CASES = [
    (lost("j", "gone"), "lost", "lost", Budget.INFRASTRUCTURE),
    (failed(f"{NOT_STARTED} 600 s: queue q is disabled", is_cancelled=True), "not started",
     "infrastructure", Budget.FALLBACK),
    (failed("Canceled by JobStateTimeLimit action due to reason: "
            "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", is_cancelled=True), "not started",
     "infrastructure", Budget.FALLBACK),
    (failed("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large"), "not started",
     "infrastructure", Budget.FALLBACK),
    (failed("Job attempt duration exceeded timeout", 137), "time-out", "timeout", Budget.RETRIES),
    (failed("Job attempt duration exceeded timeout", 137, is_terminated=True), "time-out",
     "timeout", Budget.RETRIES),
    (failed("by hand", 143, is_terminated=True), "ended", "cancelled", Budget.NONE),
    (failed("by hand", is_cancelled=True), "ended", "cancelled", Budget.NONE),
    (failed(f"{EXITED}; OutOfMemoryError: Container killed due to memory usage", 137), "memory",
     "out_of_memory", Budget.MEMORY),
    (failed("Host EC2 (instance i-0123) terminated."), "EC2 host reclaimed", "spot",
     Budget.PREEMPTIBLE),
    (failed("Your Spot Task was interrupted."), "Fargate spot", "spot", Budget.PREEMPTIBLE),
    (failed(f"Task failed to start; CannotPullContainerError: {DAEMON}: manifest for x:1 not "
            "found: manifest unknown"), "no such image", "image", Budget.NONE),
    (failed(f"CannotPullContainerError: {DAEMON}: pull access denied for x, repository does not "
            "exist or may require 'docker login'"), "no such image", "image", Budget.NONE),
    (failed("CannotPullContainerError: ref pull has been retried 1 time(s): failed to resolve "
            "reference: unexpected status code: 403 Forbidden"), "no such image", "image",
     Budget.NONE),
    (failed("CannotPullContainerError: pull image manifest has been retried 5 time(s): dial tcp "
            "1.2.3.4:443: i/o timeout"), "image not pulled", "image", Budget.INFRASTRUCTURE),
    (failed("CannotPullContainerError: failed to resolve ref x/tool:404: dial tcp: lookup x: no "
            "such host"), "image not pulled", "image", Budget.INFRASTRUCTURE),
    (failed("CannotPullContainerError: API error (404): repository x/y not there"),
     "no such image", "image", Budget.NONE),
    (failed(f"CannotPullContainerError: {DAEMON}: toomanyrequests: You have reached your pull rate "
            "limit"), "image not pulled", "image", Budget.INFRASTRUCTURE),
    (failed(f'CannotStartContainerError: {DAEMON}: runc create failed: exec: "/bin/sh": stat '
            "/bin/sh: no such file or directory"), "image cannot run", "image", Budget.NONE),
    (failed("exec /bin/sh: exec format error", 255), "image cannot run", "image", Budget.NONE),
    (failed("ResourceInitializationError: failed to invoke EFS utils commands"), "resources",
     "infrastructure", Budget.INFRASTRUCTURE),
    (failed("Timeout waiting for network interface provisioning to complete."), "resources",
     "infrastructure", Budget.INFRASTRUCTURE),
    (failed("DockerTimeoutError: Could not transition to started"), "container engine",
     "infrastructure", Budget.INFRASTRUCTURE),
    (failed("Host EC2 (instance i-0123) stopped."), "host", "infrastructure",
     Budget.INFRASTRUCTURE),
    (failed("something nobody has seen"), "never ran", "infrastructure", Budget.INFRASTRUCTURE),
    (failed(EXITED, 3), "command", "command_failed", Budget.RETRIES),
    (failed(EXITED, 137), "command", "command_failed", Budget.RETRIES),
]  # fmt: skip


@pytest.mark.parametrize(("status", "rule", "category", "budget"), CASES)
def test_a_failure_is_judged_by_what_batch_says(
    status: JobStatus, rule: str, category: str, budget: Budget
) -> None:
    """A time-out is not an out-of-memory, and a missing image not a passing failure of AWS."""
    found = judge(status)
    assert (found.name, found.category, found.budget) == (rule, category, budget)
    assert classify(status) == category


def test_every_row_is_reached() -> None:
    """No row stands behind one that takes all of its cases."""
    assert {rule for _, rule, _, _ in CASES} == {rule.name for rule in RULES}


@given(
    reason=st.text()
    | st.lists(st.sampled_from([status.reason for status, *_ in CASES])).map("; ".join),
    exit_code=st.none() | st.integers(0, 255),
    ended=st.tuples(st.booleans(), st.booleans()),
    is_lost=st.booleans(),
)
def test_the_table_is_total(
    reason: str, exit_code: int | None, ended: tuple[bool, bool], is_lost: bool
) -> None:
    """Whatever Batch says, one row applies; a lost job is never taken for anything else."""
    status = JobStatus(
        job_id="j",
        status="LOST" if is_lost else "FAILED",
        reason=reason,
        exit_code=exit_code,
        is_cancelled=ended[0],
        is_terminated=ended[1],
    )
    rule = judge(status)
    assert rule.category in JOB_ERRORS
    assert (rule.category == "lost") is is_lost
    assert exit_code is not None or rule.category != "command_failed"


BUDGETS = {
    Budget.PREEMPTIBLE: "preemptible",
    Budget.INFRASTRUCTURE: "infrastructure",
    Budget.MEMORY: "memory",
    Budget.FALLBACK: "the fallback queue",
    Budget.RETRIES: "maxRetries",
    Budget.NONE: "nothing",
}


def test_the_table_is_documented_as_it_is() -> None:
    """The page has its rows in their order, with category, budget and growing waits."""
    table = DOCUMENTED.read_text().split("<!-- failures -->")[1]
    shown = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
        if line.startswith("| ") and not line.startswith("| row")
    ]
    assert [(row[0], row[2], row[3], "twice as long" in row[4]) for row in shown] == [
        (
            rule.name,
            rule.category.replace("timeout", "time-out").replace("_", " "),
            BUDGETS[rule.budget],
            rule.backs_off,
        )
        for rule in RULES
    ]
