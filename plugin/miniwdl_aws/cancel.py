"""Ending a run: its workflow job and every task job of it, and seeing that they have ended."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from miniwdl_aws import names
from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import JobFailure, JobLostError
from miniwdl_aws.jobs import describe_all, find_jobs, terminate
from miniwdl_aws.status import JobStatus

TASK_QUEUE_VARIABLES = ("MINIWDL__AWS__TASK_QUEUE", "MINIWDL__AWS__TASK_QUEUE_FALLBACK")
"""In the workflow job: the queues on which its task jobs are."""

PARALLEL = 16
"""TerminateJob requests at a time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """What ending a run came to.

    Attributes:
        job_id: the workflow job.
        terminated: the task jobs that were asked to end.
        alive: the jobs that had not ended when the time was up.
    """

    job_id: str
    terminated: tuple[str, ...]
    alive: tuple[str, ...]


def cancel_run(
    clients: AwsClients,
    job_id: str,
    reason: str,
    *,
    wait_seconds: float = 120.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Cancellation:
    """End a workflow job and its task jobs.

    Task jobs that it may have adopted from an earlier workflow job of the run are among them.

    The workflow job is asked first, so that it submits nothing more: on SIGTERM it ends its task
    jobs itself. They are looked for all the same, since it may be dead.

    Args:
        clients: where to ask.
        job_id: the workflow job.
        reason: becomes the status reason of all of them.
        wait_seconds: how long to watch them end; 0 does one round.
        clock: a monotonic clock in seconds.
        sleep: what waits, in seconds.

    Raises:
        JobLostError: Batch does not know the workflow job.
        AwsError: Batch could not be asked.
    """
    queues = task_queues(clients, job_id)
    parents = (job_id, *earlier_jobs(clients, job_id))
    terminate(clients, job_id, reason)
    deadline = clock() + wait_seconds
    asked: set[str] = set()
    while True:
        live = [each.job_id for parent in parents for each in task_jobs(clients, queues, parent)]
        _terminate_all(clients, [each for each in live if each not in asked], reason)
        asked.update(live)
        head = [each.job_id for each in describe_all(clients, [job_id]) if not each.is_terminal]
        if not (alive := [*head, *live]) or clock() >= deadline:
            _log.info("ended job %s and %d task jobs", job_id, len(asked))
            return Cancellation(job_id=job_id, terminated=tuple(sorted(asked)), alive=tuple(alive))
        sleep(1.0)


def task_jobs(clients: AwsClients, queues: tuple[str, ...], parent_id: str) -> list[JobStatus]:
    """Find the live task jobs of a workflow job: by name, then confirmed by tag."""
    return [
        status
        for queue in queues
        for status in find_jobs(clients, queue, names.task_job_prefix(parent_id), live_only=True)
        if status.tags.get(names.PARENT_TAG) == parent_id and not status.is_terminal
    ]


def earlier_jobs(clients: AwsClients, job_id: str) -> tuple[str, ...]:
    """Tell from which workflow jobs a workflow job took over its run."""
    described = describe_all(clients, [job_id])
    text = described[0].tags.get(names.EARLIER_TAG, "") if described else ""
    return tuple(text.split())


def task_queues(clients: AwsClients, job_id: str) -> tuple[str, ...]:
    """Read from a workflow job's environment on which queues its task jobs are.

    Raises:
        JobLostError: Batch does not know the job.
    """
    with aws_errors("DescribeJobs", job_id):
        jobs = clients.batch.describe_jobs(jobs=[job_id])["jobs"]
    if not jobs:
        raise JobLostError(
            f"Batch knows no job {job_id} in {clients.region}", JobFailure(job_id=job_id)
        )
    variables = {
        each.get("name"): each.get("value", "")
        for each in jobs[0].get("container", {}).get("environment", [])
    }
    found = [variables[name] for name in TASK_QUEUE_VARIABLES if variables.get(name)]
    return tuple(dict.fromkeys(found))


def _terminate_all(clients: AwsClients, job_ids: list[str], reason: str) -> None:
    if not job_ids:
        return
    with ThreadPoolExecutor(max_workers=min(PARALLEL, len(job_ids))) as pool:
        list(pool.map(partial(_terminate_one, clients, reason), job_ids))


def _terminate_one(clients: AwsClients, reason: str, job_id: str) -> None:
    terminate(clients, job_id, reason)
