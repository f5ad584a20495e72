"""Compute environments: what they offer, and what of it is taken."""

from dataclasses import dataclass
from typing import Any

FARGATE_TYPES = frozenset({"FARGATE", "FARGATE_SPOT"})
RESOURCE_TYPES = FARGATE_TYPES | {"EC2", "SPOT"}


@dataclass
class ComputeEnvironment:
    """A set of vCPUs on which jobs run.

    Attributes:
        name: its name.
        arn: its ARN.
        request: what CreateComputeEnvironment was given.
        resources: its compute resources, updates applied.
        state: ENABLED or DISABLED.
        tags: its tags.
        used_vcpus: what its jobs hold now.
    """

    name: str
    arn: str
    request: dict[str, Any]
    resources: dict[str, Any]
    state: str
    tags: dict[str, str]
    used_vcpus: float = 0.0

    @property
    def fargate(self) -> bool:
        """Whether its jobs run on Fargate."""
        return self.resources["type"] in FARGATE_TYPES

    def fits(self, vcpus: float) -> bool:
        """Tell whether a job of this size can start now."""
        enabled = self.state == "ENABLED"
        return enabled and self.used_vcpus + vcpus <= self.resources["maxvCpus"]

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
