"""Ending the task jobs that miniwdl left behind: it was killed, or had too little time."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from miniwdl_aws.cancel import PARALLEL, TASK_QUEUE_VARIABLES, task_jobs
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsError
from miniwdl_aws.jobs import terminate

_log = logging.getLogger(__name__)


def end_task_jobs(clients: AwsClients, environment: Mapping[str, str], job_id: str) -> int:
    """End the live task jobs of this workflow job.

    Args:
        clients: where Batch is.
        environment: miniwdl's, which names the task queues.
        job_id: the workflow job; empty outside AWS Batch, where no task job can be told as ours.

    Returns:
        How many were asked to end. What could not be done is logged.
    """
    queues = tuple(environment[name] for name in TASK_QUEUE_VARIABLES if environment.get(name))
    if not job_id or not queues:
        return 0
    try:
        alive = [each.job_id for each in task_jobs(clients, queues, job_id)]
    except AwsError as exc:
        _log.error("task jobs of job %s may still run: %s", job_id, exc)
        return 0
    if not alive:
        return 0
    with ThreadPoolExecutor(min(PARALLEL, len(alive))) as pool:
        done = list(pool.map(lambda each: _end(clients, each), alive))
    return sum(done)


def _end(clients: AwsClients, job_id: str) -> bool:
    try:
        terminate(clients, job_id, "its workflow job has ended")
    except AwsError as exc:
        _log.error("task job %s was NOT terminated: %s", job_id, exc)
        return False
    _log.info("terminated task job %s", job_id)
    return True
