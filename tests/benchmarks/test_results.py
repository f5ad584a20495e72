"""What a run showed, from its raw figures."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from benchmarks.results import RunResult, difference, most_within


@given(st.lists(st.integers(min_value=0, max_value=5_000)), st.integers(1, 2_000))
def test_most_within_counts_the_fullest_stretch(times: list[int], span: int) -> None:
    """No stretch of the length, wherever it begins, holds more events, and one holds as many."""
    counted = [sum(begin <= time < begin + span for time in times) for begin in times]
    assert most_within(times, span) == max(counted, default=0)


def test_difference_counts_what_was_added() -> None:
    """Calls that were made before do not count, and what was not called is left out."""
    before = {"SubmitJob": 1, "ListJobs": 7}
    after = {"SubmitJob": 4, "ListJobs": 7, "DescribeJobs": 2}
    assert difference(after, before) == {"DescribeJobs": 2, "SubmitJob": 3}


def test_phases_add_up_to_the_time_beyond_the_jobs(make_result: Callable[..., RunResult]) -> None:
    """Two rounds of 10 s: starting 2 s, 1 s between the jobs, each 0.5 s late, 3 s at the end."""
    result = make_result(
        seconds=27.0,
        job_seconds=20.0,
        rounds=2,
        submitted_at=[2_000, 13_500],
        stopped_at=[12_500, 24_000],
    )
    assert result.phases == pytest.approx(
        {
            "until first submission": 2.0,
            "submitting": 1.5,
            "jobs late": 0.5,
            "after last job": 3.0,
        }
    )
    assert sum(result.phases.values()) == pytest.approx(result.beyond_job_seconds)
