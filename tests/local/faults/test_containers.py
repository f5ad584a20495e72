"""Faults of jobs in containers: each ends its container, and none is left."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engines import containers_of
from tests.local.faults.test_jobs import EXITED, TASK_FAILED, ended, fargate

pytestmark = pytest.mark.container

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
OBSTINATE = "trap '' TERM; echo up; while :; do sleep 0.1; done"

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def struck(boxed: Any, eventually: Wait) -> Iterator[Any]:
    """A bench whose jobs are containers, of which none is left after the test, and no fault."""
    boxed.aws.reset_counters()
    yield boxed
    boxed.aws.faults.clear()
    eventually(lambda: not containers_of(boxed.aws))


@pytest.mark.parametrize(
    ("fault", "code", "why", "reason"),
    [
        ("spot-reclaim", None, r"Host EC2 \(instance i-[0-9a-f]{17}\) terminated\.", None),
        ("out-of-memory", 137, EXITED, OUT_OF_MEMORY),
        ("kill,delay=0.2", 137, EXITED, None),
    ],
)
def test_a_container_is_killed(
    struck: Any, eventually: Wait, fault: str, code: int | None, why: str, reason: str | None
) -> None:
    """Though it ignores SIGTERM; it is gone while the job tells how it ended."""
    struck.aws.faults.add(fault)
    job_id = struck.shell(OBSTINATE)
    found = ended(struck, job_id)
    assert (found[0], found[2]) == (code, reason)
    assert re.fullmatch(why, found[1])
    assert "RUNNING" in struck.statuses(job_id)
    eventually(lambda: not containers_of(struck.aws))
    assert struck.aws.counters()["faults"] == {fault.partition(",")[0]: 1}


@pytest.mark.parametrize(("end", "code"), [("exit 7", 7), (":", 137)])
def test_fargate_spot_warns_a_container(struck: Any, end: str, code: int) -> None:
    """SIGTERM comes first, and SIGKILL after the stop time-out if the job goes on."""
    struck.aws.faults.add("fargate-spot,delay=0.5")
    job_id = fargate(struck, f"trap 'echo warned; {end}' TERM; while :; do sleep 0.1; done")
    assert ended(struck, job_id) == (code, "Your Spot Task was interrupted.", None)
    assert struck.lines(struck.describe(job_id)) == ["warned"]


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("image-pull", "CannotPullContainerError: pull image manifest has been retried"),
        ("efs-mount", "ResourceInitializationError: failed to invoke EFS utils commands to set"),
    ],
)
def test_a_container_that_does_not_start_is_not_made(struck: Any, kind: str, begins: str) -> None:
    """The attempt fails before the engine is asked for anything; the next one runs."""
    struck.aws.faults.add(f"{kind},attempt=1")
    job_id = struck.shell("test $AWS_BATCH_JOB_ATTEMPT = 2", retryStrategy={"attempts": 2})
    job = struck.wait_for(job_id, "SUCCEEDED")
    first, second = (each["container"] for each in job["attempts"])
    assert first["reason"].startswith(begins)
    assert not {"exitCode", "logStreamName"} & set(first)
    assert job["attempts"][0]["statusReason"] == TASK_FAILED
    assert second["exitCode"] == 0
