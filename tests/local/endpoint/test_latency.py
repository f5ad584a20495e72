"""How long calls take."""

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import pytest

from miniwdl_aws.local import LocalAwsError
from miniwdl_aws.local.draws import draw
from miniwdl_aws.local.endpoint.latency import Latency, parse_latency


def test_a_lognormal_latency_has_its_median_and_its_tail() -> None:
    """Half of 10,000 draws are within the median, one of a hundred beyond the 99th percentile."""
    latency = parse_latency("lognormal:40/300")
    drawn = [latency.seconds(draw(1, "test", number)) for number in range(10_000)]
    assert median(drawn) == pytest.approx(0.04, rel=0.05)
    assert quantiles(drawn, n=100)[-1] == pytest.approx(0.3, rel=0.15)


def test_a_uniform_latency_stays_between_its_ends() -> None:
    """From the one to the other, evenly."""
    latency = parse_latency("uniform:10-30")
    drawn = [latency.seconds(draw(1, "test", number)) for number in range(1000)]
    assert min(drawn) >= 0.01
    assert max(drawn) <= 0.03
    assert median(drawn) == pytest.approx(0.02, rel=0.1)


def test_each_call_of_batch_takes_its_latency(start_bench: Callable[..., Any]) -> None:
    """No call is faster than the least of the distribution."""
    bench = start_bench(latency_ms=Latency("uniform", 40, 60))
    bench.batch.describe_job_queues()
    started = time.monotonic()
    for _ in range(5):
        bench.batch.describe_job_queues()
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    "text", ["slow", "-1", "uniform:5", "uniform:9-5", "lognormal:0/5", "lognormal:5", "nan"]
)
def test_latencies_that_make_no_sense_are_refused(text: str) -> None:
    """The message names the setting."""
    with pytest.raises(LocalAwsError, match="latency"):
        parse_latency(text)
