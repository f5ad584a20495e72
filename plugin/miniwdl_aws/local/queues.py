"""Job queues, and all that Batch keeps of queues and compute environments."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from miniwdl_aws.local import limits
from miniwdl_aws.local.arns import Arns, name_in
from miniwdl_aws.local.environments import RESOURCE_TYPES, ComputeEnvironment
from miniwdl_aws.local.errors import BatchError, unsupported

if TYPE_CHECKING:
    from miniwdl_aws.local.jobs import Job


@dataclass
class JobQueue:
    """A queue of jobs for one or more compute environments.

    Attributes:
        name: its name.
        arn: its ARN.
        state: ENABLED or DISABLED (no new jobs).
        priority: queues of higher priority are served first.
        environments: the compute environments in the order in which they are tried.
        tags: its tags.
        runnable: the jobs that wait for vCPUs, the oldest first.
    """

    name: str
    arn: str
    state: str
    priority: int
    environments: list[ComputeEnvironment]
    tags: dict[str, str]
    runnable: "deque[Job]" = field(default_factory=deque)

    @property
    def fargate(self) -> bool:
        """Whether its jobs run on Fargate."""
        return self.environments[0].fargate

    def describe(self) -> dict[str, Any]:
        """Return the entry of DescribeJobQueues."""
        return {
            "jobQueueName": self.name,
            "jobQueueArn": self.arn,
            "state": self.state,
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": self.priority,
            "computeEnvironmentOrder": [
                {"order": order, "computeEnvironment": environment.arn}
                for order, environment in enumerate(self.environments, 1)
            ],
            "serviceEnvironmentOrder": [],
            "jobQueueType": "ECS_FARGATE" if self.fargate else "ECS",
            "tags": self.tags,
            "jobStateTimeLimitActions": [],
        }


def _state(request: Mapping[str, Any], default: str) -> str:
    state: str = request.get("state", default)
    if state not in {"ENABLED", "DISABLED"}:
        raise BatchError(f"state must be ENABLED or DISABLED, got {state!r}")
    return state


class Queues:
    """All compute environments and job queues of an account.

    Args:
        arns: makes their ARNs.
    """

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self._environments: dict[str, ComputeEnvironment] = {}
        self._queues: dict[str, JobQueue] = {}

    def create_environment(self, request: Mapping[str, Any]) -> ComputeEnvironment:
        """Add a managed compute environment."""
        name = limits.name(request["computeEnvironmentName"], "Compute environment name")
        if name in self._environments:
            raise BatchError(f"Object already exists: compute environment {name}")
        if request["type"] != "MANAGED":
            raise unsupported("Unmanaged compute environments")
        if request.get("eksConfiguration"):
            raise unsupported("Compute environments on Amazon EKS")
        resources = dict(request.get("computeResources", {}))
        if resources.get("type") not in RESOURCE_TYPES:
            raise BatchError(f"computeResources.type must be one of {sorted(RESOURCE_TYPES)}")
        limits.tags(request.get("tags", {}))
        environment = ComputeEnvironment(
            name=name,
            arn=self._arns.batch("compute-environment", name),
            request=dict(request),
            resources=resources,
            state=_state(request, "ENABLED"),
            tags=dict(request.get("tags", {})),
        )
        self._environments[name] = environment
        return environment

    def update_environment(self, request: Mapping[str, Any]) -> ComputeEnvironment:
        """Change the state or the size of a compute environment."""
        environment = self.environment(request["computeEnvironment"])
        resources = request.get("computeResources", {})
        extra = (set(request) - {"computeEnvironment", "state", "computeResources"}) | (
            set(resources) - {"minvCpus", "maxvCpus", "desiredvCpus"}
        )
        if extra:
            raise unsupported(f"Updating {', '.join(sorted(extra))} of a compute environment")
        environment.state = _state(request, environment.state)
        environment.resources.update(resources)
        return environment

    def delete_environment(self, reference: str) -> None:
        """Remove a disabled compute environment that no queue uses."""
        environment = self._environments.get(name_in(reference))
        if environment is None:
            return
        if environment.state != "DISABLED":
            raise BatchError(f"Cannot delete, resource is not DISABLED: {environment.name}")
        if any(environment in queue.environments for queue in self._queues.values()):
            raise BatchError(f"Cannot delete, found existing JobQueue relationship: {reference}")
        del self._environments[environment.name]

    def environment(self, reference: str) -> ComputeEnvironment:
        """Find a compute environment by name or ARN."""
        environment = self._environments.get(name_in(reference))
        if environment is None:
            raise BatchError(f"{reference} does not exist (compute environment)")
        return environment

    def create_queue(self, request: Mapping[str, Any]) -> JobQueue:
        """Add a job queue."""
        name = limits.name(request["jobQueueName"], "Job queue name")
        if name in self._queues:
            raise BatchError(f"Object already exists: job queue {name}")
        self._refuse_extras(request)
        limits.tags(request.get("tags", {}))
        queue = JobQueue(
            name=name,
            arn=self._arns.batch("job-queue", name),
            state=_state(request, "ENABLED"),
            priority=request["priority"],
            environments=self._order(request.get("computeEnvironmentOrder", [])),
            tags=dict(request.get("tags", {})),
        )
        self._queues[name] = queue
        return queue

    def update_queue(self, request: Mapping[str, Any]) -> JobQueue:
        """Change a job queue."""
        queue = self.queue(request["jobQueue"])
        self._refuse_extras(request)
        if "computeEnvironmentOrder" in request:
            queue.environments = self._order(request["computeEnvironmentOrder"])
        queue.state = _state(request, queue.state)
        queue.priority = request.get("priority", queue.priority)
        return queue

    def delete_queue(self, reference: str) -> JobQueue | None:
        """Remove a disabled job queue; its jobs are the caller's to end."""
        queue = self._queues.get(name_in(reference))
        if queue is None:
            return None
        if queue.state != "DISABLED":
            raise BatchError(f"Cannot delete, resource is not DISABLED: {queue.name}")
        return self._queues.pop(queue.name)

    def queue(self, reference: str) -> JobQueue:
        """Find a job queue by name or ARN."""
        queue = self._queues.get(name_in(reference))
        if queue is None or (reference.startswith("arn:") and reference != queue.arn):
            raise BatchError(f"JobQueue {reference} not found")
        return queue

    def by_priority(self) -> list[JobQueue]:
        """Return all job queues, those of the highest priority first."""
        return sorted(self._queues.values(), key=lambda queue: -queue.priority)

    def queues(self, references: list[str] | None) -> list[JobQueue]:
        """Return the named job queues that exist, or all."""
        if not references:
            return list(self._queues.values())
        found = (self._queues.get(name_in(reference)) for reference in references)
        return [queue for queue in found if queue]

    def environments(self, references: list[str] | None) -> list[ComputeEnvironment]:
        """Return the named compute environments that exist, or all."""
        if not references:
            return list(self._environments.values())
        found = (self._environments.get(name_in(reference)) for reference in references)
        return [environment for environment in found if environment]

    def _refuse_extras(self, request: Mapping[str, Any]) -> None:
        for key in ("schedulingPolicyArn", "serviceEnvironmentOrder", "jobStateTimeLimitActions"):
            if request.get(key):
                raise unsupported(f"{key} of a job queue")

    def _order(self, entries: list[dict[str, Any]]) -> list[ComputeEnvironment]:
        ordered = sorted(entries, key=lambda entry: entry["order"])
        environments = [self.environment(entry["computeEnvironment"]) for entry in ordered]
        if not environments:
            raise BatchError("computeEnvironmentOrder must name at least one compute environment")
        if len({environment.fargate for environment in environments}) > 1:
            raise BatchError("A job queue cannot mix Fargate and EC2 compute environments")
        return environments
