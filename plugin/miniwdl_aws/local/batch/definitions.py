"""Job definitions and their revisions."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.arns import Arns, name_in
from miniwdl_aws.local.batch import containers, limits
from miniwdl_aws.local.errors import BatchError, unsupported

_KEPT = (
    "type",
    "parameters",
    "retryStrategy",
    "containerProperties",
    "timeout",
    "propagateTags",
    "platformCapabilities",
    "schedulingPriority",
)
_UNSUPPORTED = {
    "nodeProperties": "Multi-node parallel jobs (nodeProperties)",
    "eksProperties": "Jobs on Amazon EKS (eksProperties)",
    "ecsProperties": "Jobs of several containers (ecsProperties)",
    "consumableResourceProperties": "Consumable resources (consumableResourceProperties)",
}
_CONTAINER_LISTS = (
    "command",
    "volumes",
    "environment",
    "mountPoints",
    "ulimits",
    "resourceRequirements",
    "secrets",
)


@dataclass
class JobDefinition:
    """One revision of a job definition.

    Attributes:
        name: without the revision.
        revision: from 1.
        arn: with the revision.
        content: the members of the registration, normalised as DescribeJobDefinitions shows them.
        tags: its own tags.
        active: whether new jobs may use it.
        number: its place in the order of registration.
    """

    name: str
    revision: int
    arn: str
    content: dict[str, Any]
    number: int
    tags: dict[str, str] = field(default_factory=dict)
    active: bool = True

    @property
    def fargate(self) -> bool:
        """Whether it is for Fargate."""
        return "FARGATE" in self.content["platformCapabilities"]

    def describe(self) -> dict[str, Any]:
        """Return the entry of DescribeJobDefinitions."""
        return {
            "jobDefinitionName": self.name,
            "jobDefinitionArn": self.arn,
            "revision": self.revision,
            "status": "ACTIVE" if self.active else "INACTIVE",
            "tags": self.tags,
            "containerOrchestrationType": "ECS",
            **self.content,
        }


def _content(request: Mapping[str, Any]) -> dict[str, Any]:
    content = {key: request[key] for key in _KEPT if key in request}
    content.setdefault("parameters", {})
    content.setdefault("platformCapabilities", ["EC2"])
    container = dict(content["containerProperties"])
    for key in _CONTAINER_LISTS:
        container.setdefault(key, [])
    content["containerProperties"] = container
    return content


def _check(request: Mapping[str, Any], *, images: bool) -> None:
    limits.name(request["jobDefinitionName"], "Job definition name")
    if request["type"] != "container":
        raise unsupported(f"Job definitions of type {request['type']}")
    for key, what in _UNSUPPORTED.items():
        if request.get(key):
            raise unsupported(what)
    platforms = request.get("platformCapabilities", ["EC2"])
    if len(platforms) != 1 or platforms[0] not in {"EC2", "FARGATE"}:
        raise BatchError(f"platformCapabilities must be [EC2] or [FARGATE], got {platforms}")
    if "containerProperties" not in request:
        raise BatchError("Container properties must be provided for a container job definition")
    size = limits.size(request)
    if size > limits.MAX_DEFINITION_BYTES:
        raise BatchError(
            f"Job definition of {size} bytes exceeds the limit of {limits.MAX_DEFINITION_BYTES}"
        )
    limits.tags(request.get("tags", {}))
    limits.timeout(request.get("timeout"))
    limits.retry_strategy(request.get("retryStrategy"))
    limits.scheduling_priority(request.get("schedulingPriority"))
    fargate = platforms == ["FARGATE"]
    containers.check(request["containerProperties"], fargate=fargate, images=images)


class Definitions:
    """All job definitions of an account.

    Args:
        arns: makes their ARNs.
        images: whether jobs run in containers of their images.
    """

    def __init__(self, arns: Arns, *, images: bool = False) -> None:
        self.images = images
        self._arns = arns
        self._by_name: dict[str, list[JobDefinition]] = {}
        self._by_arn: dict[str, JobDefinition] = {}
        self._numbers = itertools.count(1)

    def register(self, request: Mapping[str, Any]) -> JobDefinition:
        """Add a revision, after checking it."""
        _check(request, images=self.images)
        name = request["jobDefinitionName"]
        revisions = self._by_name.setdefault(name, [])
        revision = len(revisions) + 1
        definition = JobDefinition(
            name=name,
            revision=revision,
            arn=self._arns.batch("job-definition", f"{name}:{revision}"),
            content=_content(request),
            number=next(self._numbers),
            tags=dict(request.get("tags", {})),
        )
        revisions.append(definition)
        self._by_arn[definition.arn] = definition
        return definition

    def find(self, reference: str) -> JobDefinition | None:
        """Find by ARN, ``name:revision``, or name (the latest active revision)."""
        name, _, revision = name_in(reference).partition(":")
        revisions = self._by_name.get(name, [])
        if revision:
            known = revision.isdigit() and 1 <= int(revision) <= len(revisions)
            return revisions[int(revision) - 1] if known else None
        return next((each for each in reversed(revisions) if each.active), None)

    def by_arn(self, arn: str) -> JobDefinition | None:
        """Find by exact ARN."""
        return self._by_arn.get(arn)

    def deregister(self, reference: str) -> None:
        """Make a revision inactive."""
        if ":" not in name_in(reference):
            raise BatchError(f"jobDefinition must be name:revision or an ARN, got {reference!r}")
        definition = self.find(reference)
        if definition is None:
            raise BatchError(f"Job definition {reference} does not exist")
        definition.active = False

    def select(self, request: Mapping[str, Any]) -> Iterator[JobDefinition]:
        """Yield what a DescribeJobDefinitions request asks for, the latest revision first."""
        if len(request.get("jobDefinitions", [])) > limits.MAX_DESCRIBED_DEFINITIONS:
            raise BatchError(
                f"jobDefinitions must name at most {limits.MAX_DESCRIBED_DEFINITIONS} definitions"
            )
        status = request.get("status")
        for definition in self._candidates(request):
            if status is None or definition.active == (status == "ACTIVE"):
                yield definition

    def _candidates(self, request: Mapping[str, Any]) -> Iterable[JobDefinition]:
        if request.get("jobDefinitions"):
            found = (self._expand(reference) for reference in request["jobDefinitions"])
            return itertools.chain.from_iterable(found)
        if request.get("jobDefinitionName"):
            return reversed(self._by_name.get(name_in(request["jobDefinitionName"]), []))
        return reversed(self._by_arn.values())

    def _expand(self, reference: str) -> list[JobDefinition]:
        if ":" not in name_in(reference):
            return self._by_name.get(name_in(reference), [])[::-1]
        found = self.find(reference)
        return [found] if found else []
