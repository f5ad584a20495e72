"""A run on an AWS that really runs its jobs."""

import dataclasses
import sys
from pathlib import Path

import pytest

from benchmarks.cloud import Clock, emulated
from benchmarks.errors import BenchmarkError
from benchmarks.peers import ours
from benchmarks.settings import BenchmarkSettings
from benchmarks.workloads import scatter

OURS = ours(Path(sys.executable).parent)

QUICK = BenchmarkSettings(
    directory=Path(), n=3, task_seconds=0, start_delay_seconds=0.0, latency_ms=1.0
)


def test_a_run_shows_calls_times_and_usage() -> None:
    """Each submission is counted and dated; nothing that the benchmark itself asks is."""
    with emulated(QUICK) as cloud:
        result = cloud.run(OURS, scatter(QUICK))
    assert (result.calls["SubmitJob"], result.definitions_registered) == (3, 1)
    assert result.calls.keys() <= {
        "SubmitJob",
        "DescribeJobs",
        "DescribeJobDefinitions",
        "DescribeJobQueues",  # once, for what the task queue runs on
        "RegisterJobDefinition",
    }
    assert result.calls["DescribeJobQueues"] == 1
    assert len(result.submitted_at) == 3
    assert result.throttled == {}
    assert result.usage.exit_code == 0
    assert result.usage.cpu_seconds > 0.1
    assert result.beyond_job_seconds == result.usage.seconds > 0.1


def test_a_run_that_fails_is_no_measurement() -> None:
    """The message names the backend and holds the end of the head's log."""
    broken = dataclasses.replace(scatter(QUICK), wdl="version 1.1\nworkflow w { call gone }\n")
    with emulated(QUICK) as cloud, pytest.raises(BenchmarkError) as raised:
        cloud.run(OURS, broken)
    message = str(raised.value)
    assert "(ours), scatter: exit code 2" in message
    assert "gone" in message


def test_a_run_can_be_stopped() -> None:
    """Whoever waits for it need not wait for its jobs."""
    long = dataclasses.replace(QUICK, task_seconds=600)
    with emulated(long) as cloud, pytest.raises(BenchmarkError, match="stopped before its end"):
        cloud.run(OURS, scatter(long), Clock(stopped=lambda: True))


def test_a_crowd_counts_what_its_heads_ask_alone() -> None:
    """Two workflows at once: two successes, their submissions without those of themselves."""
    with emulated(QUICK) as cloud:
        result = cloud.crowd(OURS, [scatter(QUICK), scatter(QUICK, first=QUICK.n)])
    assert (result.count, result.succeeded, result.failed, result.refused) == (2, 2, 0, 0)
    assert result.calls["SubmitJob"] == 6
    assert result.calls["RegisterJobDefinition"] <= 2


def test_a_crowd_that_finds_its_calls_in_the_cache_is_no_measurement() -> None:
    """Two workflows alike, one after the other: the second has no task jobs."""
    alike = [scatter(QUICK)] * 2
    with emulated(QUICK) as cloud:
        cloud.run(OURS, alike[0])
        with pytest.raises(BenchmarkError, match="0 task jobs for 6 tasks"):
            cloud.crowd(OURS, alike)
