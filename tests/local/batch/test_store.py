"""How jobs are found, observed and forgotten."""

from miniwdl_aws.local.batch.jobs import Job
from tests.local.world import World


def test_ended_jobs_are_forgotten_in_time() -> None:
    """Each at its own time, with the children of arrays, and from every list."""
    world = World(retention_seconds=100)
    other = world.add_queue("other")
    first, parent, second = (
        world.submit(jobName="One"),
        world.submit(jobName="array", arrayProperties={"size": 2}),
        world.submit(jobName="one", jobQueue="other"),
    )
    world.runner.advance(10)
    world.exit(first)
    world.runner.advance(10)
    for child in parent.family:
        world.exit(child)

    def ids() -> list[str]:
        world.store.expire()
        return [job.job_id for job in world.store]

    world.runner.advance(89.9)
    assert len(ids()) == 5
    world.runner.advance(0.1)
    assert first.job_id not in ids()
    assert len(ids()) == 4
    world.runner.advance(10)
    assert ids() == [second.job_id]
    for name, values in (
        ("JOB_NAME", ["*"]),
        ("JOB_DEFINITION", ["d", "*"]),
        ("AFTER_CREATED_AT", ["0"]),
        ("BEFORE_CREATED_AT", ["999999"]),
    ):
        assert world.store.filtered(world.queue, name, values) == []
    assert world.store.with_status(world.queue, "SUCCEEDED") == []
    assert world.store.filtered(other, "JOB_NAME", ["ONE"]) == [second]
    world.runner.advance(1_000_000)
    assert ids() == [second.job_id]  # it still runs


def test_an_observer_sees_every_change_once() -> None:
    """A new job, each of its statuses, the parent's and the children's."""
    world = World()
    seen: list[tuple[str, str | None, str]] = []

    def observe(job: Job, previous: str | None) -> None:
        seen.append((job.job_id.partition(":")[2] or "parent", previous, job.status))

    world.store.observe(observe)
    parent = world.submit(arrayProperties={"size": 2}, dependsOn=[{"type": "SEQUENTIAL"}])
    world.runner.advance()
    for child in parent.family:
        world.exit(child)
    steps = [("PENDING", "RUNNABLE"), ("RUNNABLE", "STARTING"), ("STARTING", "RUNNING")]
    for index in "01":
        own = [(before, after) for name, before, after in seen if name == index]
        assert own == [(None, "PENDING"), *steps, ("RUNNING", "SUCCEEDED")]
    own = [(before, after) for name, before, after in seen if name == "parent"]
    assert own == [(None, "SUBMITTED"), ("SUBMITTED", "PENDING"), ("PENDING", "SUCCEEDED")]
    assert seen[-1] == ("parent", "PENDING", "SUCCEEDED")


def test_a_queue_of_the_same_name_is_another_queue() -> None:
    """Its lists do not show the jobs of the one that was deleted."""
    world = World()
    world.submit(jobQueue=world.add_queue("again").name)
    world.queues.update_queue({"jobQueue": "again", "state": "DISABLED"})
    world.queues.delete_queue("again")
    queue = world.add_queue("again")
    assert world.store.filtered(queue, "JOB_NAME", ["*"]) == []
