"""The lifecycle's rules, with a runner that the test drives."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from miniwdl_aws.local.attempts import Attempt, retries
from miniwdl_aws.local.jobs import TRANSITIONS, Job
from miniwdl_aws.local.reasons import TIMED_OUT
from tests.local.world import World


def check_history(job: Job) -> None:
    """Hold one job's history against the lifecycle."""
    statuses = [status for status, _ in job.history]
    assert statuses[0] == "SUBMITTED"
    for before, after in itertools.pairwise(statuses):
        assert after in TRANSITIONS[before], statuses
    times = [at for _, at in job.history]
    assert times == sorted(times)
    started = [attempt for attempt in job.attempts if attempt.started_at is not None]
    assert statuses.count("RUNNING") == len(started)
    # Only a termination keeps an attempt from running, and it is the last one.
    assert len(job.attempts) - len(started) <= job.is_terminated
    for attempt in started:
        assert attempt.stopped_at is not None
        assert attempt.started_at is not None
        assert attempt.started_at <= attempt.stopped_at


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "exit", "exit", "cancel", "terminate", "advance"]),
        st.integers(0, 10_000),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(steps=STEPS, max_vcpus=st.integers(1, 4), start_delay=st.sampled_from([0.0, 1.0]))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_random_mixes_keep_the_lifecycle(
    steps: list[tuple[str, int, int]], max_vcpus: int, start_delay: float
) -> None:
    """No status goes backwards, vCPUs are never exceeded, nothing runs twice, and all jobs end."""
    world = World(max_vcpus, start_delay)
    runner = world.runner
    jobs: list[Job] = []
    for action, pick, small in steps:
        if action == "submit":
            earlier = [{"jobId": jobs[pick % len(jobs)].job_id}] if jobs and small == 3 else []
            jobs.append(world.submit(dependsOn=earlier, retryStrategy={"attempts": 1 + pick % 3}))
        elif action == "exit" and runner.running:
            runner.exit(sorted(runner.running)[pick % len(runner.running)], small // 2)
        elif action in {"cancel", "terminate"} and jobs:
            getattr(world.scheduler, action)(jobs[pick % len(jobs)], "because")
        elif action == "advance":
            runner.advance(small)
        assert 0 <= world.environment.used.vcpus <= max_vcpus
        assert len(runner.running) <= world.environment.used.vcpus
    for _ in range(500):
        runner.advance(1)
        for task_id in list(runner.running):
            runner.exit(task_id, 0)
    assert not runner.running
    assert world.environment.used.vcpus == 0
    for job in jobs:
        assert job.ended, job.history
        check_history(job)
        if job.is_terminated or job.is_cancelled:
            assert (job.status, job.status_reason) == ("FAILED", "because")


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
