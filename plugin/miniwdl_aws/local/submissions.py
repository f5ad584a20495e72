"""From a SubmitJob request to a job."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from miniwdl_aws.local import containers, limits
from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.definitions import Definitions, JobDefinition
from miniwdl_aws.local.errors import BatchError, unsupported
from miniwdl_aws.local.jobs import Job
from miniwdl_aws.local.queues import JobQueue, Queues

_UNSUPPORTED = {
    "arrayProperties": "Array jobs (arrayProperties)",
    "nodeOverrides": "Multi-node parallel jobs (nodeOverrides)",
    "eksPropertiesOverride": "Jobs on Amazon EKS (eksPropertiesOverride)",
    "ecsPropertiesOverride": "Jobs of several containers (ecsPropertiesOverride)",
    "shareIdentifier": "Fair-share scheduling (shareIdentifier)",
    "schedulingPriorityOverride": "Fair-share scheduling (schedulingPriorityOverride)",
    "consumableResourcePropertiesOverride": "Consumable resources",
}


def _check(request: Mapping[str, Any]) -> None:
    limits.name(request["jobName"], "Job name")
    for key, what in _UNSUPPORTED.items():
        if request.get(key):
            raise unsupported(what)
    limits.tags(request.get("tags", {}))
    limits.timeout(request.get("timeout"))
    limits.retry_strategy(request.get("retryStrategy"))
    size = len(json.dumps(request.get("containerOverrides", {})))
    if size > limits.MAX_OVERRIDES_BYTES:
        raise BatchError(
            f"Container Overrides length must be at most {limits.MAX_OVERRIDES_BYTES}, got {size}"
        )
    if len(request.get("dependsOn", [])) > limits.MAX_DEPENDENCIES:
        raise BatchError(f"A job can depend on at most {limits.MAX_DEPENDENCIES} jobs")
    for dependency in request.get("dependsOn", []):
        if dependency.get("type"):
            raise unsupported(f"Dependencies of type {dependency['type']} (array jobs)")


def _container(
    definition: JobDefinition, request: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    parameters = {**definition.content["parameters"], **request.get("parameters", {})}
    container = containers.override(
        definition.content["containerProperties"], request.get("containerOverrides", {})
    )
    container["command"] = containers.substitute(container["command"], parameters)
    if not container["command"]:
        raise BatchError(
            "The job has no command: the local AWS runs no images, so it knows no default command; "
            "set one in the job definition or in containerOverrides"
        )
    if limits.requirement(container["resourceRequirements"], "GPU"):
        raise unsupported("GPU resource requirements")
    return container, parameters


def _definition(definitions: Definitions, reference: str) -> JobDefinition:
    definition = definitions.find(reference)
    if definition is None:
        raise BatchError(f"Job definition {reference} does not exist")
    if not definition.active:
        raise BatchError(f"Job definition {definition.arn} is INACTIVE")
    return definition


def _place(definition: JobDefinition, queue: JobQueue) -> None:
    if queue.state != "ENABLED":
        raise BatchError(f"Job queue {queue.name} is not ENABLED")
    if definition.fargate != queue.fargate:
        wanted, offered = (
            "FARGATE" if each else "EC2" for each in (definition.fargate, queue.fargate)
        )
        raise BatchError(
            f"Job definition's platform {wanted} does not match job queue {queue.name}, "
            f"whose compute environments are {offered}"
        )


def make_job(
    request: Mapping[str, Any],
    *,
    queues: Queues,
    definitions: Definitions,
    arns: Arns,
    now: int,
) -> Job:
    """Check a submission and make its job.

    Args:
        request: what SubmitJob was given.
        queues: where its queue is.
        definitions: where its job definition is.
        arns: makes its ARN.
        now: the time in milliseconds since 1970.

    Raises:
        BatchError: Batch would refuse it, or the local AWS cannot run it.
    """
    _check(request)
    queue = queues.queue(request["jobQueue"])
    definition = _definition(definitions, request["jobDefinition"])
    _place(definition, queue)
    container, parameters = _container(definition, request)
    vcpus, _ = limits.resources(container, fargate=queue.fargate)
    job_id = str(uuid.uuid4())
    return Job(
        job_id=job_id,
        arn=arns.batch("job", job_id),
        name=request["jobName"],
        queue=queue,
        definition=definition,
        container=container,
        vcpus=vcpus,
        created_at=now,
        tags=dict(request.get("tags", {})),
        request=_rest(request, definition, parameters),
    )


def _rest(
    request: Mapping[str, Any], definition: JobDefinition, parameters: dict[str, str]
) -> dict[str, Any]:
    strategy = request.get("retryStrategy") or definition.content.get("retryStrategy") or {}
    return {
        "parameters": parameters,
        "dependsOn": request.get("dependsOn", []),
        "retryStrategy": {"attempts": 1, "evaluateOnExit": [], **strategy},
        "timeout": request.get("timeout") or definition.content.get("timeout"),
        "propagateTags": request.get(
            "propagateTags", definition.content.get("propagateTags", False)
        ),
    }
