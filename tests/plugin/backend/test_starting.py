"""Tests of `miniwdl_aws.backend.starting`."""

import logging
import threading
from typing import Any

import pytest

from miniwdl_aws.backend.queues import ComputeEnvironment, JobQueue, Queues
from miniwdl_aws.backend.starting import (
    SCALE_UP_SECONDS,
    Explanation,
    Patience,
    StartingJob,
    StartWatch,
    Wait,
    explain,
    is_given_up,
)
from miniwdl_aws.status import JobStatus

QUEUE = JobQueue(name="q")


def environment(**changes: Any) -> ComputeEnvironment:
    return ComputeEnvironment(**{"name": "ce", "max_vcpus": 16, **changes})


@pytest.mark.parametrize(
    ("reason", "environments", "text", "blocked", "scaling"),
    [
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - m5", [environment()], "no capacity", True,
         False),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x", [environment()], "cannot be placed", True,
         False),
        ("ACTION_REQUIRED - x", [environment()], "cannot be placed", True, False),
        ("UNDETERMINED - x", [environment()], "for its queue (UNDETERMINED", False, False),
        ("", [environment(enabled=False)], "takes jobs (ce: disabled)", True, False),
        ("", [environment(valid=False, status_reason="role gone")], "ce: invalid, role gone", True,
         False),
        ("", [environment(enabled=False), environment()], "no instance has been started", False,
         False),
        ("", [environment(max_vcpus=4)], "of job queue q has more than 4", True, False),
        ("", [environment(desired_vcpus=16)], "all 16 CPUs of its queue are in use", False, True),
        ("", [environment(desired_vcpus=4)], "has 4 CPUs, in use or being started", False, True),
        ("", [environment()], "no instance has been started", False, False),
        ("", [], "why is not known", False, False),
    ],
)  # fmt: skip
def test_a_job_that_does_not_start_is_explained(
    reason: str, environments: list[ComputeEnvironment], text: str, blocked: bool, scaling: bool
) -> None:
    """What Batch says comes first, then what its compute environments show."""
    status = JobStatus(job_id="j", status="RUNNABLE", reason=reason)
    found = explain(status, 8, QUEUE, environments)
    assert (found.blocked, found.scaling) == (blocked, scaling)
    assert text in found.text


def test_a_disabled_queue_is_mentioned() -> None:
    """Jobs that are in it already may still run, so it is a note and no end."""
    status = JobStatus(job_id="j", status="RUNNABLE")
    found = explain(status, 1, JobQueue(name="q", enabled=False), [environment()])
    assert "job queue q is disabled" in found.text
    assert not found.blocked


BLOCKED = Explanation(text="x", blocked=True)
SCALING = Explanation(text="x", scaling=True)
IDLE = Explanation(text="x")


@pytest.mark.parametrize(
    ("wait", "timeout", "found", "given_up"),
    [
        (Wait(seconds=10**6, idle_seconds=10**6), 0, BLOCKED, False),
        (Wait(seconds=599, idle_seconds=599), 600, BLOCKED, False),
        (Wait(seconds=600, idle_seconds=0, queue_is_busy=True), 600, BLOCKED, True),
        (Wait(seconds=600, idle_seconds=600), 600, IDLE, True),
        (Wait(seconds=10**6, idle_seconds=599), 600, IDLE, False),
        (Wait(seconds=10**6, idle_seconds=10**6, queue_is_busy=True), 600, IDLE, False),
        (Wait(seconds=600, idle_seconds=600), 600, SCALING, False),
        (Wait(seconds=10**6, idle_seconds=SCALE_UP_SECONDS), 600, SCALING, True),
        (Wait(seconds=10**6, idle_seconds=10**6, queue_is_busy=True), 600, SCALING, False),
    ],
)
def test_good_jobs_are_not_given_up(
    wait: Wait, timeout: float, found: Explanation, given_up: bool
) -> None:
    """Neither before the time, nor while others run or move, nor while instances start."""
    assert is_given_up(wait, timeout, found) is given_up


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watch_of(batch: Any, retry: Any, clock: Clock, pressed: list[str], **options: float) -> Any:
    return StartWatch(
        batch,
        Queues(batch, retry),
        retry,
        pressed.append,
        Patience(explain_after_seconds=300, period_seconds=3600, **options),
        clock,
    )


def submitted(batch: Any, queue: str = "spot") -> StartingJob:
    batch.hold = True
    job_id = batch.submit_job(jobName="n", jobQueue=queue)["jobId"]
    return StartingJob(job_id=job_id, queue=queue, vcpus=8, logger=logging.getLogger("task"))


def test_a_job_is_explained_once_and_again_when_that_changes(
    batch: Any, retry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is asked before the time; the log has one line for each reason."""
    clock, job = Clock(), submitted(batch)
    watch = watch_of(batch, retry, clock, [])
    with watch.watching(job):
        calls = len(batch.calls)
        clock.now = 299
        watch.check()
        assert len(batch.calls) == calls
        for clock.now in (300, 400):
            watch.check()
        assert caplog.text.count("no instance has been started") == 1
        batch.environments["spot-environment"]["computeResources"]["desiredvCpus"] = 64
        watch.check()
    assert "has 64 CPUs" in caplog.text
    assert batch.calls.count("CancelJob") == 0
    calls = len(batch.calls)
    watch.check()
    assert len(batch.calls) == calls


def test_a_job_that_has_started_is_let_go(batch: Any, retry: Any) -> None:
    """It is not asked about again."""
    clock, job = Clock(), submitted(batch)
    watch = watch_of(batch, retry, clock, [], timeout_seconds=600)
    batch.jobs[job.job_id].description["status"] = "RUNNING"
    with watch.watching(job):
        clock.now = 10**6
        watch.check()
        calls = len(batch.calls)
        watch.check()
        assert len(batch.calls) == calls
    assert "CancelJob" not in batch.calls


def test_a_job_that_waits_in_vain_is_given_up(batch: Any, retry: Any) -> None:
    """It is cancelled with the explanation, and asked about at once; a busy queue spares it."""
    clock, job, other, pressed = Clock(), submitted(batch), submitted(batch), []  # type: ignore[var-annotated]
    watch = watch_of(batch, retry, clock, pressed, timeout_seconds=600)
    batch.jobs[other.job_id].description["status"] = "RUNNING"
    with watch.watching(job):
        clock.now = 10**6
        watch.check()
        assert not pressed
        batch.jobs[other.job_id].description["status"] = "SUCCEEDED"
        watch.check()
    assert pressed == [job.job_id]
    reason = batch.jobs[job.job_id].description["statusReason"]
    assert reason == (
        "miniwdl-aws: not started within 600 s: no instance has been started for its queue"
    )


def test_who_stands_behind_a_blocked_job_gets_its_time_anew(batch: Any, retry: Any) -> None:
    """The job that blocks its queue is given up, and those behind it are not for its sake."""
    clock, behind, blocked, pressed = Clock(), submitted(batch), submitted(batch), []  # type: ignore[var-annotated]
    watch = watch_of(batch, retry, clock, pressed, timeout_seconds=600)
    reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x"
    batch.jobs[blocked.job_id].description["statusReason"] = reason
    with watch.watching(behind), watch.watching(blocked):
        clock.now = 1000
        watch.check()
        assert pressed == [blocked.job_id]
        for clock.now in (1100, 1699):
            watch.check()
        assert pressed == [blocked.job_id]
        clock.now = 1700
        watch.check()
    assert pressed == [blocked.job_id, behind.job_id]


def test_one_thread_looks_after_all_and_ends_with_the_last(batch: Any, retry: Any) -> None:
    """It is there while jobs are, and a failing request does not end it."""
    clock = Clock()
    watch = watch_of(batch, retry, clock, [])

    def threads() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == "miniwdl-aws-starting"}

    before = threads()  # those of other tests may be about to end
    with watch.watching(submitted(batch)), watch.watching(submitted(batch)):
        (thread,) = watch._threads
        assert threads() - before == {thread}
    thread.join(10)
    assert not thread.is_alive()
