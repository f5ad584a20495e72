"""Tests of `miniwdl_aws.backend.progress`."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from WDL._util import StructuredLogMessage

from miniwdl_aws.backend.details import read_detail
from miniwdl_aws.backend.progress import JobProgress
from miniwdl_aws.status import JobStatus

RUNNING = JobStatus(job_id="j", status="RUNNING")
NAMED = JobStatus(job_id="j", status="RUNNING", log_stream="s")
SUCCEEDED = JobStatus(job_id="j", status="SUCCEEDED", exit_code=0)


@dataclass
class Scene:
    """One job, what is logged of it, and how many jobs count as running."""

    task_dir: Path
    lines: list[str] = field(default_factory=list)
    running: int = 0

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        self.running += 1
        yield
        self.running -= 1

    def _take(self, record: logging.LogRecord) -> None:
        assert isinstance(record.msg, StructuredLogMessage)
        self.lines.append(record.msg.kwargs["status"])

    def progress(self) -> JobProgress:
        handler = logging.Handler()
        handler.emit = self._take  # type: ignore[method-assign]
        logger = logging.Logger("task")  # noqa: LOG001  (nobody else's)
        logger.addHandler(handler)
        return JobProgress(logger, self.task_dir, self.counting)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_job_is_logged_once_for_each_thing_that_is_new(scene: Scene) -> None:
    """RUNNING twice, since the log stream's name comes later; it counts as running once."""
    with scene.progress() as progress:
        assert not progress.has_started
        for status in (RUNNING, RUNNING, NAMED, NAMED):
            progress.note(status)
        assert (progress.has_started, scene.running) == (True, 1)
        assert read_detail(scene.task_dir, "j") is None
        progress.note(SUCCEEDED)
    assert scene.lines == ["RUNNING", "RUNNING", "SUCCEEDED"]
    assert scene.running == 0
    assert read_detail(scene.task_dir, "j") == SUCCEEDED


def test_the_end_is_the_last_line(scene: Scene) -> None:
    """What another thread tells late, of a job that has ended or is not waited for, is no news."""
    with scene.progress() as progress:
        progress.note(SUCCEEDED)
        progress.note(NAMED)
    given_up = scene.progress()
    with given_up:
        pass
    given_up.note(RUNNING)
    assert scene.lines == ["SUCCEEDED"]
    assert scene.running == 0


def test_threads_may_tell_at_the_same_time(scene: Scene) -> None:
    """Each of many threads that say the same: one line, and one job that runs."""
    with scene.progress() as progress:
        begun = threading.Barrier(8)

        def tell() -> None:
            begun.wait()
            progress.note(RUNNING)

        threads = [threading.Thread(target=tell) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (scene.lines, scene.running) == (["RUNNING"], 1)
