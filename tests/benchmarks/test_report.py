"""What is shown and kept."""

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.judgement import Row, judge
from benchmarks.report import document, keep, statement, table
from benchmarks.results import RunResult
from benchmarks.settings import BenchmarkSettings

MISSED = Row(benchmark=1, measure="makespan, s", peer="a", theirs=1200.4, ours=30.25, target=24.0)
MET = Row(benchmark=2, measure="calls a task", peer="a", theirs=4.08, ours=1.05, target=1.1)
FREE = Row(benchmark=1, measure="CPU s", peer="b", theirs=0, ours=3)


def test_a_missed_target_is_stated() -> None:
    """The benchmark, the measure, the figure and the target are named."""
    stated = statement([MISSED, MET, FREE])
    assert stated.splitlines() == [
        "1 of 2 targets MISSED:",
        "  benchmark 1, makespan, s: 30.2, the target is at most 24",
    ]


def test_a_target_missed_beside_two_peers_is_stated_once() -> None:
    """It is one figure of ours."""
    other = Row(benchmark=1, measure="makespan, s", peer="b", theirs=600, ours=30.25, target=24.0)
    assert statement([MISSED, other]).startswith("1 of 1 targets MISSED:")


def test_met_targets_are_stated() -> None:
    """Nobody has to look for what is not there."""
    assert statement([MET]) == "All 1 targets met."
    assert statement([FREE]) == "Nothing with a target was run."


def test_the_table_has_a_block_for_each_peer() -> None:
    """Peer, ours, ratio, target and verdict stand in columns."""
    lines = table([MISSED, MET, FREE]).splitlines()
    assert lines[0] == "peer: a"
    assert lines[1].split() == ["#", "measure", "peer", "ours", "better", "by", "target"]
    shown = {number: " ".join(lines[number].split()) for number in (3, 4, 6, 9)}
    assert shown == {
        3: "1 makespan, s 1,200 30.2 39.7x <= 24 MISSED",
        4: "2 calls a task 4.08 1.05 3.9x <= 1.10 met",
        6: "peer: b",
        9: "1 CPU s 0 3 - -",
    }


def test_what_is_kept_can_be_read_again(
    tmp_path: Path, make_result: Callable[..., RunResult]
) -> None:
    """Settings, figures, verdicts and calls by operation are in each file."""
    runs = [make_result(peer="reference", is_ours=False), make_result()]
    rows = judge(runs, BenchmarkSettings(directory=tmp_path))
    paths = [tmp_path / "results" / "one.json", tmp_path / "two.json"]
    keep(document(runs, rows, {"settings": {"n": 100}}), *paths)
    first, second = (json.loads(path.read_text()) for path in paths)
    assert first == second
    assert first["settings"] == {"n": 100}
    assert first["rows"][0]["met"] is False
    assert [run["calls"]["SubmitJob"] for run in first["runs"]] == [10, 10]
    assert first["runs"][1]["calls_per_task"] == 1.6
