"""What keeps jobs from starting, with time that the test sets."""

import pytest

from miniwdl_aws.local.endpoint.pacing import Pacer
from miniwdl_aws.local.execution.runs import Hold
from miniwdl_aws.local.faults import Faults
from miniwdl_aws.local.faults.placement import NO_CAPACITY, Placement
from tests.local.world import World


@pytest.fixture
def faults() -> Faults:
    return Faults(3)


def test_a_job_is_decided_on_once(faults: Faults) -> None:
    """However often it is looked at: a rule with a probability does not wear it down."""
    world = World()
    placement = Placement(faults, Pacer(), lambda: 0.0)
    jobs = [world.submit(jobName=f"j-{number}") for number in range(40)]
    assert not any(placement.hold(job) for job in jobs)
    faults.add("stuck-runnable,probability=0.5")
    first = [placement.hold(job) for job in jobs]
    assert all([placement.hold(job) for job in jobs] == first for _ in range(20))
    assert {each and each.reason for each in first} == {None, NO_CAPACITY}


def test_a_hold_ends_with_its_time_or_its_rule(faults: Faults) -> None:
    """And does not come back for the same attempt."""
    now = 0.0
    world = World()
    placement = Placement(faults, Pacer(), lambda: now)
    timed, untimed = faults.add("stuck-runnable,job=a,delay=5,reason=r", "stuck-runnable,job=b")
    short, long = (world.submit(jobName=name) for name in ("a", "b"))
    assert placement.hold(short) == Hold("r", 5)
    assert placement.hold(long) == Hold(NO_CAPACITY, None)
    now = 4.0
    assert placement.hold(short) == Hold("r", 1)
    now = 5.0
    assert placement.hold(short) is None
    faults.remove(untimed)
    assert placement.hold(long) is None
    assert faults.holds(timed)


def test_the_scheduler_waits_and_goes_on(faults: Faults) -> None:
    """A held job is at the head of its queue with the reason, then starts by itself."""
    world = World(placement=None)
    placement = Placement(faults, Pacer(), lambda: world.runner.now)
    world.scheduler._placement = placement
    faults.add("stuck-runnable,delay=5,times=1")
    held, behind = world.submit(), world.submit()
    world.runner.advance(4)
    assert (held.status, held.status_reason) == ("RUNNABLE", NO_CAPACITY)
    assert behind.status == "RUNNABLE"
    world.runner.advance(1)
    assert [held.status, behind.status] == ["RUNNING", "RUNNING"]
    assert held.status_reason is None


def test_nothing_is_kept_of_jobs_that_wait_no_longer(faults: Faults) -> None:
    """Started or cancelled, a job leaves no decision behind; each attempt gets its own."""
    now = 0.0
    world = World(max_vcpus=2)
    placement = Placement(faults, Pacer(), lambda: now)
    world.store.observe(placement.observe)
    world.scheduler._placement = placement
    faults.add("stuck-runnable,job=held", "stuck-runnable,job=again,attempt=2,delay=5")
    again = world.submit(jobName="again", retryStrategy={"attempts": 2})
    jobs = [world.submit() for _ in range(20)]
    world.runner.advance()
    for job in jobs:
        world.exit(job)
    assert {job.status for job in jobs} == {"SUCCEEDED"}
    assert placement._decided == {}
    world.exit(again, 1)
    assert (again.status, again.status_reason) == ("RUNNABLE", NO_CAPACITY)
    assert set(placement._decided) == {again.job_id}
    now = 5.0
    world.runner.advance(5)
    assert again.status == "RUNNING"
    held = world.submit(jobName="held")
    world.runner.advance()
    assert set(placement._decided) == {held.job_id}
    world.scheduler.cancel(held, "enough")
    assert placement._decided == {}
