"""The lifecycle's rules, with a runner that the test drives."""

from typing import Any

import pytest

from miniwdl_aws.local.batch.attempts import Attempt, retries
from miniwdl_aws.local.batch.reasons import TIMED_OUT
from tests.local.world import World


def test_an_attempt_that_takes_too_long_is_stopped() -> None:
    """It fails with the documented reason, though it ends well, and is not tried again."""
    world = World()
    job = world.submit(timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    world.runner.advance(59.9)
    task_id = world.runner.ever[0]
    assert task_id not in world.runner.stopped
    world.runner.advance(0.2)
    assert task_id in world.runner.stopped
    world.runner.exit(task_id, 0)
    world.runner.advance()
    assert (job.status, job.status_reason) == ("FAILED", TIMED_OUT)
    assert len(job.attempts) == 1


def test_a_timeout_counts_from_each_attempts_start() -> None:
    """The time of an attempt that failed is not counted against the next."""
    world = World()
    job = world.submit(timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 2})
    world.runner.advance(50)
    world.runner.exit(world.runner.ever[0], 1)
    world.runner.advance(50)
    assert job.status == "RUNNING"
    assert not world.runner.stopped
    world.runner.exit(world.runner.ever[1], 0)
    assert job.status == "SUCCEEDED"


def test_a_job_terminated_while_it_starts_ends() -> None:
    """It never runs, and gives back its vCPUs."""
    world = World(start_delay=5)
    job = world.submit()
    world.runner.advance(1)
    assert job.status == "STARTING"
    world.scheduler.terminate(job, "stop")
    world.runner.advance(5)
    assert (job.status, job.status_reason) == ("FAILED", "stop")
    assert world.runner.ever == []
    assert world.environment.used.vcpus == 0


def test_a_terminated_job_is_not_tried_again() -> None:
    """Whatever its exit code."""
    world = World()
    job = world.submit(retryStrategy={"attempts": 5})
    world.runner.advance()
    world.scheduler.terminate(job, "first")
    world.scheduler.terminate(job, "second")
    world.runner.advance()
    world.runner.exit(world.runner.ever[0], 137)
    assert (job.status, job.status_reason, len(job.attempts)) == ("FAILED", "first", 1)


def test_a_second_queue_of_higher_priority_goes_first() -> None:
    """When vCPUs come free, its jobs start before older ones."""
    world = World(max_vcpus=1)
    world.add_queue("urgent", priority=9)
    first, second, urgent = world.submit(), world.submit(), world.submit(jobQueue="urgent")
    world.runner.advance()
    assert [job.status for job in (first, second, urgent)] == ["RUNNING", "RUNNABLE", "RUNNABLE"]
    world.runner.exit(world.runner.ever[0], 0)
    world.runner.advance()
    assert [job.status for job in (second, urgent)] == ["RUNNABLE", "RUNNING"]


SPOT = {"onStatusReason": "Host EC2*", "action": "RETRY"}
EXIT = {"onReason": "*", "action": "EXIT"}


@pytest.mark.parametrize(
    ("conditions", "attempt", "expected"),
    [
        ([], {"exit_code": 1}, True),
        ([SPOT, EXIT], {"status_reason": "Host EC2 (instance i-1) terminated."}, True),
        ([SPOT, EXIT], {"status_reason": "Essential container in task exited"}, False),
        ([SPOT], {"status_reason": "Essential container in task exited"}, True),
        ([{"onExitCode": "137", "action": "exit"}], {"exit_code": 137}, False),
        ([{"onExitCode": "13*", "action": "EXIT"}], {"exit_code": 137}, False),
        ([{"onExitCode": "13", "action": "EXIT"}], {"exit_code": 137}, True),
        ([{"onExitCode": "1", "onReason": "x", "action": "EXIT"}], {"exit_code": 1}, True),
    ],
)
def test_exit_conditions(
    conditions: list[dict[str, str]], attempt: dict[str, Any], *, expected: bool
) -> None:
    """All patterns of a condition must match; a trailing star matches the rest; else retry."""
    last = Attempt("t", "arn", **attempt)
    strategy = {"attempts": 2, "evaluateOnExit": conditions}
    assert retries(strategy, 1, last) is expected
    assert retries(strategy, 2, last) is False
    assert retries(None, 1, last) is False
