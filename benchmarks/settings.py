"""What a run of the benchmarks is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """The size of the workflows, and how the emulated AWS Batch behaves.

    Attributes:
        n: how wide the scatter is.
        task_seconds: how long each task of the scatter sleeps.
        series_length: how many tasks follow one another in the series.
        series_seconds: how long each of them sleeps.
        start_delay_seconds: how long a job takes from RUNNABLE to RUNNING.
        latency_ms: how long each call of Batch's API takes, in milliseconds.
        rate: calls a second that each operation takes (50 SubmitJob a second an account: AWS Batch
            user guide, "Service quotas").
        burst: calls of one operation that are taken at once.
        crowd: how many workflows run at once in the benchmark of that.
        linked: how many outputs are linked in the benchmark of that.
        tuned: whether the reference also runs with settings beyond those it is shipped with.
        alone: whether ours runs without the reference.
        directory: what the benchmarks keep: their results.
    """

    directory: Path
    n: int = 100
    task_seconds: int = 30
    series_length: int = 3
    series_seconds: int = 45
    start_delay_seconds: float = 3.0
    latency_ms: float = 40.0
    rate: float = 50.0
    burst: float = 50.0
    crowd: int = 10
    linked: int = 500
    tuned: bool = False
    alone: bool = False

    def __post_init__(self) -> None:
        for name in ("n", "series_length", "rate", "burst", "crowd", "linked"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        for name in ("task_seconds", "series_seconds", "start_delay_seconds", "latency_ms"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} must not be negative, it is {value}")
