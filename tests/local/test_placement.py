"""Which job starts where and when: sizes, states, orders, blocked queues, fair shares."""

from typing import Any

import pytest

from miniwdl_aws.local.batch import resources
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.resources import Resources, instance_sizes
from miniwdl_aws.local.errors import BatchError
from miniwdl_aws.local.execution.runs import AtOnce, Hold
from miniwdl_aws.local.execution.tasks import own_variables
from tests.local.world import World

MAX_RESOURCE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
JOB_RESOURCE = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"


def statuses(*jobs: Job) -> list[str]:
    return [job.status for job in jobs]


def test_memory_is_counted() -> None:
    """The pool has the memory that its instance types bring with its vCPUs."""
    world = World(max_vcpus=4, instanceTypes=["c5.xlarge"])  # 4 vCPUs, 8 GiB
    world.define("large", memory=5000)
    world.define("small", memory=3000)
    jobs = [world.submit(jobDefinition=name) for name in ("large", "large", "small")]
    world.runner.advance()
    assert statuses(*jobs) == ["RUNNING", "RUNNABLE", "RUNNABLE"]  # in their order
    world.exit(jobs[0])
    assert statuses(*jobs[1:]) == ["RUNNING", "RUNNING"]
    assert world.environment.used == Resources(2, 8000)


def test_gpus_are_counted_and_shown_to_the_job() -> None:
    """A job that asks for some gets their numbers, and waits while others hold them."""
    world = World(max_vcpus=4, instanceTypes=["g4dn"])  # 1 GPU with 4 vCPUs
    needs = {"containerOverrides": {"resourceRequirements": [{"type": "GPU", "value": "1"}]}}
    first, second, none = world.submit(**needs), world.submit(**needs), world.submit()
    world.runner.advance()
    assert statuses(first, second, none) == ["RUNNING", "RUNNABLE", "RUNNABLE"]
    assert own_variables(first) == {"NVIDIA_VISIBLE_DEVICES": "0"}
    world.exit(first)
    assert statuses(second, none) == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"vcpus": 9}, MAX_RESOURCE),
        ({"memory": 17 * 1024}, JOB_RESOURCE),
        ({"vcpus": 8, "memory": 16 * 1024}, None),
    ],
)
def test_a_job_that_fits_nowhere_says_why(wanted: dict[str, int], code: str | None) -> None:
    """It stays RUNNABLE with the documented reason and blocks its queue."""
    world = World(max_vcpus=8, instanceTypes=["c5.large", "c5.2xlarge"])
    world.define("wanted", **wanted)
    job, behind = world.submit(jobDefinition="wanted"), world.submit()
    world.runner.advance(86_400)
    assert job.status == ("RUNNING" if code is None else "RUNNABLE")
    assert (job.status_reason or "").partition(" - ")[0] == (code or "")
    assert behind.status == "RUNNABLE"
    world.scheduler.cancel(job, "too large")
    if job.attempt:
        world.exit(job)
    world.runner.advance()
    assert behind.status == "RUNNING"


def test_gpus_that_no_instance_has_are_a_reason() -> None:
    """As is memory that the pool could not have with its vCPUs, though an instance has it."""
    world = World(max_vcpus=4)
    gpu = [{"type": "GPU", "value": "1"}]
    job = world.submit(containerOverrides={"resourceRequirements": gpu})
    world.runner.advance()
    assert (job.status_reason or "").startswith(JOB_RESOURCE)
    world.scheduler.cancel(job, "no")
    world.define("wide", memory=33 * 1024)
    job = world.submit(jobDefinition="wide")
    world.runner.advance()
    assert (job.status_reason or "").startswith(MAX_RESOURCE)


def test_fargate_counts_vcpus_alone() -> None:
    """Its memory comes with each job."""
    world = World()
    resources = {"type": "FARGATE", "maxvCpus": 2}
    world.queues.create_environment(
        {"computeEnvironmentName": "f", "type": "MANAGED", "computeResources": resources}
    )
    order = [{"order": 1, "computeEnvironment": "f"}]
    world.add_queue("fargate", computeEnvironmentOrder=order)
    wanted = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "8192"}]
    world.definitions.register(
        {
            "jobDefinitionName": "fargate",
            "type": "container",
            "platformCapabilities": ["FARGATE"],
            "containerProperties": {
                "image": "i",
                "command": ["true"],
                "executionRoleArn": "r",
                "resourceRequirements": wanted,
            },
        }
    )
    jobs = [world.submit(jobQueue="fargate", jobDefinition="fargate") for _ in range(3)]
    world.runner.advance()
    assert statuses(*jobs) == ["RUNNING", "RUNNING", "RUNNABLE"]
    assert jobs[2].status_reason is None


def test_a_larger_environment_unblocks_its_queue() -> None:
    """The reason goes away, and the job starts."""
    world = World(max_vcpus=1)
    world.define("two", vcpus=2)
    first, job = world.submit(), world.submit(jobDefinition="two")
    world.runner.advance()
    assert (job.status_reason or "").startswith(MAX_RESOURCE)
    request = {"computeEnvironment": "e", "computeResources": {"maxvCpus": 2}}
    world.queues.update_environment(request)
    world.scheduler.reschedule()
    world.runner.advance()
    assert (job.status, job.status_reason) == ("RUNNABLE", None)
    world.exit(first)
    assert job.status == "RUNNING"


def time_limit(reason: str, seconds: int = 600) -> list[dict[str, Any]]:
    return [{"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": seconds, "action": "CANCEL"}]


def test_a_queue_cancels_what_blocks_it_for_too_long() -> None:
    """After its time limit for that reason, with the documented words, and the next goes on."""
    world = World()
    world.add_queue("limited", jobStateTimeLimitActions=time_limit(MAX_RESOURCE))
    world.define("large", vcpus=5)
    world.define("huge", memory=2000 * 1024)
    large, huge = (
        world.submit(jobQueue="limited", jobDefinition=name) for name in ("large", "huge")
    )
    world.runner.advance(599)
    assert large.status == "RUNNABLE"
    world.runner.advance(2)
    assert (large.status, large.is_cancelled) == ("FAILED", True)
    assert large.status_reason == (
        f"Canceled by JobStateTimeLimit action due to reason: {MAX_RESOURCE}"
    )
    world.runner.advance(86_400)
    assert huge.status == "RUNNABLE"  # its reason has no time limit


class NoCapacity(AtOnce):
    """As if EC2 had no instances."""

    def hold(self, job: Job) -> Hold | None:
        return Hold(f"{CAPACITY} - Service cannot fulfill the capacity requested")


def test_a_queue_cancels_what_gets_no_capacity_for_too_long() -> None:
    """As it does what fits nowhere; each job that comes to the head has its own time."""
    world = World(placement=NoCapacity())
    world.add_queue("limited", jobStateTimeLimitActions=time_limit(CAPACITY))
    jobs = [world.submit(jobQueue="limited") for _ in range(2)]
    world.runner.advance(601)
    assert statuses(*jobs) == ["FAILED", "RUNNABLE"]
    world.runner.advance(600)
    assert jobs[1].status_reason == (
        f"Canceled by JobStateTimeLimit action due to reason: {CAPACITY}"
    )


def test_a_time_limit_that_is_set_later_counts_from_when_the_job_blocked() -> None:
    """And one that is taken away no longer counts."""
    world = World()
    world.define("large", vcpus=5)
    job = world.submit(jobDefinition="large")
    world.runner.advance(500)

    def update(actions: list[dict[str, Any]]) -> None:
        world.queues.update_queue({"jobQueue": "q", "jobStateTimeLimitActions": actions})
        world.scheduler.reschedule()

    update(time_limit(MAX_RESOURCE))
    world.runner.advance(50)
    update([])
    world.runner.advance(500)
    assert job.status == "RUNNABLE"
    update(time_limit(MAX_RESOURCE))
    world.runner.advance(1)
    assert job.status == "FAILED"


@pytest.mark.parametrize(
    "change",
    [
        {"maxTimeSeconds": 599},
        {"maxTimeSeconds": 86_401},
        {"action": "TERMINATE"},
        {"state": "RUNNING"},
        {"reason": "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS"},
    ],
)
def test_time_limits_that_batch_refuses(change: dict[str, Any]) -> None:
    """Out of 600 to 86,400 seconds, another action, state or reason."""
    world = World()
    actions = [{**time_limit(JOB_RESOURCE, 86_400)[0], **change}]
    with pytest.raises(BatchError, match="jobStateTimeLimitActions"):
        world.add_queue("limited", jobStateTimeLimitActions=actions)
    world.add_queue("limited", jobStateTimeLimitActions=time_limit(JOB_RESOURCE, 86_400))


def test_environments_are_tried_in_their_order() -> None:
    """The second takes what does not fit into the first; a disabled one takes nothing."""
    world = World(max_vcpus=1)
    spot = world.queues.create_environment(
        {
            "computeEnvironmentName": "spot",
            "type": "MANAGED",
            "computeResources": {"type": "SPOT", "maxvCpus": 2},
        }
    )
    order = [{"order": 2, "computeEnvironment": "e"}, {"order": 1, "computeEnvironment": "spot"}]
    world.add_queue("both", computeEnvironmentOrder=order)
    jobs = [world.submit(jobQueue="both") for _ in range(4)]
    world.runner.advance()
    assert statuses(*jobs) == ["RUNNING", "RUNNING", "RUNNING", "RUNNABLE"]
    assert [job.environment for job in jobs] == [spot, spot, world.environment, None]
    world.queues.update_environment({"computeEnvironment": "spot", "state": "DISABLED"})
    world.exit(jobs[0])
    assert jobs[3].status == "RUNNABLE"
    world.exit(jobs[2])
    assert jobs[3].environment is world.environment


def test_a_queue_has_at_most_three_environments() -> None:
    """Three are taken, a fourth is refused."""
    world = World()
    for name in "abc":
        resources = {"type": "EC2", "maxvCpus": 1}
        request = {"computeEnvironmentName": name, "type": "MANAGED", "computeResources": resources}
        world.queues.create_environment(request)
    order = [{"order": n, "computeEnvironment": name} for n, name in enumerate("eabc")]
    world.add_queue("three", computeEnvironmentOrder=order[:3])
    with pytest.raises(BatchError, match="at most 3"):
        world.add_queue("four", computeEnvironmentOrder=order)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"type": "EC2", "maxvCpus": 0}, "maxvCpus"),
        ({"type": "EC2", "maxvCpus": 1, "instanceTypes": ["x9.none"]}, "x9.none"),
        ({"type": "FARGATE", "maxvCpus": 1, "minvCpus": 0}, "minvCpus"),
        ({"type": "FARGATE", "maxvCpus": 1, "instanceTypes": ["optimal"]}, "instanceTypes"),
        ({"type": "MAINFRAME", "maxvCpus": 1}, "MAINFRAME"),
    ],
)
def test_environments_that_batch_refuses(resources: dict[str, Any], words: str) -> None:
    """No size, an instance type that does not exist, EC2's members on Fargate."""
    request = {"computeEnvironmentName": "x", "type": "MANAGED", "computeResources": resources}
    with pytest.raises(BatchError, match=words):
        World().queues.create_environment(request)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "DISABLED"}, "ENABLED state"),
        ({"state": "ASLEEP"}, "ASLEEP"),
        ({"type": "UNMANAGED"}, "the local AWS does not do this"),
        ({"computeResources": None}, "must be provided"),
        ({"eksConfiguration": {"eksClusterArn": "a"}}, "the local AWS does not do this"),
        ({"computeEnvironmentName": "e"}, "already exists"),
    ],
)
def test_environments_that_cannot_be_made(change: dict[str, Any], words: str) -> None:
    """Not ENABLED, not managed, without resources, on EKS, of a name that is taken."""
    resources = {"type": "EC2", "maxvCpus": 1}
    request = {"computeEnvironmentName": "x", "type": "MANAGED", "computeResources": resources}
    with pytest.raises(BatchError, match=words):
        World().queues.create_environment({**request, **change})


def test_the_bundles_are_the_largest_of_their_families() -> None:
    """The numbers that spare a look into moto's table agree with it."""
    families = {"default_x86_64": ("m6i", "c6i", "r6i", "c7i"), "default_arm64": ("m6g", "c6g")}
    for bundle, names in families.items():
        for name, size in zip(names, resources.BUNDLES[bundle], strict=False):
            largest = max(instance_sizes([name]), key=lambda each: each.vcpus)
            assert size == largest, name
    assert instance_sizes(["optimal"]) == resources.BUNDLES["default_x86_64"]


class Shares:
    """A queue ``fair`` with a policy, one vCPU unless said otherwise."""

    def __init__(self, max_vcpus: int = 1, **policy: Any) -> None:
        self.world = World(max_vcpus)
        self.policy = self.world.queues.policies.create({"name": "p", "fairsharePolicy": policy})
        self.world.add_queue("fair", schedulingPolicyArn=self.policy.arn)

    def submit(self, share: str, **more: Any) -> Job:
        return self.world.submit(jobQueue="fair", shareIdentifier=share, **more)

    def run(self, seconds: float = 1) -> str:
        """End what runs after a time; return the share of what runs next."""
        self.world.runner.advance(seconds)
        (task_id,) = self.world.runner.running
        self.world.runner.exit(task_id, 0)
        self.world.runner.advance()
        return next((job.share for job in self.world.store if job.status == "RUNNING"), "")


def test_shares_take_turns() -> None:
    """However many jobs one of them has submitted before."""
    shares = Shares()
    for name in ("a", "a", "a", "a", "b", "b"):
        shares.submit(name)
    shares.world.runner.advance()
    assert [shares.run() for _ in range(5)] == ["b", "a", "b", "a", "a"]


def test_a_lower_weight_gets_more() -> None:
    """A weight of a quarter means four times the use."""
    weights = [{"shareIdentifier": "vip*", "weightFactor": 0.25}]
    shares = Shares(shareDistribution=weights)
    for _ in range(40):
        shares.submit("vip1")
        shares.submit("other")
    shares.world.runner.advance()
    turns = [shares.run() for _ in range(25)]
    assert 18 <= turns.count("vip1") <= 22


def test_the_past_counts_less() -> None:
    """After a few decay times, what a share used no longer matters."""
    shares = Shares(shareDecaySeconds=600)
    shares.submit("a")
    shares.world.runner.advance(300)
    shares.run(0)
    b = shares.submit("b")
    shares.world.runner.advance(30)
    first, second = shares.submit("a"), shares.submit("b")
    shares.world.runner.advance()
    shares.world.exit(b)
    assert statuses(first, second) == ["RUNNABLE", "RUNNING"]  # a used more lately
    shares.run(3000)  # b used more than a in those
    assert first.status == "RUNNING"


def test_shares_are_forgotten_with_what_they_used() -> None:
    """As the next new one comes: a queue may see a share identifier for each run."""
    shares = Shares(max_vcpus=2, shareDecaySeconds=600)
    for number in range(10):
        shares.submit(f"s{number}")
        shares.run(60)
    held = shares.submit("held")
    shares.world.runner.advance()
    line: Any = shares.world.queues.queue("fair").line
    assert {"s0", "s9", "held"} <= line._shares.keys()
    shares.world.runner.advance(100 * 600)
    shares.submit("new")
    shares.world.runner.advance()
    assert line._shares.keys() == {"held", "new"}
    shares.world.exit(held)


def test_the_scheduling_priority_orders_a_share() -> None:
    """The higher first, the submission's before the definition's, then the older."""
    shares = Shares()
    shares.world.define("urgent", schedulingPriority=5)
    blocker = shares.submit("a")
    shares.world.runner.advance()
    normal, urgent, most, least = (
        shares.submit("a"),
        shares.submit("a", jobDefinition="urgent"),
        shares.submit("a", schedulingPriorityOverride=9999),
        shares.submit("a", jobDefinition="urgent", schedulingPriorityOverride=0),
    )
    shares.world.runner.advance()
    assert most.describe()["schedulingPriority"] == 9999
    shares.world.exit(blocker)
    order = []
    for _ in range(4):
        running = next(job for job in (normal, urgent, most, least) if job.status == "RUNNING")
        order.append(running)
        shares.world.exit(running)
    assert order == [most, urgent, normal, least]


def test_vcpus_are_reserved_for_shares_that_are_not_active() -> None:
    """Half of all for the first, a quarter for the next, as the policy says."""
    shares = Shares(max_vcpus=8, computeReservation=50)
    a = [shares.submit("a") for _ in range(8)]
    shares.world.runner.advance()
    assert statuses(*a).count("RUNNING") == 4
    b = [shares.submit("b") for _ in range(8)]
    shares.world.runner.advance()
    assert statuses(*a, *b).count("RUNNING") == 6


def test_share_identifiers_go_with_policies() -> None:
    """A fair queue asks for one, a FIFO queue refuses it and the priority too."""
    shares = Shares()
    for request, words in (
        ({"jobQueue": "fair"}, "must be specified"),
        ({"jobQueue": "fair", "shareIdentifier": "a-b"}, "alphanumeric"),
        ({"jobQueue": "fair", "shareIdentifier": "a" * 256}, "255"),
        ({"shareIdentifier": "a"}, "must not be specified"),
        ({"schedulingPriorityOverride": 1}, "must not be specified"),
        ({"schedulingPriorityOverride": 10_000}, "from 0 to 9999"),
    ):
        with pytest.raises(BatchError, match=words):
            shares.world.submit(**request)
    shares.submit("a" * 255)


def test_a_queue_has_at_most_500_active_shares() -> None:
    """The 501st is refused while all others have jobs."""
    shares = Shares()
    for number in range(500):
        shares.submit(f"s{number}")
    shares.world.runner.advance()
    with pytest.raises(BatchError, match="500"):
        shares.submit("another")
    shares.submit("s1")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"shareDecaySeconds": 604_801}, "604800"),
        ({"computeReservation": 100}, "99"),
        ({"shareDistribution": [{"shareIdentifier": "a", "weightFactor": 0.00001}]}, "weight"),
        ({"shareDistribution": [{"shareIdentifier": "a", "weightFactor": 1000}]}, "weight"),
        ({"shareDistribution": [{"shareIdentifier": "a*"}, {"shareIdentifier": "a1"}]}, "overlap"),
        ({"shareDistribution": [{"shareIdentifier": f"s{n}"} for n in range(501)]}, "500"),
    ],
)
def test_policies_that_batch_refuses(policy: dict[str, Any], words: str) -> None:
    """Numbers beyond their limits, and entries that overlap; the limits themselves are taken."""
    policies = World().queues.policies
    with pytest.raises(BatchError, match=words):
        policies.create({"name": "p", "fairsharePolicy": policy})
    weights = [
        {"shareIdentifier": "a", "weightFactor": 0.0001},
        {"shareIdentifier": "b*", "weightFactor": 999.9999},
    ]
    edge = {"shareDecaySeconds": 604_800, "computeReservation": 99, "shareDistribution": weights}
    assert policies.create({"name": "p", "fairsharePolicy": edge}).weight("b2") == 999.9999


def test_a_queue_keeps_its_kind() -> None:
    """A policy can be replaced, neither added nor, while a queue uses it, deleted."""
    shares = Shares()
    queues = shares.world.queues
    other = queues.policies.create({"name": "other", "fairsharePolicy": {}})
    with pytest.raises(BatchError, match="FIFO"):
        queues.update_queue({"jobQueue": "q", "schedulingPolicyArn": other.arn})
    with pytest.raises(BatchError, match="used by a job queue"):
        queues.delete_policy(shares.policy.arn)
    queues.update_queue({"jobQueue": "fair", "schedulingPolicyArn": other.arn})
    queues.delete_policy(shares.policy.arn)
    assert queues.policies.policies() == [other]
