"""The speed of the local AWS by itself."""

import psutil
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.local_speed import Sizes, Speed, measure, rows
from benchmarks.report import statement, table
from benchmarks.served import served


def test_a_small_measurement_shows_time_and_memory() -> None:
    """A hundred jobs are submitted, five of them run, all are described; then nothing is left."""
    before = set(psutil.Process().children(recursive=True))
    speed = measure(Sizes(jobs=100, concurrent=5, calls=3))
    assert speed.submissions_per_second > 0
    assert speed.describe_cpu_seconds < speed.describe_seconds * 2
    assert 50 < speed.rss_megabytes < 1000
    assert set(psutil.Process().children(recursive=True)) <= before


def test_figures_have_their_targets() -> None:
    """CPU time and memory have one, what depends on the client has none."""
    found = rows(
        Speed(
            sizes=Sizes(),
            submissions_per_second=250.0,
            submit_cpu_ms=2.0,
            start_seconds=5.0,
            describe_cpu_seconds=11.0,
            describe_seconds=20.0,
            rss_megabytes=200.0,
        )
    )
    assert [row.met for row in found if row.target is not None] == [False, True]
    assert statement(found).splitlines() == [
        "1 of 2 targets MISSED:",
        f"  benchmark 12, {found[0].measure}: 11, the target is at most 10",
    ]
    assert table(found).startswith("peer: none\n")


def test_a_local_aws_that_does_not_start_is_no_measurement() -> None:
    """What it said is in the message."""
    with (
        pytest.raises(BenchmarkError, match=r"did not start: (.|\n)*invalid int value: 'many'"),
        served("--max-vcpus", "many"),
    ):
        pass
