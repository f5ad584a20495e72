"""Rates, latency and counts."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from miniwdl_aws.local.pacing import Pacer, TokenBucket


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


def test_each_operation_has_its_own_bucket_and_counts() -> None:
    """Calls and refusals are counted by operation; latency passes for both."""
    clock = Clock()
    pacer = Pacer(latency_seconds=0.04, rate=2, burst=1, clock=clock, sleep=clock.sleep)
    assert [pacer.admit("A"), pacer.admit("A"), pacer.admit("B")] == [True, False, True]
    assert clock.now == pytest.approx(0.12)
    assert pacer.counters() == {"calls": {"A": 2, "B": 1}, "throttled": {"A": 1}}
    pacer.reset()
    assert pacer.counters() == {"calls": {}, "throttled": {}}


def test_calls_beyond_the_rate_are_throttled(start_bench: Callable[..., Any]) -> None:
    """The error is the one that botocore retries as throttling."""
    bench = start_bench(rate=0.001, burst=1)
    bench.batch.meta.config.merge(Config(retries={"max_attempts": 0}))
    bench.batch.describe_job_queues()
    with pytest.raises(ClientError) as caught:
        bench.batch.describe_job_queues()
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] > 0
    counters = bench.aws.counters()
    assert counters["calls"]["DescribeJobQueues"] == counters["throttled"]["DescribeJobQueues"] + 1
