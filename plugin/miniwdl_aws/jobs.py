"""Finding, describing and ending jobs of ours; what submission and cancellation share."""

from collections.abc import Iterable, Iterator

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.describer import MAX_DESCRIBED, batch_describe_jobs
from miniwdl_aws.status import TERMINAL, JobStatus


def find_jobs(
    clients: AwsClients, queue: str, name_prefix: str, *, live_only: bool = False
) -> list[JobStatus]:
    """Find the jobs of a queue whose names begin with a prefix.

    Args:
        clients: where to ask.
        queue: the job queue.
        name_prefix: how their names begin.
        live_only: whether to leave out those that have ended.
    """
    ids = [
        job_id
        for job_id, status in _summaries(clients, queue, name_prefix)
        if not (live_only and status in TERMINAL)
    ]
    return describe_all(clients, ids)


def describe_all(clients: AwsClients, job_ids: Iterable[str]) -> list[JobStatus]:
    """Describe any number of jobs, 100 a call; those that Batch does not know are left out."""
    ids = list(job_ids)
    describe = batch_describe_jobs(clients)
    return [
        status
        for start in range(0, len(ids), MAX_DESCRIBED)
        for status in describe(ids[start : start + MAX_DESCRIBED])
    ]


def terminate(clients: AwsClients, job_id: str, reason: str) -> None:
    """Ask Batch to end a job in any status; a job that has ended stays as it is.

    Args:
        clients: where to ask.
        job_id: the job.
        reason: becomes its status reason (1024 characters at most, Batch API "TerminateJob").
    """
    with aws_errors("TerminateJob", job_id):
        clients.batch.terminate_job(jobId=job_id, reason=reason[:1024])


def _summaries(clients: AwsClients, queue: str, name_prefix: str) -> Iterator[tuple[str, str]]:
    paginator = clients.batch.get_paginator("list_jobs")
    with aws_errors("ListJobs", queue):
        for page in paginator.paginate(
            jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [f"{name_prefix}*"]}]
        ):
            for summary in page["jobSummaryList"]:
                yield summary["jobId"], summary["status"]
