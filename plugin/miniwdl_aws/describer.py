"""One thread that asks DescribeJobs about all jobs of a process, and tells who waits for them."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsThrottledError
from miniwdl_aws.status import JobStatus, from_describe_jobs, lost

MAX_DESCRIBED = 100
"""Job ids a DescribeJobs call (Batch API, "DescribeJobs")."""

MISSES_BEFORE_LOST = 5
"""Successive answers without a job after which it counts as lost, once the grace is over."""

Observer = Callable[[JobStatus], None]

Patience = Callable[[JobStatus | None], float]
"""How many seconds to leave a job alone, given its latest status; none before the first answer."""

_log = logging.getLogger(__name__)


class DescribeJobs(Protocol):
    """What the describer asks; implemented by `batch_describe_jobs` and by tests' fakes."""

    def __call__(self, job_ids: list[str], /) -> list[JobStatus]:
        """Give the jobs that Batch knows of at most 100 ids.

        1. Ids that Batch does not know are left out of the answer.
        2. It raises `AwsError` when Batch could not be asked.
        """
        ...


def batch_describe_jobs(clients: AwsClients) -> DescribeJobs:
    """Ask the real API."""

    def describe(job_ids: list[str]) -> list[JobStatus]:
        with aws_errors("DescribeJobs"):
            answer = clients.batch.describe_jobs(jobs=job_ids)
        return [from_describe_jobs(job) for job in answer["jobs"]]

    return describe


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often to ask.

    Attributes:
        period_seconds: the pause between two rounds while few jobs are watched.
        calls_per_second: the share of the account's request rate that describing may use; with
            many jobs it stretches the rounds.
        lost_grace_seconds: how long a job may be missing from the answers before it is lost.
        error_grace_seconds: how long DescribeJobs may fail before its jobs count as lost.
    """

    period_seconds: float = 1.0
    calls_per_second: float = 2.0
    lost_grace_seconds: float = 60.0
    error_grace_seconds: float = 900.0

    def pause(self, job_count: int, failures: int = 0) -> float:
        """Give the seconds until the next round, for so many jobs and failed rounds in a row."""
        calls = -(-job_count // MAX_DESCRIBED)
        steady = max(self.period_seconds, calls / self.calls_per_second)
        return min(60.0, steady * 2.0 ** min(failures, 6)) if failures else steady


@dataclass
class _Watched:
    observers: list[Observer] = field(default_factory=list)
    latest: JobStatus | None = None
    misses: int = 0
    seen_at: float = 0.0
    due_at: float = 0.0
    pressing: bool = False

    @property
    def is_open(self) -> bool:
        return self.latest is None or not self.latest.is_terminal


def _every_round(_status: JobStatus | None) -> float:
    return 0.0


class Describer:
    """Watches jobs by id and calls back on each change of what Batch says of them.

    Observers are called on the describer's thread, one after another: they must return soon.
    The thread starts with the first job and ends when none is left.

    A round asks about the jobs that are due, and fills its last call up with others: they cost
    nothing.

    Args:
        describe: what is asked.
        cadence: how far apart rounds are at the least.
        patience: when a job is due again; in every round if not given.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        describe: DescribeJobs,
        cadence: Cadence | None = None,
        *,
        patience: Patience = _every_round,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._describe = describe
        self._cadence = cadence or Cadence()
        self._patience = patience
        self._clock = clock
        self._wake = threading.Condition()
        self._watched: dict[str, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._failing_since: float | None = None
        self._swept_at = self._earliest_at = self._next_at = float("-inf")

    def watch(self, job_id: str, observer: Observer) -> None:
        """Call ``observer`` with the job's status now known and at each change from now on."""
        with self._wake:
            watched = self._watched.get(job_id)
            if watched is None:
                now = self._clock()
                watched = _Watched(seen_at=now, due_at=now + self._patience(None))
                self._watched[job_id] = watched
                self._rouse(watched)
            watched.observers.append(observer)
            if watched.latest is not None:
                observer(watched.latest)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="miniwdl-aws-describer", daemon=True
                )
                self._thread.start()

    def unwatch(self, job_id: str, observer: Observer) -> None:
        """Stop calling ``observer``; harmless if it was not watching."""
        with self._wake:
            watched = self._watched.get(job_id)
            if watched is None or observer not in watched.observers:
                return
            watched.observers.remove(observer)
            if not watched.observers:
                del self._watched[job_id]
                if not self._watched or self._earliest_by_now() < self._earliest_at:
                    self._wake.notify_all()

    @contextlib.contextmanager
    def watching(self, job_id: str, observer: Observer) -> Iterator[None]:
        """Watch a job for the length of the block."""
        self.watch(job_id, observer)
        try:
            yield
        finally:
            self.unwatch(job_id, observer)

    def hasten(self, job_id: str, seconds: float = 0.0) -> None:
        """Ask about a job within so many seconds, as far as the cadence lets."""
        with self._wake:
            if (watched := self._watched.get(job_id)) is not None:
                watched.due_at = min(watched.due_at, self._clock() + seconds)
                self._rouse(watched)

    def press(self, job_id: str) -> None:
        """Ask about a job in every round from now on: it is about to end, or has."""
        with self._wake:
            if (watched := self._watched.get(job_id)) is not None:
                watched.pressing, watched.due_at = True, self._clock()
                self._rouse(watched)

    def sweep(self) -> None:
        """Ask once about the jobs that are due; what the thread does in each round."""
        with self._wake:
            self._swept_at = now = self._clock()
            waiting = [(each.due_at, key) for key, each in self._watched.items() if each.is_open]
        due = sum(due_at <= now for due_at, _ in waiting)
        calls = -(-due // MAX_DESCRIBED)
        asked = [job_id for _, job_id in sorted(waiting)[: calls * MAX_DESCRIBED]]
        for start in range(0, len(asked), MAX_DESCRIBED):
            self._sweep_some(asked[start : start + MAX_DESCRIBED])

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._watched and (pause := self._until_next_round()) > 0:
                    self._wake.wait(pause)
                if not self._watched:
                    self._thread = None
                    return
            self.sweep()

    def _until_next_round(self) -> float:
        due = [each.due_at for each in self._watched.values() if each.is_open]
        pause = self._cadence.pause(len(due), self._failures)
        self._earliest_at = self._swept_at + pause
        self._next_at = max(self._earliest_at, min(due, default=float("inf")))
        return min(self._next_at - self._clock(), threading.TIMEOUT_MAX)

    def _rouse(self, watched: _Watched) -> None:
        """Have the thread look at the time again, if a job is due before it would.

        Not for each of many that end at the same time: before the cadence lets, it cannot ask.
        """
        if max(watched.due_at, self._earliest_by_now()) < self._next_at:
            self._wake.notify_all()

    def _earliest_by_now(self) -> float:
        """Give when the cadence lets it ask next, for as many jobs as are watched now."""
        return self._swept_at + self._cadence.pause(len(self._watched), self._failures)

    def _sweep_some(self, job_ids: list[str]) -> None:
        try:
            found = self._describe(job_ids)
        except Exception as exc:  # noqa: BLE001  (an answer that cannot be read is unknown, counted to a bound)
            self._failed(job_ids, exc)
            return
        self._failures = 0
        self._failing_since = None
        self._observe(found)
        self._missed(set(job_ids) - {status.job_id for status in found})

    def _observe(self, statuses: Iterable[JobStatus]) -> None:
        for status in statuses:
            with self._wake:
                watched = self._watched.get(status.job_id)
                if watched is None:
                    continue
                watched.misses = 0
                watched.seen_at = now = self._clock()
                watched.due_at = now + (0 if watched.pressing else self._patience(status))
                if status == watched.latest:
                    continue
                watched.latest = status
                observers = list(watched.observers)
            for observer in observers:
                _call(observer, status)

    def _missed(self, job_ids: set[str]) -> None:
        gone: list[JobStatus] = []
        with self._wake:
            for job_id in job_ids & self._watched.keys():
                watched = self._watched[job_id]
                watched.misses += 1
                watched.due_at = self._clock()
                unseen = self._clock() - watched.seen_at
                grace_over = unseen >= self._cadence.lost_grace_seconds
                if grace_over and watched.misses >= MISSES_BEFORE_LOST:
                    gone.append(
                        lost(job_id, f"DescribeJobs has not known the job for {unseen:.0f} s")
                    )
        self._observe(gone)

    def _failed(self, job_ids: list[str], exc: Exception) -> None:
        self._failures += 1
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        level = logging.INFO if isinstance(exc, AwsThrottledError) else logging.WARNING
        _log.log(level, "DescribeJobs failed and will be asked again: %s", exc)
        if now - self._failing_since >= self._cadence.error_grace_seconds:
            self._observe(lost(job_id, f"status unknown for too long: {exc}") for job_id in job_ids)


def _call(observer: Observer, status: JobStatus) -> None:
    try:
        observer(status)
    except Exception:  # noqa: BLE001  (one observer must not end all others)
        _log.exception("an observer of job %s failed", status.job_id)
