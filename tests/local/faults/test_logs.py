"""Log streams that a fault makes late or lets not appear, until their attempts end."""

from typing import Any

import pytest

from miniwdl_aws.local.faults import Faults
from miniwdl_aws.local.faults.attempts import FaultyRunner
from miniwdl_aws.local.faults.logs import FaultyLogs
from tests.local.world import World


class Streams:
    """Log streams in memory."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}

    def create_stream(self, stream: str) -> None:
        self.lines[stream] = []

    def put(self, stream: str, events: list[dict[str, Any]]) -> None:
        self.lines[stream] += [event["message"] for event in events]


@pytest.mark.parametrize("fault", ["missing-logs", "late-logs,delay=3"])
@pytest.mark.parametrize("end", ["exits", "is killed"])
def test_a_stream_is_disturbed_until_its_attempt_ends(fault: str, end: str) -> None:
    """Then nothing more is written to it, and nothing is kept of it."""
    faults, world = Faults(), World()
    logs = FaultyLogs(Streams())
    runner = FaultyRunner(world.runner, faults, logs)
    world.scheduler._runner = runner
    faults.add(fault)
    if end == "is killed":
        faults.add("kill,delay=5")
    job = world.submit()
    world.runner.advance()
    assert job.status == "RUNNING"
    assert job.attempt is not None
    assert {*logs._missing, *logs._late} == {job.attempt.log_stream}
    if end == "exits":
        world.exit(job)
    world.runner.advance(5)
    assert job.ended
    assert not logs._missing
    assert not logs._late
