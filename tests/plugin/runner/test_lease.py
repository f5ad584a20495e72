"""Tests of `miniwdl_aws.runner.lease`."""

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.runner.lease import DEAD_SECONDS, Head, heads_of, holding, take


def nobody(_job_id: str) -> bool:
    return False


def everybody(_job_id: str) -> bool:
    return True


def test_heads_are_numbered(tmp_path: Path) -> None:
    """Each next attempt of a job, and each job after a dead one, is the next head."""
    assert take(tmp_path, "a", 1, nobody) == Head(number=1, job_id="a", attempt=1)
    assert take(tmp_path, "a", 2, everybody).number == 2
    assert take(tmp_path, "b", 1, nobody).number == 3
    assert [head.job_id for head in heads_of(tmp_path)] == ["a", "a", "b"]


def test_a_live_job_keeps_its_directory(tmp_path: Path) -> None:
    """Another job is refused, and told whose it is."""
    take(tmp_path, "a", 1, nobody)
    with pytest.raises(ConfigurationError, match="job a, which has not ended"):
        take(tmp_path, "b", 1, everybody)
    assert len(heads_of(tmp_path)) == 1


def test_outside_batch_the_last_touch_decides(tmp_path: Path) -> None:
    """A head without a job lives as long as it touches its file."""
    take(tmp_path, "", 1, nobody)
    with pytest.raises(ConfigurationError, match="another process"):
        take(tmp_path, "", 1, nobody)
    path = tmp_path / ".miniwdl-aws/heads/1.json"
    long_ago = time.time() - DEAD_SECONDS - 10
    os.utime(path, (long_ago, long_ago))
    assert take(tmp_path, "", 1, nobody).number == 2


def test_of_many_that_want_it_one_gets_it(tmp_path: Path) -> None:
    """Twenty heads at once: one holds the directory, nineteen are told so."""
    gate = threading.Barrier(20)

    def attempt(number: int) -> int:
        gate.wait()
        try:
            return take(tmp_path, f"job-{number}", 1, everybody).number
        except ConfigurationError:
            return 0

    with ThreadPoolExecutor(20) as pool:
        numbers = list(pool.map(attempt, range(20)))
    assert sorted(numbers) == [0] * 19 + [1]
    assert not list((tmp_path / ".miniwdl-aws/heads").glob("new.*"))


def test_a_head_that_was_taken_for_dead_is_told(
    tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """It stops, since another one works on its directory now."""
    head, lost = take(tmp_path, "a", 1, nobody), threading.Event()
    with holding(tmp_path, head, lost.set, period_seconds=0.01):
        path = tmp_path / ".miniwdl-aws/heads/1.json"
        os.utime(path, (1, 1))
        eventually(lambda: path.stat().st_mtime > 1)
        assert not lost.is_set()
        take(tmp_path, "b", 1, nobody)
        assert lost.wait(30)


def test_a_heads_file_says_whose_it_is(tmp_path: Path) -> None:
    """A person who looks there finds the job."""
    take(tmp_path, "a", 3, nobody)
    content = json.loads((tmp_path / ".miniwdl-aws/heads/1.json").read_text())
    assert content == {"job_id": "a", "attempt": 3}
