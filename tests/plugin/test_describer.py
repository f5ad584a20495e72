"""Tests of `miniwdl_aws.describer`."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from miniwdl_aws.describer import MISSES_BEFORE_LOST, Cadence, Describer
from miniwdl_aws.errors import AwsThrottledError
from miniwdl_aws.status import JobStatus


class FakeBatch:
    """Answers what it was told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.error: AwsThrottledError | None = None
        self.now = 0.0

    def describe(self, job_ids: list[str], /) -> list[JobStatus]:
        self.asked.append(job_ids)
        if self.error:
            raise self.error
        return [
            JobStatus(job_id=job_id, status=self.known[job_id])
            for job_id in job_ids
            if job_id in self.known
        ]

    def clock(self) -> float:
        return self.now


QUICK = Cadence(period_seconds=0.01, calls_per_second=1000, lost_grace_seconds=30)


@pytest.fixture
def batch() -> FakeBatch:
    return FakeBatch()


@pytest.fixture
def still(batch: FakeBatch) -> Describer:
    """A describer whose thread sleeps for an hour after its first round: tests sweep themselves."""
    return Describer(
        batch.describe, Cadence(period_seconds=3600, lost_grace_seconds=30), clock=batch.clock
    )


class Collect(Protocol):
    def __call__(self, *job_ids: str) -> dict[str, list[str]]:
        """Watch jobs until the end of the test; the statuses that are told are added to these."""


@pytest.fixture
def collect(still: Describer) -> Iterator[Collect]:
    with contextlib.ExitStack() as watching:

        def watch(*job_ids: str) -> dict[str, list[str]]:
            seen: dict[str, list[str]] = {job_id: [] for job_id in job_ids}

            def tell(status: JobStatus) -> None:
                seen[status.job_id].append(status.status)

            for job_id in job_ids:
                watching.enter_context(still.watching(job_id, tell))
            return seen

        yield watch


def eventually(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(1000):
        if condition():
            return
        tick.wait(0.01)
    pytest.fail("the condition never came true")


def test_an_observer_is_told_each_change_once(batch: FakeBatch) -> None:
    """A status that did not change is no news."""
    batch.known = {"a": "RUNNABLE"}
    told: queue.Queue[str] = queue.Queue()
    describer = Describer(batch.describe, QUICK)
    with describer.watching("a", lambda status: told.put(status.status)):
        assert told.get(timeout=10) == "RUNNABLE"
        asked = len(batch.asked)
        eventually(lambda: len(batch.asked) > asked + 3)
        batch.known["a"] = "SUCCEEDED"
        assert told.get(timeout=10) == "SUCCEEDED"
    assert told.empty()


def test_many_jobs_are_asked_about_a_hundred_at_a_time(
    batch: FakeBatch, still: Describer, collect: Collect
) -> None:
    """250 jobs cost three calls, not 250."""
    ids = [f"j{number}" for number in range(250)]
    batch.known = dict.fromkeys(ids, "RUNNING")
    collect(*ids)
    eventually(lambda: len(batch.asked) > 0)
    batch.asked.clear()
    still.sweep()
    assert [len(asked) for asked in batch.asked] == [100, 100, 50]


def test_a_job_that_has_ended_is_not_asked_about_again(
    batch: FakeBatch, still: Describer, collect: Collect
) -> None:
    """An ended job never changes."""
    batch.known = {"a": "SUCCEEDED", "b": "RUNNING"}
    seen = collect("a", "b")
    still.sweep()
    eventually(lambda: seen == {"a": ["SUCCEEDED"], "b": ["RUNNING"]})
    batch.asked.clear()
    still.sweep()
    assert batch.asked == [["b"]]


def test_one_answer_without_a_job_loses_nothing(
    batch: FakeBatch, still: Describer, collect: Collect
) -> None:
    """DescribeJobs is eventually consistent; one gap is not the end of a run."""
    batch.known = {"a": "RUNNING", "b": "RUNNING"}
    seen = collect("a", "b")
    still.sweep()
    del batch.known["b"]
    still.sweep()
    batch.known = {"a": "SUCCEEDED", "b": "SUCCEEDED"}
    still.sweep()
    eventually(lambda: seen == {"a": ["RUNNING", "SUCCEEDED"], "b": ["RUNNING", "SUCCEEDED"]})


def test_only_a_job_missing_for_long_is_lost(
    batch: FakeBatch, still: Describer, collect: Collect
) -> None:
    """After the grace and several answers without it, that job is lost and the others go on."""
    batch.known = {"a": "RUNNING"}
    seen = collect("a", "gone")
    for _ in range(MISSES_BEFORE_LOST + 1):
        still.sweep()
    assert seen["gone"] == []
    batch.now = 31.0
    still.sweep()
    assert seen["gone"] == ["LOST"]
    assert "LOST" not in seen["a"]


def test_errors_are_outlived_up_to_a_bound(
    batch: FakeBatch, still: Describer, collect: Collect
) -> None:
    """Throttling for a minute ends nothing; being deaf for long is told, not waited out."""
    batch.known = {"a": "RUNNING"}
    seen = collect("a")
    still.sweep()
    batch.error = AwsThrottledError("DescribeJobs", "TooManyRequestsException", "slow down")
    for _ in range(20):
        still.sweep()
    assert seen == {"a": ["RUNNING"]}
    batch.now = 901.0
    still.sweep()
    assert seen == {"a": ["RUNNING", "LOST"]}


def test_a_failing_observer_does_not_stop_the_others(
    batch: FakeBatch, still: Describer, collect: Collect
) -> None:
    """One thread serves all; no observer may end it."""
    batch.known = {"a": "RUNNING"}

    def broken(_status: JobStatus) -> None:
        raise RuntimeError("mine")

    with still.watching("a", broken):
        seen = collect("a")
        still.sweep()
        eventually(lambda: seen == {"a": ["RUNNING"]})


def test_the_thread_ends_with_the_last_job(batch: FakeBatch) -> None:
    """A process that waits for nothing asks for nothing."""
    batch.known = {"a": "RUNNING"}
    describer = Describer(batch.describe, QUICK)
    with describer.watching("a", lambda _status: None):
        eventually(lambda: describer._thread is not None and len(batch.asked) > 1)
    eventually(lambda: describer._thread is None)


def test_rounds_stretch_with_the_number_of_jobs_and_of_failures() -> None:
    """The share of the account's rate is kept, and a failing endpoint is left in peace."""
    cadence = Cadence(period_seconds=1, calls_per_second=2)
    assert cadence.pause(1) == 1
    assert cadence.pause(1000) == 5
    assert cadence.pause(1, failures=3) == 8
    assert cadence.pause(1, failures=100) == 60


def test_a_patient_round_asks_about_what_is_due_and_fills_its_last_call(batch: FakeBatch) -> None:
    """Jobs that are left alone cost no call of their own, but ride along in one that is made."""
    ids = [f"j{number:03}" for number in range(150)]
    batch.known = dict.fromkeys(ids, "RUNNING")
    describer = Describer(
        batch.describe,
        Cadence(period_seconds=3600),
        patience=lambda status: 20 if status is None else 60,
        clock=batch.clock,
    )
    with contextlib.ExitStack() as watching:
        for job_id in ids:
            watching.enter_context(describer.watching(job_id, lambda _status: None))
        describer.sweep()
        assert batch.asked == []
        describer.hasten("j149", 2)
        batch.now = 2.0
        describer.sweep()
        assert [len(asked) for asked in batch.asked] == [100]
        assert "j149" in batch.asked[0]
        batch.now = 20.0
        describer.sweep()
        assert len(batch.asked) == 2
        assert set(batch.asked[1]) >= set(ids) - set(batch.asked[0])
        batch.now = 50.0
        describer.sweep()
        assert len(batch.asked) == 2


def test_a_pressing_job_is_asked_about_in_every_round(batch: FakeBatch) -> None:
    """A job that is about to end is not left alone again."""
    batch.known = {"a": "RUNNING"}
    describer = Describer(
        batch.describe,
        Cadence(period_seconds=3600),
        patience=lambda _status: 60,
        clock=batch.clock,
    )
    with describer.watching("a", lambda _status: None):
        describer.press("a")
        for _ in range(3):
            before = len(batch.asked)
            describer.sweep()
            assert len(batch.asked) > before  # the describer's own thread may ask in between
    assert {*map(tuple, batch.asked)} == {("a",)}


def test_a_job_that_is_hastened_is_described_at_once_by_the_thread(batch: FakeBatch) -> None:
    """The thread that sleeps until a job is due wakes when it is due sooner."""
    batch.known = {"a": "RUNNING"}
    told: queue.Queue[str] = queue.Queue()
    describer = Describer(batch.describe, QUICK, patience=lambda _status: 3600)
    with describer.watching("a", lambda status: told.put(status.status)):
        describer.hasten("a", 0.01)
        assert told.get(timeout=10) == "RUNNING"
        batch.known["a"] = "SUCCEEDED"
        describer.press("a")
        assert told.get(timeout=10) == "SUCCEEDED"


class Stepped(Cadence):
    """Asks about one job at once, and about more within an hour."""

    def pause(self, job_count: int, failures: int = 0) -> float:
        return 0.001 if job_count <= 1 else 3600.0


def test_the_next_round_comes_sooner_once_fewer_jobs_are_left(batch: FakeBatch) -> None:
    """The thread that sleeps as long as many jobs ask for wakes when they have gone."""
    describer = Describer(batch.describe, Stepped())
    told = queue.SimpleQueue[str]()
    batch.known = {"a": "RUNNING", "b": "RUNNING"}

    def tell(status: JobStatus) -> None:
        told.put(f"{status.job_id} {status.status}")

    with describer.watching("a", tell):
        with describer.watching("b", tell):
            eventually(lambda: bool(batch.asked) and "b" in describer._watched)
            eventually(lambda: describer._next_at > describer._clock() + 60)
            batch.known["a"] = "SUCCEEDED"
        while told.get(timeout=30) != "a SUCCEEDED":
            pass
