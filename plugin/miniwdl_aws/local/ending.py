"""Ends all jobs at once, for those who want to begin anew without a new local AWS."""

import time
from collections.abc import Callable, Iterable

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.errors import LocalAwsError

_LOOK_SECONDS = 0.02


def end_jobs(
    jobs: Callable[[], Iterable[Job]], terminate: Callable[[Job], None], limit_seconds: float
) -> None:
    """Terminate every job that has not ended, and wait until all have.

    Args:
        jobs: gives all jobs as they are, also those that were submitted meanwhile.
        terminate: ends a job.
        limit_seconds: how long that may take.

    Raises:
        LocalAwsError: some have not ended after that time.
    """
    told: set[str] = set()
    deadline = time.monotonic() + limit_seconds
    while left := [job for job in jobs() if not job.ended]:
        for job in left:
            if job.job_id not in told:
                terminate(job)
                told.add(job.job_id)
        if time.monotonic() > deadline:
            names = ", ".join(f"{job.name} ({job.job_id}, {job.status})" for job in left)
            raise LocalAwsError(f"jobs that do not end within {limit_seconds:.0f} s: {names}")
        time.sleep(_LOOK_SECONDS)
