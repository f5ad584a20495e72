"""Compute environments: what they offer, and what of it is taken."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.batch.reasons import JOB_TOO_LARGE, MAX_VCPUS_TOO_SMALL
from miniwdl_aws.local.batch.resources import Resources, instance_sizes
from miniwdl_aws.local.errors import BatchError, unsupported

FARGATE_TYPES = frozenset({"FARGATE", "FARGATE_SPOT"})
RESOURCE_TYPES = FARGATE_TYPES | {"EC2", "SPOT"}
_EC2_ONLY = ("minvCpus", "desiredvCpus", "instanceTypes", "ec2KeyPair", "instanceRole")
_UPDATABLE = frozenset({"minvCpus", "maxvCpus", "desiredvCpus", "instanceTypes"})


@dataclass(eq=False)
class ComputeEnvironment:
    """A pool of vCPUs, memory and GPUs on which jobs run.

    On Fargate vCPUs alone are counted. On EC2 the pool has the memory and the GPUs that the best
    of its instance types would bring with its vCPUs: instances are not modelled one by one.

    Attributes:
        name: its name.
        arn: its ARN.
        request: what CreateComputeEnvironment was given.
        resources: its compute resources, updates applied.
        state: ENABLED or DISABLED.
        tags: its tags.
        sizes: what one instance may have, on EC2.
        used: what its jobs hold now.
        capacity: what all of its jobs together may hold.
    """

    name: str
    arn: str
    request: dict[str, Any]
    resources: dict[str, Any]
    state: str
    tags: dict[str, str]
    sizes: tuple[Resources, ...] = ()
    used: Resources = field(default_factory=Resources)
    capacity: Resources = field(init=False)

    @property
    def fargate(self) -> bool:
        """Whether its jobs run on Fargate."""
        return self.resources["type"] in FARGATE_TYPES

    def __post_init__(self) -> None:
        self.capacity = self._capacity()

    def _capacity(self) -> Resources:
        vcpus = self.resources["maxvCpus"]
        if self.fargate:
            return Resources(vcpus, math.inf)
        return Resources(
            vcpus,
            vcpus * max(size.memory_mib / size.vcpus for size in self.sizes),
            math.floor(vcpus * max(size.gpus / size.vcpus for size in self.sizes)),
        )

    def fits(self, needs: Resources) -> bool:
        """Tell whether a job with these needs can start now."""
        return (
            self.state == "ENABLED"
            and self.obstacle(needs) is None
            and (self.used + needs).within(self.capacity)
        )

    def obstacle(self, needs: Resources) -> str | None:
        """Return why a job with these needs can never start here, in Batch's words."""
        if needs.vcpus > self.resources["maxvCpus"]:
            return MAX_VCPUS_TOO_SMALL
        if not self.fargate and not any(needs.within(size) for size in self.sizes):
            return JOB_TOO_LARGE
        return None if needs.within(self.capacity) else MAX_VCPUS_TOO_SMALL

    def update(self, request: Mapping[str, Any]) -> None:
        """Apply UpdateComputeEnvironment to the state, the size or the instance types."""
        resources = request.get("computeResources", {})
        extra = (set(request) - {"computeEnvironment", "state", "computeResources"}) | (
            set(resources) - _UPDATABLE
        )
        if extra:
            raise unsupported(f"Updating {', '.join(sorted(extra))} of a compute environment")
        updated = {**self.resources, **resources}
        sizes = check_resources(updated)
        self.state = state_in(request, self.state)
        self.resources, self.sizes = updated, sizes
        self.capacity = self._capacity()

    def describe(self) -> dict[str, Any]:
        """Return the entry of DescribeComputeEnvironments."""
        return {
            "computeEnvironmentName": self.name,
            "computeEnvironmentArn": self.arn,
            "ecsClusterArn": self.arn.replace(":batch:", ":ecs:").replace(
                ":compute-environment/", ":cluster/"
            ),
            "tags": self.tags,
            "type": self.request["type"],
            "state": self.state,
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "computeResources": self.resources,
            "serviceRole": self.request.get("serviceRole", ""),
            "containerOrchestrationType": "ECS",
        }


def state_in(request: Mapping[str, Any], default: str) -> str:
    """Return the state that a request gives a queue or a compute environment."""
    state: str = request.get("state", default)
    if state not in {"ENABLED", "DISABLED"}:
        raise BatchError(f"state must be ENABLED or DISABLED, got {state!r}")
    return state


def with_defaults(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return compute resources with the instance types that EC2 ones have if none are named."""
    if resources.get("type") in FARGATE_TYPES:
        return dict(resources)
    return {"instanceTypes": ["optimal"], **resources}


def check_resources(resources: Mapping[str, Any]) -> tuple[Resources, ...]:
    """Refuse compute resources that Batch refuses; return the sizes of EC2's instances."""
    kind = resources.get("type")
    if kind not in RESOURCE_TYPES:
        raise BatchError(
            f"computeResources.type must be one of {sorted(RESOURCE_TYPES)}, got {kind!r}"
        )
    if resources["maxvCpus"] < 1:
        raise BatchError(
            f"computeResources.maxvCpus must be at least 1, got {resources['maxvCpus']}"
        )
    if kind not in FARGATE_TYPES:
        if not resources["instanceTypes"]:
            raise BatchError("computeResources.instanceTypes must not be empty")
        return instance_sizes(resources["instanceTypes"])
    for key in _EC2_ONLY:
        if key in resources:
            raise BatchError(f"computeResources.{key} is not applicable for Fargate")
    return ()
