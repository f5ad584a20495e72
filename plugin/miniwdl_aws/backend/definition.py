"""Job definitions of task jobs, named by their content so that equal tasks share one.

The family is bounded: what differs from task to task is an override of the submission, and what a
definition must hold is rounded (`STORAGE_STEP_GIB`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniwdl_aws.backend.demand import Demand
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.fargate import FREE_STORAGE_GIB, MAX_STORAGE_GIB
from miniwdl_aws.names import TASK_DEFINITIONS, content_hash
from miniwdl_aws.plan import PLATFORM_VERSION

VOLUME = "file_io_root"

BASE_RESOURCES = ({"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"})
"""Batch wants a definition to have some; every submission overrides them."""

MAX_DEFINITION_BYTES = 24 * 1024
"""A job definition (AWS Batch user guide, "Service quotas")."""

STORAGE_STEP_GIB = 20
"""Ephemeral storage is rounded up to a multiple of it, lest every size has its definition."""


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """A job definition that task jobs share.

    Attributes:
        name: ``miniwdl-task-`` and the hash of its content.
        request: the RegisterJobDefinition request.
    """

    name: str
    request: Mapping[str, Any]


def task_definition(settings: BackendSettings, task: Demand, *, fargate: bool) -> TaskDefinition:
    """Make the definition for a task: all that is the same for each of its jobs.

    Args:
        settings: the backend's settings.
        task: what it asks for.
        fargate: whether its queue is on Fargate.

    Raises:
        InvalidInputError: Batch would not take it; the message says what to change.
    """
    if fargate:
        _refuse_on_fargate(settings, task)
    content: dict[str, Any] = {
        "type": "container",
        "containerProperties": _container_properties(settings, task, fargate=fargate),
        "retryStrategy": {"attempts": 1},
    }
    if fargate:
        content["platformCapabilities"] = ["FARGATE"]
    name = f"{TASK_DEFINITIONS}{content_hash(content)}"
    request = {"jobDefinitionName": name, **content}
    size = len(json.dumps(request).encode())
    if size > MAX_DEFINITION_BYTES:
        raise InvalidInputError(
            f"the job definition of image {task.image} has {size} bytes, and AWS Batch takes "
            f"{MAX_DEFINITION_BYTES}; shorten container_properties in [aws] or its task_policies"
        )
    return TaskDefinition(name=name, request=request)


def _refuse_on_fargate(settings: BackendSettings, task: Demand) -> None:
    for asked, what in (
        (task.gpus, "a GPU (runtime.gpu)"),
        (task.privileged, "a privileged container (runtime.privileged)"),
        (not settings.efs, "a directory of the host (backend aws_batch_job_no_efs)"),
    ):
        if asked:
            raise InvalidInputError(
                f"job queue {task.queue} is on Fargate, which has not {what}; give the task a "
                "queue on EC2 by [aws] task_policies"
            )
    if not _execution_role(task):
        raise InvalidInputError(
            f"job queue {task.queue} is on Fargate, which needs an execution role; set "
            "execution_role in [aws] to the ARN of a role that may pull images and write logs"
        )


def _execution_role(task: Demand) -> str:
    given = task.execution_role or task.container_properties.get("executionRoleArn", "")
    return str(given)


def _container_properties(
    settings: BackendSettings, task: Demand, *, fargate: bool
) -> dict[str, Any]:
    given = dict(task.container_properties)
    own_mount = {"containerPath": settings.mount, "sourceVolume": VOLUME}
    mounts = [own_mount, *given.pop("mountPoints", [])]
    volumes = [_volume(settings), *given.pop("volumes", [])]
    platform = _on_fargate(settings, task) if fargate else _on_ec2(task, given)
    return {
        "image": task.image,
        "command": ["/bin/sh", "-c", "exit 64"],
        "resourceRequirements": list(BASE_RESOURCES),
        **platform,
        **given,
        "mountPoints": mounts,
        "volumes": volumes,
        **_roles_and_secrets(settings, task, given),
        **({"user": settings.user} if settings.user else {}),
    }


def _on_ec2(task: Demand, given: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {"privileged": True} if task.privileged else {}
    linux = dict(given.pop("linuxParameters", {}))
    if task.shared_memory_mib:
        linux["sharedMemorySize"] = task.shared_memory_mib
    return {**properties, **({"linuxParameters": linux} if linux else {})}


def _on_fargate(settings: BackendSettings, task: Demand) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "fargatePlatformConfiguration": {"platformVersion": PLATFORM_VERSION},
        "networkConfiguration": {
            "assignPublicIp": "ENABLED" if settings.fargate_public_ip else "DISABLED"
        },
    }
    if task.storage_gib > FREE_STORAGE_GIB:
        steps = -(-min(task.storage_gib, MAX_STORAGE_GIB) // STORAGE_STEP_GIB)
        properties["ephemeralStorage"] = {"sizeInGiB": steps * STORAGE_STEP_GIB}
    if task.architecture:
        properties["runtimePlatform"] = {
            "operatingSystemFamily": "LINUX",
            "cpuArchitecture": task.architecture,
        }
    return properties


def _roles_and_secrets(
    settings: BackendSettings, task: Demand, given: dict[str, Any]
) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if task.job_role:
        properties["jobRoleArn"] = task.job_role
    if task.execution_role:
        properties["executionRoleArn"] = task.execution_role
    if settings.task_secrets:
        own = [{"name": name, "valueFrom": arn} for name, arn in settings.task_secrets.items()]
        properties["secrets"] = [*own, *given.get("secrets", [])]
    return properties


def _volume(settings: BackendSettings) -> dict[str, Any]:
    if not settings.efs:
        return {"name": VOLUME, "host": {"sourcePath": settings.mount}}
    efs: dict[str, Any] = {"fileSystemId": settings.fs, "transitEncryption": "ENABLED"}
    if settings.fsap:
        efs["authorizationConfig"] = {"accessPointId": settings.fsap}
    return {"name": VOLUME, "efsVolumeConfiguration": efs}
