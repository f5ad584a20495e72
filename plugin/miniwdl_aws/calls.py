"""A run that was submitted, as AWS Batch knows it: its workflow job, and a job for each call."""

import dataclasses
import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from miniwdl_aws import console, names
from miniwdl_aws.cancel import task_queues
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import JobFailure, JobLostError
from miniwdl_aws.jobs import describe_all, find_jobs
from miniwdl_aws.status import JobStatus

_TASK_JOB = re.compile(r"(?P<call>.+?)(?:-try(?P<attempt>\d+))?-[^-]+")
"""A task job's name behind its prefix, as `backend.request.task_job_name` makes it."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One attempt of a call, which is one task job.

    Attributes:
        name: the call's name, such as ``align-3``.
        attempt: which attempt, from 1.
        status: Batch's status of the job.
        queue_seconds: from the submission to the start; None before the start.
        run_seconds: from the start to the end; None before the end.
        exit_code: of its container, once it ended.
        reason: Batch's words about its end.
        job_id: the task job.
        queue: its job queue.
        log_stream: its stream in ``/aws/batch/job``; empty before it starts.
        log_url: the console's page of that stream.
    """

    name: str
    attempt: int
    status: str
    queue_seconds: float | None
    run_seconds: float | None
    exit_code: int | None
    reason: str
    job_id: str
    queue: str
    log_stream: str
    log_url: str


@dataclass(frozen=True, kw_only=True)
class SubmittedRun:
    """A run: its workflow job, and all task jobs that Batch still knows, the oldest first."""

    job: JobStatus
    calls: tuple[Call, ...]


def describe_run(clients: AwsClients, job_id: str) -> SubmittedRun:
    """Find out how a run stands. Batch knows ended jobs for a week or more.

    Raises:
        JobLostError: Batch does not know the workflow job.
        AwsError: Batch could not be asked.
    """
    job = describe_workflow_job(clients, job_id)
    prefix = names.task_job_prefix(job_id)
    found = [
        status
        for queue in task_queues(clients, job_id)
        for status in find_jobs(clients, queue, prefix)
        if status.tags.get(names.PARENT_TAG) == job_id
    ]
    ordered = sorted(found, key=lambda each: (each.created_at or 0, each.job_name))
    return SubmittedRun(
        job=job, calls=tuple(call_of(each, prefix, clients.region) for each in ordered)
    )


def describe_workflow_job(clients: AwsClients, job_id: str) -> JobStatus:
    """Describe a workflow job.

    Raises:
        JobLostError: Batch does not know it.
    """
    found = describe_all(clients, [job_id])
    if not found:
        raise JobLostError(
            f"Batch knows no job {job_id} in {clients.region}", JobFailure(job_id=job_id)
        )
    return found[0]


def call_of(status: JobStatus, prefix: str, region: str) -> Call:
    """Read a task job as an attempt of a call.

    Args:
        status: the task job.
        prefix: how the names of this run's task jobs begin.
        region: for the log's address.
    """
    readable = status.job_name.removeprefix(prefix)
    parts = _TASK_JOB.fullmatch(readable)
    return Call(
        name=parts["call"] if parts else readable,
        attempt=int(parts["attempt"] or 1) if parts else 1,
        status=status.status,
        queue_seconds=_seconds(status.created_at, status.started_at),
        run_seconds=_seconds(status.started_at, status.stopped_at),
        exit_code=status.exit_code,
        reason=status.reason,
        job_id=status.job_id,
        queue=status.queue.rsplit("/", 1)[-1],
        log_stream=status.log_stream,
        log_url=console.log_url(region, status.log_stream) if status.log_stream else "",
    )


def select_calls(calls: Iterable[Call], pattern: str) -> list[Call]:
    """Choose calls by name or by a glob such as ``align-*``; ``call-`` in front may be there."""
    wanted = pattern.removeprefix("call-")
    return [call for call in calls if fnmatch.fnmatchcase(call.name, wanted)]


def as_document(run: SubmittedRun, region: str) -> dict[str, Any]:
    """Give a run as one JSON value."""
    job = dataclasses.asdict(run.job)
    job["log_url"] = console.log_url(region, run.job.log_stream) if run.job.log_stream else ""
    job["url"] = console.job_url(region, run.job.job_id)
    return {"job": job, "calls": [dataclasses.asdict(call) for call in run.calls]}


def as_table(calls: Sequence[Call]) -> list[str]:
    """Give calls as lines of a table for people."""
    head = ("CALL", "TRY", "STATUS", "WAITED", "RAN", "EXIT", "JOB", "LOG")
    rows = [
        (
            call.name,
            str(call.attempt),
            call.status,
            duration(call.queue_seconds),
            duration(call.run_seconds),
            "" if call.exit_code is None else str(call.exit_code),
            call.job_id,
            call.log_url,
        )
        for call in calls
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


def duration(seconds: float | None) -> str:
    """Write a duration for people.

    >>> duration(3723.4), duration(59.6), duration(None)
    ('1:02:03', '1:00', '')
    """
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _seconds(start: int | None, end: int | None) -> float | None:
    return (end - start) / 1000 if start is not None and end is not None else None
