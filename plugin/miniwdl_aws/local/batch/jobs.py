"""Jobs: what they are and how they may change."""

import json
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.batch.attempts import Attempt
from miniwdl_aws.local.batch.definitions import JobDefinition
from miniwdl_aws.local.batch.environments import ComputeEnvironment
from miniwdl_aws.local.batch.lifecycle import ENDED
from miniwdl_aws.local.batch.queues import JobQueue
from miniwdl_aws.local.batch.resources import Resources


@dataclass(eq=False)
class ArrayChildren:
    """The children of an array job.

    Attributes:
        jobs: the children in the order of their index.
        counts: how many children have each status.
        updated_at: when that changed last, in milliseconds since 1970.
    """

    jobs: "list[Job]"
    counts: dict[str, int]
    updated_at: int

    @property
    def ended(self) -> bool:
        """Whether all children have ended."""
        return sum(self.counts[status] for status in ENDED) == len(self.jobs)

    def moved(self, before: str, after: str, now: int) -> None:
        """Count a child's change of status."""
        self.counts[before] -= 1
        self.counts[after] += 1
        self.updated_at = now

    def properties(self) -> dict[str, Any]:
        """Return the parent's ``arrayProperties``."""
        return {
            "statusSummary": self.counts,
            "statusSummaryLastUpdatedAt": self.updated_at,
            "size": len(self.jobs),
        }


@dataclass(eq=False, slots=True)
class Job:
    """A job and everything that happened to it.

    Attributes:
        job_id: its id, a UUID.
        arn: its ARN.
        name: its name.
        queue: its queue.
        definition: the revision it was submitted with.
        container: its container properties, overrides and parameters applied.
        needs: what it takes of its compute environment.
        created_at: when it was submitted, or a child spawned, in milliseconds since 1970.
        request: the rest of what SubmitJob was given: parameters, retryStrategy, timeout, tags,
            propagateTags and dependsOn, the definition's where the submission gave none.
        tags: its tags; a child has its parent's.
        share: its share identifier, on a queue with a scheduling policy.
        priority: its scheduling priority in that share.
        parent: the array job whose child it is.
        index: its place in that array.
        children: its children, if it is an array job.
        attempts: the tries that have ended.
        attempt: the one under way, or the last.
        environment: where it runs now.
        history: every status it had, with its time.
        stop_reason: why it was terminated or cancelled, once it was.
        timed_out: whether its attempt ran past its time-out.
    """

    job_id: str
    arn: str
    name: str
    queue: JobQueue
    definition: JobDefinition
    container: dict[str, Any]
    needs: Resources
    created_at: int
    request: dict[str, Any]
    tags: dict[str, str]
    share: str = ""
    priority: int = 0
    parent: "Job | None" = None
    index: int | None = None
    children: ArrayChildren | None = None
    status: str = "SUBMITTED"
    status_reason: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    attempt: Attempt | None = None
    environment: ComputeEnvironment | None = None
    history: list[tuple[str, int]] = field(default_factory=list)
    stop_reason: str | None = None
    timed_out: bool = False
    is_cancelled: bool = False
    is_terminated: bool = False
    stopped_at: int | None = None
    _json: bytes | None = None

    @property
    def ended(self) -> bool:
        """Whether its status can no longer change."""
        return self.status in ENDED

    @property
    def family(self) -> "list[Job]":
        """The job itself, or the children of an array job."""
        return self.children.jobs if self.children else [self]

    def touch(self) -> None:
        """Note that a member changed, so that it is described anew."""
        self._json = None

    def describe_json(self) -> bytes:
        """Return the entry of DescribeJobs as JSON, made once for each change."""
        if self._json is None:
            self._json = json.dumps(self.describe(), separators=(",", ":")).encode()
        return self._json

    def describe(self) -> dict[str, Any]:
        """Return the entry of DescribeJobs.

        ``startedAt`` is a required member of the model, so a job that never ran has 0.
        """
        optional = {
            "statusReason": self.status_reason,
            "stoppedAt": self.stopped_at,
            "timeout": self.request.get("timeout"),
            "retryStrategy": self.request.get("retryStrategy"),
            "shareIdentifier": self.share or None,
            "schedulingPriority": self.priority if self.share else None,
            "arrayProperties": self._array_properties(),
        }
        attempt = self.attempt.container() if self.attempt else {}
        return {
            "jobArn": self.arn,
            "jobName": self.name,
            "jobId": self.job_id,
            "jobQueue": self.queue.arn,
            "jobDefinition": self.definition.arn,
            "status": self.status,
            "createdAt": self.created_at,
            "startedAt": (self.attempt and self.attempt.started_at) or 0,
            "attempts": [each.describe() for each in self.attempts],
            "dependsOn": self.request["dependsOn"],
            "parameters": self.request["parameters"],
            "container": {**self.container, **attempt, "networkInterfaces": []},
            "tags": self.tags,
            "propagateTags": self.request["propagateTags"],
            "platformCapabilities": self.definition.content["platformCapabilities"],
            "eksAttempts": [],
            "isCancelled": self.is_cancelled,
            "isTerminated": self.is_terminated,
            **{key: value for key, value in optional.items() if value is not None},
        }

    def summary(self) -> dict[str, Any]:
        """Return the entry of ListJobs."""
        attempt = self.attempt
        container = {"exitCode": attempt.exit_code, "reason": attempt.reason} if attempt else {}
        optional = {
            "statusReason": self.status_reason,
            "startedAt": attempt.started_at if attempt else None,
            "stoppedAt": self.stopped_at,
            "shareIdentifier": self.share or None,
            "arrayProperties": self._array_properties(),
            "isCancelled": self.is_cancelled or None,
            "isTerminated": self.is_terminated or None,
        }
        return {
            "jobArn": self.arn,
            "jobId": self.job_id,
            "jobName": self.name,
            "createdAt": self.created_at,
            "status": self.status,
            "jobDefinition": self.definition.arn,
            "container": {key: value for key, value in container.items() if value is not None},
            **{key: value for key, value in optional.items() if value is not None},
        }

    def _array_properties(self) -> dict[str, Any] | None:
        if self.children:
            return self.children.properties()
        return None if self.index is None else {"index": self.index}
