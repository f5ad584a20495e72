"""All jobs, and how they are found."""

import bisect
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.lifecycle import ARRAY_TRANSITIONS, TRANSITIONS
from miniwdl_aws.local.batch.queues import JobQueue
from miniwdl_aws.local.errors import BatchError


@dataclass
class _QueueIndex:
    """A queue's jobs, without the children of arrays."""

    by_status: dict[str, dict[str, Job]] = field(default_factory=dict)
    by_name: dict[str, dict[str, Job]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    by_definition: dict[str, dict[str, dict[str, Job]]] = field(default_factory=dict)
    created: dict[str, Job] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        self.by_status.setdefault(job.status, {})[job.job_id] = job
        self.created[job.job_id] = job
        folded = job.name.casefold()
        if folded not in self.by_name:
            self.by_name[folded] = {}
            bisect.insort(self.names, folded)
        self.by_name[folded][job.job_id] = job
        revisions = self.by_definition.setdefault(job.definition.name, {})
        revisions.setdefault(job.definition.arn, {})[job.job_id] = job

    def move(self, job: Job, status: str) -> None:
        del self.by_status[job.status][job.job_id]
        self.by_status.setdefault(status, {})[job.job_id] = job

    def remove(self, job: Job) -> None:
        del self.by_status[job.status][job.job_id]
        del self.created[job.job_id]
        folded = job.name.casefold()
        del self.by_name[folded][job.job_id]
        if not self.by_name[folded]:
            del self.by_name[folded]
            self.names.pop(bisect.bisect_left(self.names, folded))
        revisions = self.by_definition[job.definition.name]
        del revisions[job.definition.arn][job.job_id]
        if not revisions[job.definition.arn]:
            del revisions[job.definition.arn]


Observer = Callable[[Job, str | None], None]
"""Is told a job and the status that it had before; None for a job that is new."""

BlockObserver = Callable[[Job], None]
"""Is told a job that blocks its queue, and whose status reason says why."""


class JobStore:
    """All jobs, found by id, by queue and status, and by ListJobs' filters.

    Only the filters by time and by share identifier go through all jobs of the queue.

    Args:
        clock: the time in milliseconds since 1970.
        retention_seconds: how long ended jobs are kept.
    """

    def __init__(self, clock: Callable[[], int], retention_seconds: float = math.inf) -> None:
        self.clock = clock
        self._retention_ms = retention_seconds * 1000
        self._observers: list[Observer] = []
        self._block_observers: list[BlockObserver] = []
        self._by_id: dict[str, Job] = {}
        self._queues: dict[JobQueue, _QueueIndex] = defaultdict(_QueueIndex)
        self._ended: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_id.values())

    def observe(self, observer: Observer) -> None:
        """Tell a function of every new job and every change of a status.

        It is called under the scheduler's lock, after the change; it must neither wait nor change
        a job.
        """
        self._observers.append(observer)

    def observe_blocks(self, observer: BlockObserver) -> None:
        """Tell a function of every job that begins to block its queue, as ``observe`` does."""
        self._block_observers.append(observer)

    def get(self, job_id: str) -> Job | None:
        """Find a job by its id."""
        return self._by_id.get(job_id)

    def add(self, job: Job) -> None:
        """Take in a job that was submitted, or a child that was spawned."""
        self._by_id[job.job_id] = job
        if job.parent is None:
            self._queues[job.queue].add(job)
        job.history.append((job.status, job.created_at))
        self._tell(job, None)

    def move(self, job: Job, status: str, reason: str | None = None) -> None:
        """Change a job's status.

        Raises:
            ValueError: the lifecycle has no such step.
        """
        if status not in (ARRAY_TRANSITIONS if job.children else TRANSITIONS)[job.status]:
            raise ValueError(f"job {job.job_id}: no way from {job.status} to {status}")
        now = self.clock()
        if job.parent is None:
            self._queues[job.queue].move(job, status)
        elif job.parent.children is not None:
            job.parent.children.moved(job.status, status, now)
            job.parent.touch()
        previous = job.status
        job.status, job.status_reason = status, reason
        job.history.append((status, now))
        if job.ended:
            self._note_end(job, now)
        job.touch()
        self._tell(job, previous)

    def expire(self) -> None:
        """Forget the jobs that ended longer ago than the retention time, with their children."""
        oldest = self.clock() - self._retention_ms
        while self._ended and (self._ended[0].stopped_at or 0) <= oldest:
            job = self._ended.popleft()
            self._queues[job.queue].remove(job)
            for each in {job, *job.family}:
                del self._by_id[each.job_id]

    def _note_end(self, job: Job, now: int) -> None:
        job.stopped_at = now
        if job.parent is None:
            self._ended.append(job)

    def block(self, job: Job, reason: str | None) -> None:
        """Say why a job stays RUNNABLE at the head of its queue, or that nothing blocks it."""
        job.status_reason = reason
        job.touch()
        if reason is not None:
            for observer in self._block_observers:
                observer(job)

    def _tell(self, job: Job, previous: str | None) -> None:
        for observer in self._observers:
            observer(job, previous)

    def with_status(self, queue: JobQueue, status: str) -> list[Job]:
        """Return a queue's jobs of a status, the most recent first."""
        found = self._queues[queue].by_status.get(status, {}).values()
        return sorted(found, key=lambda job: job.created_at, reverse=True)

    def filtered(self, queue: JobQueue, name: str, values: list[str]) -> list[Job]:
        """Return a queue's jobs that a ListJobs filter matches, the most recent first."""
        if name not in _FINDERS:
            raise BatchError(f"Filter {name!r} is not one of {', '.join(_FINDERS)}")
        index = self._queues[queue]
        found = {job.job_id: job for value in values for job in _FINDERS[name](index, value)}
        return sorted(found.values(), key=lambda job: job.created_at, reverse=True)


def _by_name(index: _QueueIndex, value: str) -> Iterator[Job]:
    folded = value.casefold()
    if not folded.endswith("*"):
        yield from index.by_name.get(folded, {}).values()
        return
    prefix = folded[:-1]
    for position in range(bisect.bisect_left(index.names, prefix), len(index.names)):
        if not index.names[position].startswith(prefix):
            return
        yield from index.by_name[index.names[position]].values()


def _by_definition(index: _QueueIndex, value: str) -> Iterator[Job]:
    if value.startswith("arn:"):
        name = value.rsplit("/", 1)[-1].partition(":")[0]
        yield from index.by_definition.get(name, {}).get(value, {}).values()
        return
    for name, revisions in index.by_definition.items():
        if name == value or (value.endswith("*") and name.startswith(value[:-1])):
            for jobs in revisions.values():
                yield from jobs.values()


def _milliseconds(value: str) -> int:
    if not value.isdigit():
        raise BatchError(f"A time in milliseconds since 1970 is expected, got {value!r}")
    return int(value)


def _before(index: _QueueIndex, value: str) -> list[Job]:
    end = _milliseconds(value)
    return [job for job in index.created.values() if job.created_at < end]


def _after(index: _QueueIndex, value: str) -> list[Job]:
    begin = _milliseconds(value)
    return [job for job in index.created.values() if job.created_at > begin]


def _by_share(index: _QueueIndex, value: str) -> Iterator[Job]:
    return (job for job in index.created.values() if job.share == value)


_FINDERS: dict[str, Callable[[_QueueIndex, str], Iterable[Job]]] = {
    "JOB_NAME": _by_name,
    "JOB_DEFINITION": _by_definition,
    "BEFORE_CREATED_AT": _before,
    "AFTER_CREATED_AT": _after,
    "SHARE_IDENTIFIER": _by_share,
}
