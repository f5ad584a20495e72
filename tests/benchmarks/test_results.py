"""What a run showed, from its raw figures."""

from hypothesis import given, strategies as st

from benchmarks.results import difference, most_within


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
