"""Which jobs wait for which."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.errors import BatchError

Find = Callable[[str], Job | None]


class Dependencies:
    """The jobs that wait for others, and for how many."""

    def __init__(self) -> None:
        self._dependents: dict[str, list[Job]] = defaultdict(list)
        self._missing: dict[str, int] = {}

    def add(self, job: Job, others: Iterable[Job]) -> bool:
        """Let a job wait for those of some others that have not ended; tell whether it waits."""
        waiting = {each.job_id for each in others if not each.ended}
        for job_id in waiting:
            self._dependents[job_id].append(job)
        if waiting:
            self._missing[job.job_id] = len(waiting)
        return bool(waiting)

    def of(self, job: Job) -> list[Job]:
        """Return the jobs that wait for a job which has ended, and forget its own waiting."""
        self._missing.pop(job.job_id, None)
        return self._dependents.pop(job.job_id, [])

    def waits(self, job: Job) -> bool:
        """Tell whether a job waits for another."""
        return job.job_id in self._missing

    def met(self, job: Job) -> bool:
        """Note that one job that another waits for has ended; tell whether it was the last."""
        self._missing[job.job_id] -= 1
        if self._missing[job.job_id]:
            return False
        del self._missing[job.job_id]
        return True


def check(entries: list[Mapping[str, Any]], size: int | None, find: Find) -> None:
    """Refuse dependencies that Batch refuses.

    Args:
        entries: the ``dependsOn`` of a submission.
        size: the size of the array that is submitted; None for a job that is no array.
        find: finds a job by its id.
    """
    if len(entries) > limits.MAX_DEPENDENCIES:
        raise BatchError(
            f"A job can depend on at most {limits.MAX_DEPENDENCIES} jobs, got {len(entries)}"
        )
    for entry in entries:
        kind, job_id = entry.get("type"), entry.get("jobId")
        if kind is not None and size is None:
            raise BatchError(f"dependsOn: type {kind} is for array jobs only")
        if kind == "SEQUENTIAL":
            if job_id:
                raise BatchError(f"dependsOn: type SEQUENTIAL takes no jobId, got {job_id}")
            continue
        _check_job(kind, job_id, size, find)


def _check_job(kind: str | None, job_id: str | None, size: int | None, find: Find) -> None:
    if kind not in {None, "N_TO_N"}:
        raise BatchError(f"dependsOn: type must be N_TO_N or SEQUENTIAL, got {kind!r}")
    other = find(job_id or "")
    if other is None:
        raise BatchError(f"dependsOn: job {job_id} does not exist")
    length = len(other.children.jobs) if other.children else None
    if kind == "N_TO_N" and length != size:
        raise BatchError(
            f"dependsOn: type N_TO_N needs an array job of the same size {size}; job {job_id} "
            f"{'is no array job' if length is None else f'has the size {length}'}"
        )


def of_job(job: Job, find: Find) -> list[Job]:
    """Return the jobs that a whole submission waits for; those long gone are left out."""
    entries = [each for each in job.request["dependsOn"] if each.get("type") is None]
    return [other for entry in entries if (other := find(entry["jobId"]))]


def of_child(child: Job, find: Find) -> list[Job]:
    """Return the jobs that the child of an array waits for besides those of the whole array."""
    others = []
    for entry in child.request["dependsOn"]:
        if entry.get("type") == "N_TO_N":
            others.append(find(f"{entry['jobId']}:{child.index}"))
        elif entry.get("type") == "SEQUENTIAL" and child.index and child.parent:
            others.append(find(f"{child.parent.job_id}:{child.index - 1}"))
    return [other for other in others if other]
