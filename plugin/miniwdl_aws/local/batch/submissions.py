"""From a SubmitJob request to a job."""

import uuid
from collections.abc import Mapping
from typing import Any

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch import containers, limits
from miniwdl_aws.local.batch.arrays import spawn
from miniwdl_aws.local.batch.definitions import Definitions, JobDefinition
from miniwdl_aws.local.batch.dependencies import check as check_dependencies
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.lines import FairLine
from miniwdl_aws.local.batch.queues import JobQueue, Queues
from miniwdl_aws.local.batch.scheduling_policies import MAX_SHARES, check_share
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.errors import BatchError, unsupported

_UNSUPPORTED = {
    "nodeOverrides": "Multi-node parallel jobs (nodeOverrides)",
    "eksPropertiesOverride": "Jobs on Amazon EKS (eksPropertiesOverride)",
    "ecsPropertiesOverride": "Jobs of several containers (ecsPropertiesOverride)",
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
    size = limits.size(request.get("containerOverrides", {}))
    if size > limits.MAX_OVERRIDES_BYTES:
        raise BatchError(
            f"Container Overrides length must be at most {limits.MAX_OVERRIDES_BYTES}, got {size}"
        )
    limits.array_size(_array_size(request))
    limits.scheduling_priority(request.get("schedulingPriorityOverride"))


def _array_size(request: Mapping[str, Any]) -> int | None:
    size: int | None = request.get("arrayProperties", {}).get("size")
    return size


def _container(
    definition: JobDefinition, request: Mapping[str, Any], *, images: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    parameters = {**definition.content["parameters"], **request.get("parameters", {})}
    container = containers.override(
        definition.content["containerProperties"], request.get("containerOverrides", {})
    )
    container["command"] = containers.substitute(container["command"], parameters)
    if not container["command"] and not images:
        raise BatchError(
            "The job has no command: the local AWS runs no images, so it knows no default command; "
            "set one in the job definition or in containerOverrides, or use --executor container"
        )
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


def _share(request: Mapping[str, Any], queue: JobQueue) -> str:
    share: str | None = request.get("shareIdentifier")
    if isinstance(queue.line, FairLine):
        if not share:
            raise BatchError(
                f"shareIdentifier must be specified: job queue {queue.name} has a fair-share "
                "scheduling policy"
            )
        check_share(share)
        if len(queue.line.active | {share}) > MAX_SHARES:
            raise BatchError(f"Job queue {queue.name} has {MAX_SHARES} active share identifiers")
        return share
    for key in ("shareIdentifier", "schedulingPriorityOverride"):
        if request.get(key) is not None:
            raise BatchError(
                f"{key} must not be specified: job queue {queue.name} has no fair-share "
                "scheduling policy"
            )
    return ""


def make_job(
    request: Mapping[str, Any],
    *,
    queues: Queues,
    definitions: Definitions,
    store: JobStore,
    arns: Arns,
) -> Job:
    """Check a submission and make its job.

    Args:
        request: what SubmitJob was given.
        queues: where its queue is.
        definitions: where its job definition is.
        store: where the jobs are that it depends on.
        arns: makes its ARN.

    Raises:
        BatchError: Batch would refuse it, or the local AWS cannot run it.
    """
    _check(request)
    queue = queues.queue(request["jobQueue"])
    definition = _definition(definitions, request["jobDefinition"])
    _place(definition, queue)
    size = _array_size(request)
    check_dependencies(request.get("dependsOn", []), size, store.get)
    container, parameters = _container(definition, request, images=definitions.images)
    job_id = str(uuid.uuid4())
    job = Job(
        job_id=job_id,
        arn=arns.batch("job", job_id),
        name=request["jobName"],
        queue=queue,
        definition=definition,
        container=container,
        needs=limits.resources(container, fargate=queue.fargate),
        created_at=store.clock(),
        tags=dict(request.get("tags", {})),
        share=_share(request, queue),
        priority=_priority(request, definition),
        request=_rest(request, definition, parameters),
    )
    if size is not None:
        job.children = spawn(job, size, arns)
    return job


def _priority(request: Mapping[str, Any], definition: JobDefinition) -> int:
    default: int = definition.content.get("schedulingPriority", 0)
    return int(request.get("schedulingPriorityOverride", default))


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
