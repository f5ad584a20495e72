"""Tests of `miniwdl_aws.runner.interruption`."""

from typing import Any

import pytest

from miniwdl_aws.plan import BEGIN_AGAIN
from miniwdl_aws.runner.interruption import begins_again, has_another_attempt

NOW = 2_000_000.0
LIVE = {
    "status": "RUNNING",
    "startedAt": (NOW - 3600) * 1000,
    "timeout": {"attemptDurationSeconds": 86_400},
    "retryStrategy": {"attempts": 3, "evaluateOnExit": list(BEGIN_AGAIN)},
}


def test_a_reclaimed_host_leaves_task_jobs_to_the_next_attempt() -> None:
    """As long as there is one, by the retry strategy that a submission gives."""
    assert has_another_attempt(LIVE, 1, NOW)
    assert has_another_attempt(LIVE, 2, NOW)
    assert not has_another_attempt(LIVE, 3, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"isTerminated": True},
        {"isCancelled": True},
        {"timeout": {"attemptDurationSeconds": 3610}},
        {"retryStrategy": {}},
        {"retryStrategy": {"attempts": 1}},
        {"retryStrategy": {"attempts": 3, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]}},
        {
            "retryStrategy": {
                "attempts": 3,
                "evaluateOnExit": [{"onStatusReason": "Your Spot*", "action": "exit"}],
            }
        },
    ],
)
def test_an_end_that_is_final_ends_task_jobs(change: dict[str, Any]) -> None:
    """Terminated, cancelled, timed out, or not to be tried again: nobody would adopt them."""
    assert not has_another_attempt({**LIVE, **change}, 1, NOW)


def test_without_conditions_every_end_begins_again() -> None:
    """A job that meets no condition is tried again (AWS Batch user guide)."""
    assert has_another_attempt({**LIVE, "retryStrategy": {"attempts": 2}}, 1, NOW)
    conditions = [{"onStatusReason": "Host EC2*", "action": "EXIT"}]
    strategy = {"attempts": 2, "evaluateOnExit": conditions}
    assert has_another_attempt({**LIVE, "retryStrategy": strategy}, 1, NOW)


def test_batch_is_asked_about_this_job() -> None:
    """A job that Batch does not know has no other attempt."""

    class Fake:
        jobs: tuple[Any, ...] = (LIVE,)

        @property
        def batch(self) -> "Fake":
            return self

        def describe_jobs(self, *, jobs: list[str]) -> Any:
            assert jobs == ["job-1"]
            return {"jobs": list(self.jobs)}

    fake: Any = Fake()
    assert begins_again(fake, "job-1", 1, clock=lambda: NOW)
    fake.jobs = ()
    assert not begins_again(fake, "job-1", 1, clock=lambda: NOW)
