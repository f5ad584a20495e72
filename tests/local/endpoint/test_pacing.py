"""Rates, latency and counts."""

from typing import Any

import pytest

from miniwdl_aws.local.endpoint.latency import fixed, parse_latency
from miniwdl_aws.local.endpoint.operations import Call
from miniwdl_aws.local.endpoint.pacing import Pacer, TokenBucket
from miniwdl_aws.local.endpoint.rates import Rate


class Clock:
    """A time that the test sets, and sleep that moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """Ten at once, then five a second, and never more than ten again."""
    clock = Clock()
    bucket = TokenBucket(5, 10, clock)
    assert [bucket.take() for _ in range(12)] == [True] * 10 + [False] * 2
    clock.sleep(1)
    assert sum(bucket.take() for _ in range(20)) == 5
    clock.sleep(1000)
    assert sum(bucket.take() for _ in range(20)) == 10


def test_a_token_to_come_can_be_reserved() -> None:
    """What is not there yet is waited for, in turn."""
    clock = Clock()
    bucket = TokenBucket(20, 2, clock)
    assert [bucket.reserve() for _ in range(4)] == [0, 0, pytest.approx(0.05), pytest.approx(0.1)]
    clock.sleep(10)
    assert bucket.reserve() == 0


def call(operation: str, service: str = "batch") -> Call:
    return Call(service, operation)


def test_each_operation_has_its_own_bucket_and_counts() -> None:
    """Calls and refusals are counted by operation; latency passes for both."""
    clock = Clock()
    pacer = Pacer(latency=fixed(40), rates={"batch:*": Rate(2, 1)}, clock=clock, sleep=clock.sleep)
    admitted = [pacer.admit(call(name)) for name in ("A", "A", "B")]
    assert admitted == [True, False, True]
    assert clock.now == pytest.approx(0.12)
    assert pacer.counters() == {"calls": {"A": 2, "B": 1}, "throttled": {"A": 1}}
    pacer.reset()
    assert pacer.counters() == {"calls": {}, "throttled": {}}


def test_a_call_that_the_account_refuses_costs_its_operation_nothing() -> None:
    """Of two buckets, a token is taken from both or from none."""
    clock = Clock()
    rates = {"batch:A": Rate(0.1, 2), "batch": Rate(1, 1)}
    pacer = Pacer(rates=rates, clock=clock, sleep=clock.sleep)
    assert [pacer.admit(call("A")), pacer.admit(call("A"))] == [True, False]
    clock.sleep(1)
    assert pacer.admit(call("A"))


def test_other_services_are_counted_by_service_and_operation() -> None:
    """A rate of theirs holds for them alone, and Batch's latency does not."""
    clock = Clock()
    pacer = Pacer(latency=fixed(1000), rates={"logs:A": Rate(1, 1)}, clock=clock, sleep=clock.sleep)
    admitted = [pacer.admit(call(name, "logs")) for name in ("A", "A", "B", "B")]
    assert admitted == [True, False, True, True]
    assert clock.now == 0
    assert pacer.counters() == {"calls": {"logs:A": 2, "logs:B": 2}, "throttled": {"logs:A": 1}}


def test_launches_on_fargate_and_its_spot_have_a_bucket_each() -> None:
    """The quota is one for each (Amazon ECS developer guide, "AWS Fargate throttling quotas")."""
    clock = Clock()
    pacer = Pacer(rates={"fargate": Rate(20, 1)}, clock=clock, sleep=clock.sleep)
    assert [pacer.launch_wait("FARGATE") for _ in range(2)] == [0, pytest.approx(0.05)]
    assert pacer.launch_wait("FARGATE_SPOT") == 0
    assert Pacer().launch_wait("FARGATE") == 0


def test_a_seed_repeats_the_latencies() -> None:
    """The same calls take the same time, whatever lies between them."""

    def times(seed: int, *between: str) -> list[Any]:
        clock = Clock()
        pacer = Pacer(latency=parse_latency("lognormal:40/300"), seed=seed, sleep=clock.sleep)
        taken = []
        for _ in range(5):
            for name in between:
                pacer.admit(call(name))
            before = clock.now
            pacer.admit(call("A"))
            taken.append(pytest.approx(clock.now - before))
        return taken

    assert times(1) == times(1, "B", "C")
    assert times(1) != times(2)
