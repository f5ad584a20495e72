"""A workflow job waits for the end of the one whose place it takes."""

from typing import Any

import pytest

from miniwdl_aws.runner.workflow import await_ending


class FakeClients:
    """Describes one job, in one state after another."""

    def __init__(self, states: list[dict[str, Any]]) -> None:
        self.states = states
        self.asked = 0
        self.batch = self

    def describe_jobs(self, *, jobs: list[str]) -> dict[str, Any]:
        state = self.states[min(self.asked, len(self.states) - 1)]
        self.asked += 1
        return {"jobs": [{"jobId": jobs[0], **state}]}


ENDING = {"status": "RUNNING", "isTerminated": True}


@pytest.mark.parametrize(
    ("states", "asked", "slept"),
    [
        pytest.param([ENDING, ENDING, {"status": "FAILED", "isTerminated": True}], 3, 2, id="ends"),
        pytest.param([{"status": "RUNNING"}], 1, 0, id="nobody ends it"),
        pytest.param([{"status": "SUCCEEDED"}], 1, 0, id="has ended"),
        pytest.param([ENDING], 60, 60, id="does not end"),
    ],
)
def test_only_a_job_that_is_being_ended_is_waited_for(
    states: list[dict[str, Any]], asked: int, slept: int
) -> None:
    """And two minutes at most: then the run directory is refused, with the job named."""
    clients: Any = FakeClients(states)
    naps: list[float] = []
    await_ending(clients, "job", sleep=naps.append)
    assert (clients.asked, len(naps)) == (asked, slept)
