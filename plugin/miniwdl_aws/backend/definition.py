"""Job definitions of task jobs, named by their content so that equal tasks share one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.names import content_hash

VOLUME = "file_io_root"

BASE_RESOURCES = ({"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "1024"})
"""Batch wants a definition to have some; every submission overrides them."""


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """A job definition that task jobs share.

    Attributes:
        name: ``miniwdl-task-`` and the hash of its content.
        request: the RegisterJobDefinition request.
    """

    name: str
    request: Mapping[str, Any]


def task_definition(settings: BackendSettings, *, image: str, privileged: bool) -> TaskDefinition:
    """Make the definition for tasks of one image: all that is the same for each of them."""
    content: dict[str, Any] = {
        "type": "container",
        "containerProperties": _container_properties(settings, image, privileged=privileged),
        "retryStrategy": {"attempts": 1},
    }
    name = f"miniwdl-task-{content_hash(content)}"
    return TaskDefinition(name=name, request={"jobDefinitionName": name, **content})


def _container_properties(
    settings: BackendSettings, image: str, *, privileged: bool
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "image": image,
        "command": ["/bin/sh", "-c", "exit 64"],
        "resourceRequirements": list(BASE_RESOURCES),
        "mountPoints": [{"containerPath": settings.mount, "sourceVolume": VOLUME}],
        "volumes": [_volume(settings)],
    }
    properties.update(settings.container_properties)
    if "volumes" in settings.container_properties:
        properties["volumes"] = [_volume(settings), *settings.container_properties["volumes"]]
    if privileged:
        properties["privileged"] = True
    if settings.user:
        properties["user"] = settings.user
    return properties


def _volume(settings: BackendSettings) -> dict[str, Any]:
    efs: dict[str, Any] = {"fileSystemId": settings.fs, "transitEncryption": "ENABLED"}
    if settings.fsap:
        efs["authorizationConfig"] = {"accessPointId": settings.fsap}
    return {"name": VOLUME, "efsVolumeConfiguration": efs}
