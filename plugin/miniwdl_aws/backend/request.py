"""The SubmitJob request of one attempt of a task."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws import names
from miniwdl_aws.plan import MAX_OVERRIDES_BYTES

MIN_MEMORY_MIB = 991
"""Given to tasks that ask for less: 1 GiB less what the agent of Amazon ECS may take."""


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
    """

    name: str
    queue: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    vcpus: int = 1
    memory_mib: int = MIN_MEMORY_MIB
    gpus: int = 0
    timeout_seconds: int = 86_400
    tags: Mapping[str, str] = field(default_factory=dict)


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
    }


def fits(command: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Tell whether a command and variables fit into the container overrides of a request."""
    job = TaskJob(name="", queue="", command=command, environment=environment, gpus=1)
    return len(json.dumps(_overrides(job)).encode()) + 100 <= MAX_OVERRIDES_BYTES


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
    tags = {key: names.tag_value(value) for key, value in job_tags.items()}
    if parent_job_id:
        tags[names.PARENT_TAG] = parent_job_id
    return tags


def memory_mib(memory_bytes: int, delta_mib: int) -> int:
    """Give the memory of a job for what the task asks for.

    >>> memory_mib(4 * 2**30, -33)
    4063
    """
    return max(math.ceil(memory_bytes / 2**20) + delta_mib, MIN_MEMORY_MIB)


def _overrides(job: TaskJob) -> dict[str, Any]:
    resources = [
        {"type": "VCPU", "value": str(job.vcpus)},
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
