"""Figures beside targets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.judgement import Row, beyond_target, judge, judge_crowds
from benchmarks.results import CrowdResult, RunResult
from benchmarks.settings import BenchmarkSettings

MakeResult = Callable[..., RunResult]


@pytest.mark.parametrize(("n", "seconds"), [(1000, 24.0), (100, 6.0), (50, 5.0), (4, 5.0)])
def test_a_scatter_may_take_five_seconds_beyond_its_floor(n: int, seconds: float) -> None:
    """All but the first burst of submissions wait for their turn; that and 5 s are allowed."""
    assert beyond_target(BenchmarkSettings(directory=Path(), n=n)) == pytest.approx(seconds)


def test_rows_set_each_peer_beside_ours(make_result: MakeResult) -> None:
    """Each other run of a workload gets rows of its own, judged by the same figures of ours."""
    settings = BenchmarkSettings(directory=Path(), n=10)
    theirs = make_result(
        peer="reference", is_ours=False, seconds=63.0, calls={"SubmitJob": 41}, submitted_at=[0]
    )
    rows = {row.measure: row for row in judge([theirs, make_result(seconds=39.0)], settings)}
    makespan = rows["scatter-10: makespan beyond job time, s"]
    assert (makespan.theirs, makespan.ours, makespan.target) == (30.0, 6.0, 5.0)
    assert makespan.ratio == 5.0
    assert makespan.met is False
    calls = rows["scatter-10: API calls a task"]
    assert (calls.theirs, calls.ours, calls.benchmark, calls.met) == (4.1, 1.6, 2, False)
    submissions = rows["scatter-10: most submissions in 1 s"]
    assert (submissions.ours, submissions.ratio, submissions.met) == (10, 10.0, None)
    assert rows["scatter-10: job definitions registered"].ratio is None


def test_a_target_that_is_reached_is_met(make_result: MakeResult) -> None:
    """The target itself is good enough."""
    settings = BenchmarkSettings(directory=Path())
    runs = [
        make_result(workload="series", task_count=3, is_ours=ours, calls={"SubmitJob": 9})
        for ours in (False, True)
    ]
    (row,) = (row for row in judge(runs, settings) if row.target is not None)
    assert (row.measure, row.ours, row.met) == ("3 x 45 s in series: API calls a task", 3.0, True)


def test_ours_alone_is_judged_too(make_result: MakeResult) -> None:
    """Its targets do not ask for another backend."""
    settings = BenchmarkSettings(directory=Path(), n=10)
    rows = {row.measure: row for row in judge([make_result(seconds=39.0)], settings)}
    makespan = rows["scatter-10: makespan beyond job time, s"]
    assert (makespan.theirs, makespan.ours, makespan.met) == (None, 6.0, False)
    rows = {row.measure: row for row in judge_crowds([crowd(is_ours=True, refused=1)])}
    refused = rows["100 workflows at once: calls refused for their rate"]
    assert (refused.theirs, refused.ours, refused.met) == (None, 1.0, False)


def test_a_workload_without_a_run_of_ours_is_not_judged(make_result: MakeResult) -> None:
    """There is nothing to judge."""
    assert judge([make_result(is_ours=False)], BenchmarkSettings(directory=Path())) == []


def test_a_ratio_says_how_many_times_better_ours_is() -> None:
    """More submissions a second are better, more seconds worse; nothing is no measure."""
    row = Row(benchmark=1, measure="", peer="", theirs=10, ours=5)
    assert row.ratio == 2.0
    better = Row(benchmark=1, measure="", peer="", theirs=10, ours=50, more_is_better=True)
    assert better.ratio == 5.0
    assert Row(benchmark=1, measure="", peer="", theirs=10, ours=0).ratio is None


def crowd(
    *, is_ours: bool, count: int = 100, succeeded: int = 100, refused: int = 0
) -> CrowdResult:
    return CrowdResult(
        peer="ours" if is_ours else "reference",
        is_ours=is_ours,
        count=count,
        succeeded=succeeded,
        seconds=1.0,
        calls={"SubmitJob": 300},
        throttled={"DescribeJobs": refused} if refused else {},
    )


def test_in_a_crowd_nothing_may_fail() -> None:
    """One workflow that fails is one too many; up to 100 of them no call is refused either."""
    theirs = crowd(is_ours=False, succeeded=70, refused=3072)
    rows = judge_crowds([theirs, crowd(is_ours=True, succeeded=99, refused=1)])
    assert [(row.theirs, row.ours, row.met) for row in rows] == [
        (30, 1, False),
        (3072, 1, False),
        (300, 300, None),
    ]
    rows = judge_crowds([crowd(is_ours=False, count=300), crowd(is_ours=True, count=300)])
    assert [row.target for row in rows] == [0.0, None, None]


def test_the_head_has_targets_of_its_own(make_result: MakeResult) -> None:
    """Memory at any width; CPU time a task where the head's own start no longer counts."""
    runs = [make_result(is_ours=ours) for ours in (False, True)]
    for n, cpu in ((100, None), (1000, 15.0)):
        rows = judge(runs, BenchmarkSettings(directory=Path(), n=n))
        targets = {row.measure.split(": ")[1]: row.target for row in rows if row.benchmark == 4}
        assert targets == {
            "head, CPU s": None,
            "head, CPU ms a task": cpu,
            "head, peak RSS MiB": 160.0,
        }
