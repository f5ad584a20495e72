"""What was found beside what is aimed for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results import CrowdResult, RunResult
    from benchmarks.settings import BenchmarkSettings

MARGIN_SECONDS = 5.0
"""What a scatter may take beyond its floor: 24 s for 1,000 tasks at 50 submissions a second."""

SCATTER_CALLS_PER_TASK = 1.1
"""One submission a task, and a tenth of a call for everything else."""

CPU_MILLISECONDS_PER_TASK = 15.0
RSS_MIB = 160.0
WIDE = 1000
"""How wide a scatter must be for the CPU time a task to mean something: a head that does nothing
takes 2 s."""

CALM_CROWD = 100
"""Up to so many workflows at once no call should be refused for its rate."""

SERIES_CALLS_PER_TASK = 3.0
"""What no shared request can make cheap: one task at a time, 45 s each."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of both backends.

    Attributes:
        benchmark: its number.
        measure: what was measured, with its unit.
        peer: the other backend's name.
        theirs: its figure; None where there is no other backend.
        ours: our figure.
        target: the most that ours should be; None for a figure without one.
        more_is_better: whether a greater figure is the better one.
    """

    benchmark: int
    measure: str
    peer: str
    theirs: float | None
    ours: float
    target: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; None where that says nothing."""
        if self.theirs is None or self.ours <= 0 or self.theirs <= 0:
            return None
        return self.ours / self.theirs if self.more_is_better else self.theirs / self.ours

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.ours <= self.target


@dataclass(frozen=True)
class _Measure:
    benchmark: int
    name: str
    of: Callable[[RunResult], float]
    target: float | None = None
    more_is_better: bool = False


def beyond_target(settings: BenchmarkSettings) -> float:
    """Give the most seconds that a scatter should take beyond its jobs' own time.

    Its floor is what the request rate imposes: all but the first burst wait for their turn.
    """
    floor = max(0.0, settings.n - settings.burst) / settings.rate
    return floor + MARGIN_SECONDS


def judge(results: Sequence[RunResult], settings: BenchmarkSettings) -> list[Row]:
    """Set our runs beside the others of the same workload, if there are any.

    Args:
        results: all runs; at most one of ours of each workload.
        settings: what was asked for.

    Returns:
        The rows, workload by workload and peer by peer.
    """
    measures = {"scatter": _scatter_measures(settings), "series": _series_measures(settings)}
    return [
        Row(
            benchmark=measure.benchmark,
            measure=measure.name,
            peer="" if theirs is None else theirs.peer,
            theirs=None if theirs is None else measure.of(theirs),
            ours=measure.of(ours),
            target=measure.target,
            more_is_better=measure.more_is_better,
        )
        for ours in results
        if ours.is_ours
        for theirs in _others(ours, results)
        for measure in measures[ours.workload]
    ]


def _others(ours: RunResult, results: Sequence[RunResult]) -> Sequence[RunResult | None]:
    """Give the other backends' runs of a workload; None in their place if there are none."""
    same = [each for each in results if not each.is_ours and each.workload == ours.workload]
    return same or [None]


def judge_crowds(crowds: Sequence[CrowdResult]) -> list[Row]:
    """Set our crowd beside the others, if there are any."""
    others: Sequence[CrowdResult | None] = [each for each in crowds if not each.is_ours] or [None]
    return [
        row for ours in crowds if ours.is_ours for theirs in others for row in _rows(theirs, ours)
    ]


def _rows(theirs: CrowdResult | None, ours: CrowdResult) -> list[Row]:
    peer = theirs.peer if theirs else ""
    what = f"{ours.count} workflows at once"
    calm = ours.count <= CALM_CROWD
    return [
        Row(
            benchmark=3,
            measure=f"{what}: failed",
            peer=peer,
            theirs=theirs.failed if theirs else None,
            ours=ours.failed,
            target=0.0,
        ),
        Row(
            benchmark=3,
            measure=f"{what}: calls refused for their rate",
            peer=peer,
            theirs=theirs.refused if theirs else None,
            ours=ours.refused,
            target=0.0 if calm else None,
        ),
        Row(
            benchmark=3,
            measure=f"{what}: calls",
            peer=peer,
            theirs=sum(theirs.calls.values()) if theirs else None,
            ours=sum(ours.calls.values()),
        ),
    ]


def _scatter_measures(settings: BenchmarkSettings) -> list[_Measure]:
    what = f"scatter-{settings.n}"
    target = beyond_target(settings)
    return [
        _Measure(1, f"{what}: makespan beyond job time, s", _beyond, target),
        _Measure(
            1,
            f"{what}: most submissions in 1 s",
            lambda run: run.most_submissions,
            more_is_better=True,
        ),
        _Measure(1, f"{what}: calls refused for their rate", _throttled),
        _Measure(4, f"{what}: head, CPU s", lambda run: run.usage.cpu_seconds),
        _Measure(
            4,
            f"{what}: head, CPU ms a task",
            lambda run: run.cpu_milliseconds_per_task,
            CPU_MILLISECONDS_PER_TASK if settings.n >= WIDE else None,
        ),
        _Measure(4, f"{what}: head, peak RSS MiB", lambda run: run.usage.peak_rss_mib, RSS_MIB),
        _Measure(1, f"{what}: job definitions registered", lambda run: run.definitions_registered),
        _Measure(2, f"{what}: API calls a task", _calls, SCATTER_CALLS_PER_TASK),
    ]


def _series_measures(settings: BenchmarkSettings) -> list[_Measure]:
    what = f"{settings.series_length} x {settings.series_seconds} s in series"
    return [
        _Measure(2, f"{what}: API calls a task", _calls, SERIES_CALLS_PER_TASK),
        _Measure(2, f"{what}: makespan beyond job time, s", _beyond),
    ]


def _beyond(run: RunResult) -> float:
    return run.beyond_job_seconds


def _throttled(run: RunResult) -> float:
    return sum(run.throttled.values())


def _calls(run: RunResult) -> float:
    return run.calls_per_task
