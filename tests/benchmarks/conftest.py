"""A run's result, made up."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.head import Usage
from benchmarks.results import RunResult


@pytest.fixture
def make_result() -> Callable[..., RunResult]:
    def make(*, seconds: float = 40.0, **given: Any) -> RunResult:
        usage = Usage(
            exit_code=0,
            started_at=0.0,
            seconds=seconds,
            cpu_seconds=2.0,
            peak_rss_mib=100.0,
            peak_threads=10,
        )
        settled: dict[str, Any] = {
            "peer": "miniwdl-aws 1.0.0 (ours)",
            "is_ours": True,
            "workload": "scatter",
            "task_count": 10,
            "rounds": 1,
            "job_seconds": 33.0,
            "usage": usage,
            "calls": {"SubmitJob": 10, "DescribeJobs": 5, "RegisterJobDefinition": 1},
            "throttled": {},
            "submitted_at": [2_000 + index for index in range(10)],
            "stopped_at": [37_000] * 10,
        }
        return RunResult(**(settled | given))

    return make
