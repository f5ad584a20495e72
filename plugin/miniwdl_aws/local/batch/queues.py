"""Job queues, and all that Batch keeps of queues and compute environments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.arns import Arns, name_in
from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.batch.environments import (
    ComputeEnvironment,
    check_resources,
    state_in,
    with_defaults,
)
from miniwdl_aws.local.batch.lines import FairLine, FifoLine, Line
from miniwdl_aws.local.batch.reasons import JOB_TOO_LARGE, MAX_VCPUS_TOO_SMALL, TIME_LIMIT_REASONS
from miniwdl_aws.local.batch.resources import Resources
from miniwdl_aws.local.batch.scheduling_policies import SchedulingPolicies, SchedulingPolicy
from miniwdl_aws.local.errors import BatchError, unsupported

_MAX_ENVIRONMENTS = 3
_TIME_LIMIT_SECONDS = (600, 86_400)


@dataclass(eq=False)
class JobQueue:
    """A queue of jobs for one or more compute environments.

    Attributes:
        name: its name.
        arn: its ARN.
        state: ENABLED or DISABLED (no new jobs).
        priority: queues of higher priority are served first.
        environments: the compute environments in the order in which they are tried.
        tags: its tags.
        policy: its scheduling policy; without one it is first in, first out.
        time_limits: its ``jobStateTimeLimitActions``.
        line: the jobs that wait for resources.
    """

    name: str
    arn: str
    state: str
    priority: int
    environments: list[ComputeEnvironment]
    tags: dict[str, str]
    policy: SchedulingPolicy | None = None
    time_limits: list[dict[str, Any]] = field(default_factory=list)
    line: Line = field(default_factory=FifoLine)

    @property
    def fargate(self) -> bool:
        """Whether its jobs run on Fargate."""
        return self.environments[0].fargate

    @property
    def total_vcpus(self) -> float:
        """What its enabled compute environments have."""
        enabled = (each for each in self.environments if each.state == "ENABLED")
        return sum(each.capacity.vcpus for each in enabled)

    def place(self, needs: Resources) -> ComputeEnvironment | None:
        """Return the first compute environment in which a job can start now."""
        return next((each for each in self.environments if each.fits(needs)), None)

    def obstacle(self, needs: Resources) -> str | None:
        """Return why a job can never start in any compute environment, in Batch's words."""
        reasons = {environment.obstacle(needs) for environment in self.environments}
        if None in reasons:
            return None
        return MAX_VCPUS_TOO_SMALL if MAX_VCPUS_TOO_SMALL in reasons else JOB_TOO_LARGE

    def time_limit(self, reason: str) -> float | None:
        """Return after how many seconds a job that blocks the queue for a reason is cancelled."""
        code = reason.partition(" - ")[0]
        seconds = [each["maxTimeSeconds"] for each in self.time_limits if each["reason"] == code]
        return min(seconds, default=None)

    def describe(self) -> dict[str, Any]:
        """Return the entry of DescribeJobQueues."""
        policy = {"schedulingPolicyArn": self.policy.arn} if self.policy else {}
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
            "jobStateTimeLimitActions": self.time_limits,
            **policy,
        }


def _time_limits(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    low, high = _TIME_LIMIT_SECONDS
    for action in actions:
        if action["reason"] not in TIME_LIMIT_REASONS:
            raise BatchError(
                f"jobStateTimeLimitActions reason must be one of {', '.join(TIME_LIMIT_REASONS)}, "
                f"got {action['reason']!r}"
            )
        if (action["state"], action["action"]) != ("RUNNABLE", "CANCEL"):
            raise BatchError("jobStateTimeLimitActions: the state is RUNNABLE, the action CANCEL")
        if not low <= action["maxTimeSeconds"] <= high:
            raise BatchError(
                f"jobStateTimeLimitActions maxTimeSeconds must be from {low} to {high}, "
                f"got {action['maxTimeSeconds']}"
            )
    return actions


class Queues:
    """All compute environments, job queues and scheduling policies of an account.

    Args:
        arns: makes their ARNs.
        clock: the time in milliseconds since 1970.

    Attributes:
        policies: the scheduling policies.
    """

    def __init__(self, arns: Arns, clock: Callable[[], int]) -> None:
        self.policies = SchedulingPolicies(arns)
        self._arns = arns
        self._clock = clock
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
        if state_in(request, "ENABLED") != "ENABLED":
            raise BatchError("A compute environment must be created in the ENABLED state")
        if request.get("computeResources") is None:
            raise BatchError("computeResources must be provided for a MANAGED compute environment")
        resources = with_defaults(request["computeResources"])
        sizes = check_resources(resources)
        limits.tags(request.get("tags", {}))
        environment = ComputeEnvironment(
            name=name,
            arn=self._arns.batch("compute-environment", name),
            request=dict(request),
            resources=resources,
            state="ENABLED",
            tags=dict(request.get("tags", {})),
            sizes=sizes,
        )
        self._environments[name] = environment
        return environment

    def update_environment(self, request: Mapping[str, Any]) -> ComputeEnvironment:
        """Change the state, the size or the instance types of a compute environment."""
        environment = self.environment(request["computeEnvironment"])
        environment.update(request)
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
            state=state_in(request, "ENABLED"),
            priority=request["priority"],
            environments=self._order(request.get("computeEnvironmentOrder", [])),
            tags=dict(request.get("tags", {})),
            time_limits=_time_limits(request.get("jobStateTimeLimitActions", [])),
        )
        if request.get("schedulingPolicyArn"):
            self._share_fairly(queue, self.policies.policy(request["schedulingPolicyArn"]))
        self._queues[name] = queue
        return queue

    def _share_fairly(self, queue: JobQueue, policy: SchedulingPolicy) -> None:
        queue.policy = policy
        queue.line = FairLine(lambda: queue.policy or policy, self._clock)

    def update_queue(self, request: Mapping[str, Any]) -> JobQueue:
        """Change a job queue."""
        queue = self.queue(request["jobQueue"])
        self._refuse_extras(request)
        state = state_in(request, queue.state)
        environments = queue.environments
        if "computeEnvironmentOrder" in request:
            environments = self._order(request["computeEnvironmentOrder"])
        time_limits = _time_limits(request.get("jobStateTimeLimitActions", queue.time_limits))
        if request.get("schedulingPolicyArn"):
            if queue.policy is None:
                raise BatchError(
                    f"Job queue {queue.name} is FIFO: it can have no scheduling policy"
                )
            queue.policy = self.policies.policy(request["schedulingPolicyArn"])
        queue.state, queue.environments, queue.time_limits = state, environments, time_limits
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

    def delete_policy(self, arn: str) -> None:
        """Remove a scheduling policy that no queue uses."""
        if any(queue.policy and queue.policy.arn == arn for queue in self._queues.values()):
            raise BatchError(f"Cannot delete, scheduling policy {arn} is used by a job queue")
        self.policies.delete(arn)

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
        if request.get("serviceEnvironmentOrder"):
            raise unsupported("Service environments (serviceEnvironmentOrder)")

    def _order(self, entries: list[dict[str, Any]]) -> list[ComputeEnvironment]:
        ordered = sorted(entries, key=lambda entry: entry["order"])
        environments = [self.environment(entry["computeEnvironment"]) for entry in ordered]
        if not environments:
            raise BatchError("computeEnvironmentOrder must name at least one compute environment")
        if len(environments) > _MAX_ENVIRONMENTS:
            raise BatchError(
                f"A job queue has at most {_MAX_ENVIRONMENTS} compute environments, "
                f"got {len(environments)}"
            )
        if len({environment.fargate for environment in environments}) > 1:
            raise BatchError("A job queue cannot mix Fargate and EC2 compute environments")
        return environments
