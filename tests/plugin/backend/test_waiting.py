"""Tests of `miniwdl_aws.backend.waiting`."""

import threading
import time

from miniwdl_aws.backend.waiting import JobWaiter, TerminationWatch
from miniwdl_aws.status import JobStatus


def test_only_the_end_ends_a_wait() -> None:
    """What comes before is noted by who tells of it; waking and time-out give nothing."""
    noted: list[str] = []
    waiter = JobWaiter(lambda status: noted.append(status.status))
    for status in ("STARTING", "RUNNING"):
        waiter.observe(JobStatus(job_id="j", status=status))
    assert noted == ["STARTING", "RUNNING"]
    assert waiter.wait(0.01) is None
    waiter.observe(JobStatus(job_id="j", status="SUCCEEDED"))
    found = waiter.wait()
    assert (found and found.status, noted) == ("SUCCEEDED", ["STARTING", "RUNNING"])
    assert (waiter.first and waiter.first.status) == "STARTING"
    waiter.wake()
    assert waiter.wait() is None


def test_all_are_woken_by_one_thread() -> None:
    """A thousand waiters cost one thread, and all learn of termination, once."""
    terminating = threading.Event()
    watch = TerminationWatch(0.02)
    woken: list[int] = []
    registrations = [
        watch.watching(terminating.is_set, lambda number=number: woken.append(number))  # type: ignore[misc]
        for number in range(1000)
    ]
    before = set(threading.enumerate())  # of which some may be about to end
    for each in registrations:
        each.__enter__()
    assert [each.name for each in set(threading.enumerate()) - before] == [
        "miniwdl-aws-termination"
    ]
    terminating.set()
    assert watch.noticed.wait(5)
    for each in registrations:
        each.__exit__(None, None, None)
    assert sorted(woken) == list(range(1000))


def test_a_sleep_ends_with_termination() -> None:
    """Waiting to retry does not outlast the run."""
    watch = TerminationWatch(0.02)
    started = time.monotonic()
    watch.sleep(60, lambda: True)
    assert time.monotonic() - started < 10
    watch.sleep(0.01, lambda: False)


def test_a_new_run_starts_unnoticed() -> None:
    """What one run noticed does not shorten the sleeps of the next in the same process."""
    watch = TerminationWatch(0.02)
    watch.sleep(60, lambda: True)
    for thread in threading.enumerate():
        if thread.name == "miniwdl-aws-termination":
            thread.join(5)
    with watch.watching(lambda: False, lambda: None):
        assert not watch.noticed.is_set()
