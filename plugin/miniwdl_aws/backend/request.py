"""The SubmitJob request of one attempt of a task."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws import names
from miniwdl_aws.plan import MAX_OVERRIDES_BYTES

MAX_REQUEST_BYTES = 30 * 1024
"""A SubmitJob request (AWS Batch user guide, "Service quotas")."""


@dataclass(frozen=True, kw_only=True)
class TaskJob:
    """One attempt of a task, as a job.

    Attributes:
        name: the job's name, unlike that of any other attempt.
        queue: the job queue.
        command: what the container runs.
        environment: variables of the container.
        vcpus: CPUs.
        memory_mib: memory; the container is killed above it.
        gpus: GPUs.
        timeout_seconds: after which Batch ends it.
        tags: its tags.
        propagate_tags: whether its container's task in Amazon ECS gets them.
    """

    name: str
    queue: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    vcpus: float = 1
    memory_mib: int = 1024
    gpus: int = 0
    timeout_seconds: int = 86_400
    tags: Mapping[str, str] = field(default_factory=dict)
    propagate_tags: bool = True


def submit_request(job: TaskJob, definition: str) -> dict[str, Any]:
    """Make the SubmitJob request.

    Args:
        job: the attempt.
        definition: name or ARN of the job definition.
    """
    return {
        "jobName": job.name,
        "jobQueue": job.queue,
        "jobDefinition": definition,
        "containerOverrides": _overrides(job),
        "timeout": {"attemptDurationSeconds": job.timeout_seconds},
        "tags": dict(job.tags),
        "propagateTags": job.propagate_tags,
    }


def fits(job: TaskJob) -> bool:
    """Tell whether a job's overrides and its request are within Batch's limits."""
    return (
        len(json.dumps(_overrides(job)).encode()) + _MARGIN_BYTES <= MAX_OVERRIDES_BYTES
        and len(json.dumps(submit_request(job, "d" * 256)).encode()) + _MARGIN_BYTES
        <= MAX_REQUEST_BYTES
    )


_MARGIN_BYTES = 100
"""Left free: Batch may count what lies between the values differently."""


def task_job_name(parent_job_id: str | None, run_id: str, attempt: int, nonce: str) -> str:
    """Name an attempt: findable by its workflow job, readable, and unlike any other.

    >>> task_job_name("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "call-align-3", 2, "9c01")
    't-0f1e2d3c4b5a-align-3-try2-9c01'
    """
    prefix = names.task_job_prefix(parent_job_id) if parent_job_id else ""
    readable = run_id.removeprefix("call-")
    tail = (f"try{attempt}", nonce) if attempt > 1 else (nonce,)
    return prefix + names.job_name(readable, *tail, limit=names.MAX_JOB_NAME - len(prefix))


def task_tags(job_tags: Mapping[str, str], parent_job_id: str | None) -> dict[str, str]:
    """Give the tags of a task job: those configured, and the workflow job's id."""
    parent = {names.PARENT_TAG: parent_job_id} if parent_job_id else {}
    return {**job_tags, **parent}


def _overrides(job: TaskJob) -> dict[str, Any]:
    resources = [
        {"type": "VCPU", "value": f"{job.vcpus:g}"},
        {"type": "MEMORY", "value": str(job.memory_mib)},
    ]
    if job.gpus:
        resources.append({"type": "GPU", "value": str(job.gpus)})
    return {
        "command": list(job.command),
        "resourceRequirements": resources,
        "environment": [
            {"name": name, "value": job.environment[name]} for name in sorted(job.environment)
        ],
    }
