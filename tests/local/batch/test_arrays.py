"""Array jobs: a parent and its children, from submission to the end."""

from typing import Any

import pytest

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.errors import BatchError
from miniwdl_aws.local.execution.tasks import own_variables
from tests.local.world import World


def children(parent: Job) -> list[Job]:
    assert parent.children is not None
    return parent.children.jobs


def statuses(parent: Job) -> list[str]:
    return [child.status for child in children(parent)]


def array(world: World, size: int = 3, **more: Any) -> Job:
    return world.submit(arrayProperties={"size": size}, **more)


def test_the_parent_is_pending_until_its_children_have_ended() -> None:
    """Its summary counts them by status, and its own end follows the last of theirs."""
    world = World(max_vcpus=2)
    parent = array(world)
    assert parent.status == "PENDING"
    world.runner.advance()
    assert statuses(parent) == ["RUNNING", "RUNNING", "RUNNABLE"]
    summary = parent.describe()["arrayProperties"]["statusSummary"]
    assert summary == {
        **dict.fromkeys(["SUBMITTED", "PENDING", "STARTING", "SUCCEEDED", "FAILED"], 0),
        "RUNNING": 2,
        "RUNNABLE": 1,
    }
    world.runner.advance(5)
    for child in children(parent):
        assert parent.status == "PENDING"
        world.exit(child)
    assert (parent.status, parent.status_reason, parent.stopped_at) == ("SUCCEEDED", None, 5000)
    assert [status for status, _ in parent.history] == ["SUBMITTED", "PENDING", "SUCCEEDED"]
    assert [status for status, _ in children(parent)[0].history] == [
        *("PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED")
    ]


def test_one_failed_child_fails_the_parent_after_all_have_ended() -> None:
    """The others run on, and the reason is Batch's."""
    world = World()
    parent = array(world)
    world.runner.advance()
    for child, code in zip(children(parent), (1, 0, 0), strict=True):
        assert parent.status == "PENDING"
        world.exit(child, code)
    assert (parent.status, parent.status_reason) == ("FAILED", "Array Child Job failed")


def test_each_child_is_tried_again_by_itself() -> None:
    """The retry strategy and the time-out of an array are those of every child."""
    world = World()
    parent = array(world, 2, retryStrategy={"attempts": 2}, timeout={"attemptDurationSeconds": 60})
    world.runner.advance()
    first, second = children(parent)
    world.exit(first, 1)
    assert (first.status, len(first.attempts), second.status) == ("RUNNING", 1, "RUNNING")
    world.runner.advance(61)
    for child in (first, second):
        world.exit(child, 0)
        assert child.status_reason == "Job attempt duration exceeded timeout"


def test_children_know_their_index() -> None:
    """In their id, in what DescribeJobs and ListJobs say, and in their environment."""
    world = World()
    parent = array(world, 2)
    world.runner.advance()
    for index, child in enumerate(children(parent)):
        assert child.job_id == f"{parent.job_id}:{index}"
        assert child.arn == f"{parent.arn}:{index}"
        assert child.describe()["arrayProperties"] == {"index": index}
        assert child.summary()["arrayProperties"] == {"index": index}
        assert own_variables(child) == {
            "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
            "AWS_BATCH_JOB_ARRAY_SIZE": "2",
        }
    assert own_variables(world.submit()) == own_variables(parent) == {}


def test_sequential_children_run_one_after_another() -> None:
    """Child i waits for child i-1, and fails with it."""
    world = World()
    parent = array(world, dependsOn=[{"type": "SEQUENTIAL"}])
    world.runner.advance()
    assert statuses(parent) == ["RUNNING", "PENDING", "PENDING"]
    world.exit(children(parent)[0])
    assert statuses(parent) == ["SUCCEEDED", "RUNNING", "PENDING"]
    world.exit(children(parent)[1], 1)
    assert statuses(parent) == ["SUCCEEDED", "FAILED", "FAILED"]
    assert children(parent)[2].status_reason == "Dependent Job failed"
    assert parent.status == "FAILED"


def test_n_to_n_children_wait_for_their_counterparts() -> None:
    """Child i of one array waits for child i of the other, and only for it."""
    world = World(max_vcpus=10)
    one = array(world)
    two = array(world, dependsOn=[{"jobId": one.job_id, "type": "N_TO_N"}])
    world.runner.advance()
    assert statuses(two) == ["PENDING"] * 3
    world.exit(children(one)[1])
    assert statuses(two) == ["PENDING", "RUNNING", "PENDING"]
    world.exit(children(one)[0], 1)
    assert statuses(two) == ["FAILED", "RUNNING", "PENDING"]
    world.exit(children(one)[2])
    assert statuses(two) == ["FAILED", "RUNNING", "RUNNING"]


def test_a_job_can_wait_for_a_whole_array_or_for_one_child() -> None:
    """The parent's id means all children, a child's id that one."""
    world = World(max_vcpus=10)
    parent = array(world, 2)
    of_all = world.submit(dependsOn=[{"jobId": parent.job_id}])
    of_one = world.submit(dependsOn=[{"jobId": f"{parent.job_id}:1"}])
    world.runner.advance()
    world.exit(children(parent)[1])
    assert (of_all.status, of_one.status) == ("PENDING", "RUNNING")
    world.exit(children(parent)[0])
    assert of_all.status == "RUNNING"


def test_an_array_waits_for_what_it_depends_on() -> None:
    """No child starts before; if the dependency fails, all fail."""
    world = World(max_vcpus=10)
    good, bad = world.submit(), world.submit()
    after_good, after_bad = (array(world, 2, dependsOn=[{"jobId": j.job_id}]) for j in (good, bad))
    world.runner.advance()
    assert statuses(after_good) == statuses(after_bad) == ["PENDING", "PENDING"]
    world.exit(good)
    world.exit(bad, 1)
    assert statuses(after_good) == ["RUNNING", "RUNNING"]
    assert statuses(after_bad) == ["FAILED", "FAILED"]
    assert (after_bad.status, after_bad.status_reason) == ("FAILED", "Dependent Job failed")


def test_terminating_the_parent_ends_every_child() -> None:
    """Those that run are stopped, those that wait end at once, none is tried again."""
    world = World(max_vcpus=1)
    parent = array(world, retryStrategy={"attempts": 3})
    world.runner.advance()
    world.scheduler.terminate(parent, "enough")
    world.runner.advance()
    assert statuses(parent) == ["RUNNING", "FAILED", "FAILED"]
    assert parent.status == "PENDING"
    running = children(parent)[0]
    assert running.attempt is not None
    assert running.attempt.task_id in world.runner.stopped
    world.exit(running, 137)
    assert (parent.status, parent.status_reason) == ("FAILED", "enough")
    assert {child.status_reason for child in children(parent)} == {"enough"}
    assert parent.is_terminated
    assert all(child.is_terminated for child in children(parent))


def test_terminating_a_child_ends_that_child() -> None:
    """The others run on, and the parent fails with them all."""
    world = World()
    parent = array(world)
    world.runner.advance()
    world.scheduler.terminate(children(parent)[0], "you")
    world.runner.advance()
    world.exit(children(parent)[0], 143)
    assert statuses(parent) == ["FAILED", "RUNNING", "RUNNING"]
    world.exit(children(parent)[1])
    world.exit(children(parent)[2])
    assert (parent.status, parent.is_terminated) == ("FAILED", False)


def test_cancelling_the_parent_ends_the_children_that_have_not_started() -> None:
    """Those that run go on, and the parent ends, cancelled, after them."""
    world = World(max_vcpus=1)
    parent = array(world)
    world.runner.advance()
    world.scheduler.cancel(parent, "enough")
    world.runner.advance()
    assert statuses(parent) == ["RUNNING", "FAILED", "FAILED"]
    assert [child.is_cancelled for child in children(parent)] == [False, True, True]
    world.exit(children(parent)[0])
    assert children(parent)[0].status == "SUCCEEDED"
    assert (parent.status, parent.status_reason) == ("FAILED", "enough")
    assert (parent.is_cancelled, parent.is_terminated) == (True, False)


def test_cancelling_sequential_children_waits_for_the_one_that_runs() -> None:
    """A PENDING child is cancelled once what it depends on has ended."""
    world = World()
    parent = array(world, dependsOn=[{"type": "SEQUENTIAL"}])
    world.runner.advance()
    world.scheduler.cancel(parent, "enough")
    world.runner.advance()
    assert statuses(parent) == ["RUNNING", "PENDING", "PENDING"]
    world.exit(children(parent)[0])
    assert statuses(parent) == ["SUCCEEDED", "FAILED", "FAILED"]
    assert {child.status_reason for child in children(parent)[1:]} == {"enough"}


@pytest.mark.parametrize("action", ["cancel", "terminate"])
def test_an_array_that_waits_for_another_job_can_be_ended(action: str) -> None:
    """Terminated at once; cancelled once what it depends on has ended."""
    world = World()
    first = world.submit()
    parent = array(world, dependsOn=[{"jobId": first.job_id}])
    world.runner.advance()
    getattr(world.scheduler, action)(parent, "enough")
    world.runner.advance()
    assert parent.status == ("PENDING" if action == "cancel" else "FAILED")
    world.exit(first)
    assert (parent.status, parent.status_reason) == ("FAILED", "enough")
    assert statuses(parent) == ["FAILED"] * 3


@pytest.mark.parametrize("size", [2, 10_000])
def test_an_array_has_from_2_to_10000_children(size: int) -> None:
    """Both edges are taken, and cost little."""
    world = World(max_vcpus=10_000)
    parent = array(world, size)
    world.runner.advance()
    assert len(world.runner.running) == size
    assert parent.describe()["arrayProperties"]["size"] == size


@pytest.mark.parametrize("size", [1, 10_001])
def test_other_sizes_are_refused(size: int) -> None:
    """With the limits in the message."""
    with pytest.raises(BatchError, match="from 2 to 10000"):
        array(World(), size)


def test_dependencies_that_make_no_sense_are_refused() -> None:
    """Types are for arrays, SEQUENTIAL names no job, N_TO_N an array of the same size."""
    world = World()
    alone, three = world.submit().job_id, array(world, 3).job_id

    def refusal(dependency: dict[str, str], **more: Any) -> str:
        with pytest.raises(BatchError) as caught:
            world.submit(dependsOn=[dependency], **more)
        return caught.value.message

    four: dict[str, Any] = {"arrayProperties": {"size": 4}}
    assert "array jobs only" in refusal({"type": "SEQUENTIAL"})
    assert "array jobs only" in refusal({"type": "N_TO_N", "jobId": three})
    assert "takes no jobId" in refusal({"type": "SEQUENTIAL", "jobId": three}, **four)
    assert "same size 4" in refusal({"type": "N_TO_N", "jobId": three}, **four)
    assert "is no array job" in refusal({"type": "N_TO_N", "jobId": alone}, **four)
    assert "nobody" in refusal({"type": "N_TO_N", "jobId": "nobody"}, **four)
    assert "does not exist" in refusal({}, **four)
    assert "must be N_TO_N or SEQUENTIAL" in refusal({"type": "ALL", "jobId": three}, **four)
