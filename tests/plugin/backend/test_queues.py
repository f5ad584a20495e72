"""Tests of `miniwdl_aws.backend.queues`."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.backend.queues import (
    MAX_MEMORY_BYTES,
    SMALL_MEMORY_BYTES,
    SMALL_VCPUS,
    ComputeEnvironment,
    InstanceSize,
    Limits,
    Queues,
    limits_of,
)
from miniwdl_aws.errors import ConfigurationError

GIB = 2**30
SIZES = {
    name: InstanceSize(vcpus=vcpus, memory_bytes=gib * GIB, gpus=gpus)
    for name, vcpus, gib, gpus in (
        ("m5.large", 2, 8, 0),
        ("m5.xlarge", 4, 16, 0),
        ("r5.large", 2, 16, 0),
        ("g4dn.xlarge", 4, 16, 1),
    )
}
BIG = (10, 10 * GIB)


@pytest.mark.parametrize(
    ("environments", "vcpus", "memory"),
    [
        ([ComputeEnvironment(name="a", instance_types=("m5.large",))], 2, 8),
        ([ComputeEnvironment(name="a", instance_types=("m5",))], 4, 16),
        ([ComputeEnvironment(name="a", instance_types=("m5", "r5"), max_vcpus=3)], 3, 16),
        (
            [
                ComputeEnvironment(name="a", instance_types=("m5.large",)),
                ComputeEnvironment(name="b", instance_types=("r5.large",)),
            ],
            2,
            16,
        ),
        ([ComputeEnvironment(name="a", kind="FARGATE_SPOT", max_vcpus=8)], 8, 244),
        ([ComputeEnvironment(name="a", kind="FARGATE", max_vcpus=500)], 32, 244),
    ],
)
def test_limits_are_those_of_the_largest_instance_of_any_environment(
    environments: list[ComputeEnvironment], vcpus: int, memory: int
) -> None:
    """A size, a family and Fargate each have theirs; an environment's CPUs bound them."""
    found = limits_of(environments, SIZES)
    assert (found.vcpus, found.memory_bytes) == (vcpus, memory * GIB)
    assert environments[0].name in found.reason


@pytest.mark.parametrize("kinds", [(), ("optimal",), ("m5.large", "x9")])
def test_where_a_size_is_not_known_only_the_cpus_bound(kinds: tuple[str, ...]) -> None:
    """An instance type that could not be asked about may be of any size."""
    found = limits_of([ComputeEnvironment(name="a", instance_types=kinds, max_vcpus=64)], SIZES)
    assert (found.vcpus, found.memory_bytes) == (64, MAX_MEMORY_BYTES)


def test_gpus_are_those_of_the_instances() -> None:
    """A job with GPUs fits only where an instance has as many; Fargate has none."""
    for environment, gpus in (
        (ComputeEnvironment(name="a", instance_types=("m5", "g4dn")), 1),
        (ComputeEnvironment(name="a", instance_types=("m5",)), 0),
        (ComputeEnvironment(name="a", kind="FARGATE"), 0),
    ):
        found = limits_of([environment], SIZES)
        assert found.fit(1, GIB, gpus)
        assert not found.fit(1, GIB, gpus + 1)


def test_disabled_environments_do_not_count() -> None:
    """What runs no jobs gives no limits; where nothing is known, none is refused."""
    off = ComputeEnvironment(name="a", instance_types=("r5.large",), enabled=False)
    on = ComputeEnvironment(name="b", instance_types=("m5.large",))
    assert limits_of([off, on], SIZES).memory_bytes == 8 * GIB
    assert limits_of([off], SIZES) == limits_of([], SIZES) == Limits()


def test_each_queue_is_asked_about_once(batch: Any, retry: Any) -> None:
    """All queues cost one request, and the limits of one the requests for its environments."""
    batch.add_queue("spot", instanceTypes=["m5"])
    queues = Queues(batch, retry)
    queues.load({"spot": "a", "on-demand": "b"})
    assert batch.calls == ["DescribeJobQueues"]
    for _ in range(3):
        assert queues.limits("spot", *BIG).vcpus == 96
    assert batch.calls[1:] == ["DescribeComputeEnvironments", "describe_instance_types"]


@given(vcpus=st.floats(0.1, SMALL_VCPUS), memory_bytes=st.integers(1, SMALL_MEMORY_BYTES))
def test_small_jobs_cost_no_request(vcpus: float, memory_bytes: int) -> None:
    """What fits anywhere is not asked about."""
    nobody: Any = None
    assert Queues(nobody, nobody).limits("q", vcpus, memory_bytes).fit(vcpus, memory_bytes)


@pytest.mark.parametrize(
    "operation", ["DescribeJobQueues", "DescribeComputeEnvironments", "describe_instance_types"]
)
def test_a_missing_permission_is_tolerated(
    batch: Any, retry: Any, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may not ask runs as if there were no limits, and the log says so."""
    caplog.set_level("INFO")
    batch.add_queue("spot", instanceTypes=["m5"])
    batch.fail(operation, "AccessDeniedException", "not authorized")
    queues = Queues(batch, retry)
    queues.load({"spot": "[aws] task_queue"})
    assert queues.queue("spot").fargate in (False, None)
    assert queues.limits("spot", *BIG).fit(*BIG)
    assert "not authorized" in caplog.text


def test_a_queue_that_takes_no_jobs_is_named_at_the_start(batch: Any, retry: Any) -> None:
    """A missing and a disabled queue are errors that name the option."""
    with pytest.raises(ConfigurationError, match=r"\[aws\] task_queue 'no' does not exist"):
        Queues(batch, retry).load({"no": "[aws] task_queue"})
    batch.queues["spot"]["state"] = "DISABLED"
    with pytest.raises(ConfigurationError, match="'spot' is disabled"):
        Queues(batch, retry).load({"spot": "[aws] task_queue"})


@pytest.mark.parametrize(("kind", "fargate"), [("FARGATE_SPOT", True), ("SPOT", False)])
def test_the_platform_is_that_of_the_environments(
    batch: Any, retry: Any, kind: str, fargate: bool
) -> None:
    """A queue's type says it; where the description has none, the environments are asked."""
    batch.add_queue("q", kind)
    for with_type in (True, False):
        if not with_type:
            del batch.queues["q"]["jobQueueType"]
        queues = Queues(batch, retry)
        queues.load({"q": "o"})
        assert queues.queue("q").fargate is fargate


def test_a_queue_may_be_named_by_its_arn(batch: Any, retry: Any) -> None:
    """Both names lead to it."""
    arn = batch.queues["spot"]["jobQueueArn"]
    queues = Queues(batch, retry)
    queues.load({arn: "o"})
    assert queues.queue(arn).environments == ("spot-environment",)
