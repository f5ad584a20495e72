"""All jobs, and how they are found."""

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from miniwdl_aws.local.errors import BatchError
from miniwdl_aws.local.jobs import TRANSITIONS, Job


@dataclass
class _QueueIndex:
    by_status: dict[str, dict[str, Job]] = field(default_factory=dict)
    by_name: dict[str, list[Job]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    by_definition: dict[str, dict[str, list[Job]]] = field(default_factory=dict)
    created: list[Job] = field(default_factory=list)


Observer = Callable[[Job, str | None], None]
"""Is told a job and the status that it had before; None for a job that was just submitted."""


class JobStore:
    """All jobs, found by id, by queue and status, and by ListJobs' filters, without a scan.

    Args:
        clock: the time in milliseconds since 1970.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self._observers: list[Observer] = []
        self._by_id: dict[str, Job] = {}
        self._queues: dict[str, _QueueIndex] = {}

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

    def get(self, job_id: str) -> Job | None:
        """Find a job by its id."""
        return self._by_id.get(job_id)

    def add(self, job: Job) -> None:
        """Take in a newly submitted job."""
        self._by_id[job.job_id] = job
        index = self._queues.setdefault(job.queue.name, _QueueIndex())
        index.by_status.setdefault(job.status, {})[job.job_id] = job
        index.created.append(job)
        folded = job.name.casefold()
        if folded not in index.by_name:
            index.by_name[folded] = []
            bisect.insort(index.names, folded)
        index.by_name[folded].append(job)
        revisions = index.by_definition.setdefault(job.definition.name, {})
        revisions.setdefault(job.definition.arn, []).append(job)
        job.history.append((job.status, self.clock()))
        self._tell(job, None)

    def move(self, job: Job, status: str, reason: str | None = None) -> int:
        """Change a job's status; return the time in milliseconds since 1970.

        Raises:
            ValueError: the lifecycle has no such step.
        """
        if status not in TRANSITIONS[job.status]:
            raise ValueError(f"job {job.job_id}: no way from {job.status} to {status}")
        by_status = self._queues[job.queue.name].by_status
        del by_status[job.status][job.job_id]
        by_status.setdefault(status, {})[job.job_id] = job
        now = self.clock()
        previous = job.status
        job.status, job.status_reason = status, reason
        if job.ended:
            job.stopped_at = now
        job.history.append((status, now))
        job.touch()
        self._tell(job, previous)
        return now

    def _tell(self, job: Job, previous: str | None) -> None:
        for observer in self._observers:
            observer(job, previous)

    def with_status(self, queue: str, status: str) -> list[Job]:
        """Return a queue's jobs of a status, the most recent first."""
        index = self._queues.get(queue, _QueueIndex())
        found = index.by_status.get(status, {}).values()
        return sorted(found, key=lambda job: job.created_at, reverse=True)

    def filtered(self, queue: str, name: str, values: list[str]) -> list[Job]:
        """Return a queue's jobs that a ListJobs filter matches, the most recent first."""
        index = self._queues.get(queue, _QueueIndex())
        finders: dict[str, Callable[[_QueueIndex, str], Iterable[Job]]] = {
            "JOB_NAME": _by_name,
            "JOB_DEFINITION": _by_definition,
            "BEFORE_CREATED_AT": _before,
            "AFTER_CREATED_AT": _after,
        }
        if name not in finders:
            raise BatchError(f"Filter {name!r} is not one of {', '.join(finders)}")
        found = {job.job_id: job for value in values for job in finders[name](index, value)}
        return sorted(found.values(), key=lambda job: job.created_at, reverse=True)


def _by_name(index: _QueueIndex, value: str) -> Iterator[Job]:
    folded = value.casefold()
    if not folded.endswith("*"):
        yield from index.by_name.get(folded, [])
        return
    prefix = folded[:-1]
    for position in range(bisect.bisect_left(index.names, prefix), len(index.names)):
        if not index.names[position].startswith(prefix):
            return
        yield from index.by_name[index.names[position]]


def _by_definition(index: _QueueIndex, value: str) -> Iterator[Job]:
    if value.startswith("arn:"):
        name = value.rsplit("/", 1)[-1].partition(":")[0]
        yield from index.by_definition.get(name, {}).get(value, [])
        return
    for name, revisions in index.by_definition.items():
        if name == value or (value.endswith("*") and name.startswith(value[:-1])):
            for jobs in revisions.values():
                yield from jobs


def _milliseconds(value: str) -> int:
    if not value.isdigit():
        raise BatchError(f"A time in milliseconds since 1970 is expected, got {value!r}")
    return int(value)


def _before(index: _QueueIndex, value: str) -> list[Job]:
    end = bisect.bisect_left(index.created, _milliseconds(value), key=lambda job: job.created_at)
    return index.created[:end]


def _after(index: _QueueIndex, value: str) -> list[Job]:
    begin = bisect.bisect_right(index.created, _milliseconds(value), key=lambda job: job.created_at)
    return index.created[begin:]
