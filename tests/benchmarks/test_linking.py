"""Linking outputs on a file system that is slow."""

import shutil
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.linking import Linked, measure, rows


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_what_a_request_takes_is_what_it_was_told_to_take(tmp_path: Path) -> None:
    """Miniwdl asks one thing after another, so it cannot be faster than all its requests."""
    theirs = measure(tmp_path, 12, tuned=False, latency_us=10_000)
    assert theirs.requests_per_file > 10
    assert theirs.seconds >= theirs.requests * 0.01
    ours = measure(tmp_path, 12, tuned=True, latency_us=10_000)
    assert ours.requests < theirs.requests
    assert ours.seconds < ours.requests * 0.01 / 2


def test_rows_judge_the_time_a_file() -> None:
    """The target is for each file; the requests explain it."""
    found = rows(
        Linked(count=100, seconds=3.6, requests=11_000),
        Linked(count=100, seconds=0.2, requests=900),
    )
    assert [(row.benchmark, row.theirs, row.ours, row.met) for row in found] == [
        (9, 36.0, 2.0, True),
        (9, 110.0, 9.0, None),
    ]


def test_without_a_compiler_the_benchmark_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails by itself, and names what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkError, match="cc is not installed"):
        measure(tmp_path, 1, tuned=False)
