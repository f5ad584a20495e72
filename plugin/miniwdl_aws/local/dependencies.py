"""Which jobs wait for which."""

from collections import defaultdict
from collections.abc import Iterable

from miniwdl_aws.local.jobs import Job


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

    def met(self, job: Job) -> bool:
        """Note that one job that another waits for has succeeded; tell whether it was the last."""
        self._missing[job.job_id] -= 1
        if self._missing[job.job_id]:
            return False
        del self._missing[job.job_id]
        return True
