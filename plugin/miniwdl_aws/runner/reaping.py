"""Ending the task jobs that miniwdl left behind: it was killed, or had too little time."""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from miniwdl_aws import names
from miniwdl_aws.cancel import PARALLEL, TASK_QUEUE_VARIABLES, task_jobs
from miniwdl_aws.clients import AwsClients, aws_errors
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


def name_earlier(clients: AwsClients, job_id: str, earlier: Iterable[str]) -> None:
    """Tag this workflow job with those whose task jobs it may adopt, for whoever cancels it.

    Args:
        clients: where Batch is.
        job_id: this workflow job; empty outside AWS Batch.
        earlier: the workflow jobs that had the run before, the latest first.
    """
    others = [each for each in dict.fromkeys(earlier) if each and each != job_id]
    if not job_id or not others:
        return
    fitting = others[: (names.MAX_TAG_VALUE + 1) // (len(others[0]) + 1)]
    try:
        with aws_errors("TagResource", job_id):
            (job,) = clients.batch.describe_jobs(jobs=[job_id])["jobs"]
            tags = {names.EARLIER_TAG: " ".join(fitting)}
            clients.batch.tag_resource(resourceArn=job["jobArn"], tags=tags)
    except (AwsError, ValueError) as exc:
        _log.warning("cancelling this job will not find task jobs of earlier ones: %s", exc)


def _end(clients: AwsClients, job_id: str) -> bool:
    try:
        terminate(clients, job_id, "its workflow job has ended")
    except AwsError as exc:
        _log.error("task job %s was NOT terminated: %s", job_id, exc)
        return False
    _log.info("terminated task job %s", job_id)
    return True
