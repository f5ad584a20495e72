"""Tests of `miniwdl_aws.backend.events`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.backend.events import CONFIRM_SECONDS, Backstop, JobEvents
from miniwdl_aws.backend.sentinel import Mailbox
from miniwdl_aws.backend.waiting import JobWaiter
from miniwdl_aws.status import JobStatus


@dataclass
class FakeDescriber:
    """Remembers what it is asked to hurry about."""

    hastened: list[str] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)

    def hasten(self, job_id: str, seconds: float) -> None:
        self.hastened.append(job_id)

    def press(self, job_id: str) -> None:
        self.pressed.append(job_id)


class Scene:
    """One job, a clock that stands, and what is handed on."""

    def __init__(self, folder: Path) -> None:
        self.mailbox = Mailbox(folder=folder, name="t-job")
        self.describer = FakeDescriber()
        self.noted: list[JobStatus] = []
        self.waiter = JobWaiter(self.noted.append)
        self.now = 100.0
        describer: Any = self.describer
        self.events = JobEvents("j", self.mailbox, describer, self.waiter, clock=lambda: self.now)

    def tells(self, **ending: Any) -> JobStatus | None:
        content = {"jobId": "j", "exitCode": 0, "startedAt": 5, "stoppedAt": 9, **ending}
        self.mailbox.ended.write_text(json.dumps(content))
        self.events.ended()
        return self.waiter.wait(0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_success_by_the_shell_is_success(scene: Scene) -> None:
    """Exit code 0 is told at once, with all that Batch had said before."""
    running = JobStatus(job_id="j", status="RUNNING", log_stream="s")
    scene.events.described(running)
    assert scene.noted == [running]
    assert scene.tells() == JobStatus(
        job_id="j", status="SUCCEEDED", log_stream="s", exit_code=0, started_at=5000,
        stopped_at=9000,
    )  # fmt: skip
    assert scene.describer.pressed == []


@pytest.mark.parametrize(
    "ending", [{"exitCode": 137}, {"signalled": 1}, {"jobId": "another"}, {"exitCode": "?"}]
)
def test_anything_else_is_left_to_batch(scene: Scene, ending: dict[str, Any]) -> None:
    """A failure, an end by signal, another job's words: Batch is asked at once, nothing is told."""
    assert scene.tells(**ending) is None
    assert scene.describer.pressed == ["j"]


def test_a_failure_that_batch_never_confirms_stands_alone(scene: Scene) -> None:
    """When Batch does not show the end in time, the exit code is all there is."""
    assert scene.events.patience() is None
    scene.tells(exitCode=7)
    assert scene.events.patience() == CONFIRM_SECONDS
    assert scene.events.unconfirmed() is None
    scene.now += CONFIRM_SECONDS
    status = scene.events.unconfirmed()
    assert status is not None
    assert (status.status, status.exit_code) == ("FAILED", 7)


def test_the_beginning_is_told_and_the_stream_is_asked_for_soon(scene: Scene) -> None:
    """RUNNING costs no call; its log stream's name costs a share of one."""
    scene.events.began()
    assert [status.status for status in scene.noted] == ["RUNNING"]
    assert scene.describer.hastened == ["j"]


def test_a_silent_job_is_asked_about_sooner_at_first() -> None:
    """Batch is the backstop of jobs that die without a word."""
    backstop = Backstop(first_seconds=20, later_seconds=60)
    assert backstop(None) == 20
    assert backstop(JobStatus(job_id="j", status="RUNNING")) == 60
