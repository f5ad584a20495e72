"""Tests of `miniwdl_aws.calls`."""

import doctest

from hypothesis import given, strategies as st

from miniwdl_aws import calls as module
from miniwdl_aws.backend.request import task_job_name
from miniwdl_aws.calls import as_table, call_of, select_calls
from miniwdl_aws.names import task_job_prefix
from miniwdl_aws.status import JobStatus

PARENT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def call(name: str, attempt: int = 1, **members: object) -> module.Call:
    job_name = task_job_name(PARENT, f"call-{name}", attempt, "9c01ab")
    status = JobStatus(**{"job_id": "j", "status": "RUNNING", "job_name": job_name, **members})  # type: ignore[arg-type]
    return call_of(status, task_job_prefix(PARENT), "us-east-1")


def test_the_examples_hold() -> None:
    """The docstrings' examples are what the functions give."""
    assert doctest.testmod(module).failed == 0


@given(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}(-[0-9]{1,4})?", fullmatch=True), st.integers(1, 9)
)
def test_a_task_jobs_name_tells_its_call(name: str, attempt: int) -> None:
    """The backend writes it, and this reads it."""
    read = call(name, attempt)
    assert (read.name, read.attempt) == (name.rstrip("_"), attempt)


def test_times_are_known_as_far_as_the_job_has_come() -> None:
    """A job that waits has no times; one that runs has no end."""
    assert call("a", created_at=1000).queue_seconds is None
    running = call("a", created_at=1000, started_at=4500)
    assert (running.queue_seconds, running.run_seconds) == (3.5, None)
    ended = call("a", created_at=1000, started_at=4500, stopped_at=65_000)
    assert ended.run_seconds == 60.5


def test_a_call_is_chosen_by_name_or_glob() -> None:
    """As it is called in the log, with call- in front, or in the table, without."""
    calls = [call("align-0"), call("align-1"), call("call_variants")]
    assert [each.name for each in select_calls(calls, "call-align-0")] == ["align-0"]
    assert len(select_calls(calls, "align-*")) == 2
    assert select_calls(calls, "alig") == []


def test_a_table_has_a_line_for_each_attempt() -> None:
    """Columns are as wide as they need be, and the log's address is the last."""
    head, first, second = as_table(
        [call("align-10", log_stream="s/1"), call("b", 2, status="FAILED", exit_code=7)]
    )
    assert head.split() == ["CALL", "TRY", "STATUS", "WAITED", "RAN", "EXIT", "JOB", "LOG"]
    assert first.split()[:3] == ["align-10", "1", "RUNNING"]
    assert first.split()[-1].startswith("https://")
    assert second.split() == ["b", "2", "FAILED", "7", "j"]
    assert head.index("STATUS") == first.index("RUNNING") == second.index("FAILED")
