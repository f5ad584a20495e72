"""Jobs: what they are, how they may change, and how they are found."""

import bisect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.definitions import JobDefinition
from miniwdl_aws.local.errors import BatchError
from miniwdl_aws.local.queues import ComputeEnvironment, JobQueue

ENDED = frozenset({"SUCCEEDED", "FAILED"})
STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")

TRANSITIONS: dict[str, frozenset[str]] = {
    "SUBMITTED": frozenset({"PENDING", "FAILED"}),
    "PENDING": frozenset({"RUNNABLE", "FAILED"}),
    "RUNNABLE": frozenset({"STARTING", "FAILED"}),
    "STARTING": frozenset({"RUNNING", "RUNNABLE", "FAILED"}),
    "RUNNING": frozenset({"SUCCEEDED", "RUNNABLE", "FAILED"}),
    "SUCCEEDED": frozenset(),
    "FAILED": frozenset(),
}
"""From each status to the next; back to RUNNABLE for another attempt only (AWS Batch user guide,
"Job states")."""


@dataclass
class Attempt:
    """One try to run a job.

    Attributes:
        task_id: the id of its ECS task, 32 hexadecimal digits.
        task_arn: its ARN.
        log_stream: its log stream, once its container has started.
        started_at: when it began to run, in milliseconds since 1970.
        stopped_at: when it ended.
        exit_code: its container's exit code, if there was a container.
        reason: what its container has to say, if anything.
        status_reason: why it ended.
    """

    task_id: str
    task_arn: str
    log_stream: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None

    def container(self) -> dict[str, Any]:
        """Return what both the job's and the attempt's container show of it."""
        members = {
            "taskArn": self.task_arn,
            "exitCode": self.exit_code,
            "reason": self.reason,
            "logStreamName": self.log_stream,
        }
        return {key: value for key, value in members.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        """Return the entry of a job's ``attempts``."""
        members = {
            "startedAt": self.started_at,
            "stoppedAt": self.stopped_at,
            "statusReason": self.status_reason,
        }
        shown = {key: value for key, value in members.items() if value is not None}
        return {"container": {**self.container(), "networkInterfaces": []}, **shown}


@dataclass(eq=False)
class Job:
    """A job and everything that happened to it.

    Attributes:
        job_id: its id, a UUID.
        arn: its ARN.
        name: its name.
        queue: its queue.
        definition: the revision it was submitted with.
        container: its container properties, overrides and parameters applied.
        vcpus: what it takes of its compute environment.
        created_at: when it was submitted, in milliseconds since 1970.
        request: the rest of what SubmitJob was given: parameters, retryStrategy, timeout, tags,
            propagateTags and dependsOn, the definition's where the submission gave none.
        tags: its tags.
        attempts: the tries that have ended.
        attempt: the one under way, or the last.
        environment: where it runs now.
        history: every status it had, with its time.
        stop_reason: why it was terminated, once it was.
        timed_out: whether its attempt ran past its time-out.
    """

    job_id: str
    arn: str
    name: str
    queue: JobQueue
    definition: JobDefinition
    container: dict[str, Any]
    vcpus: float
    created_at: int
    request: dict[str, Any]
    tags: dict[str, str]
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


def retries(strategy: Mapping[str, Any] | None, attempts_made: int, last: Attempt) -> bool:
    """Tell whether a failed attempt is followed by another.

    The first condition that matches decides; if none does, the job is retried (Batch API,
    "RetryStrategy").

    Args:
        strategy: the job's retry strategy.
        attempts_made: how many attempts there were.
        last: the attempt that failed.
    """
    if not strategy or attempts_made >= strategy.get("attempts", 1):
        return False
    values = {
        "onExitCode": "" if last.exit_code is None else str(last.exit_code),
        "onReason": last.reason or "",
        "onStatusReason": last.status_reason or "",
    }
    for condition in strategy.get("evaluateOnExit", []):
        patterns = {key: pattern for key, pattern in condition.items() if key != "action"}
        if all(_matches(pattern, values[key]) for key, pattern in patterns.items()):
            return bool(condition["action"].upper() == "RETRY")
    return True


def _matches(pattern: str, value: str) -> bool:
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern


@dataclass
class _QueueIndex:
    by_status: dict[str, dict[str, Job]] = field(default_factory=dict)
    by_name: dict[str, list[Job]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    by_definition: dict[str, dict[str, list[Job]]] = field(default_factory=dict)
    created: list[Job] = field(default_factory=list)


class JobStore:
    """All jobs, found by id, by queue and status, and by ListJobs' filters, without a scan.

    Args:
        clock: the time in milliseconds since 1970.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self._by_id: dict[str, Job] = {}
        self._queues: dict[str, _QueueIndex] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_id.values())

    def get(self, job_id: str) -> Job | None:
        """Find a job by its id."""
        return self._by_id.get(job_id)

    def add(self, job: Job) -> None:
        """Take in a newly submitted job."""
        self._by_id[job.job_id] = job
        index = self._queues.setdefault(job.queue.name, _QueueIndex())
        index.by_status.setdefault(job.status, {})[job.job_id] = job
        index.created.append(job)
        folded = job.name.casefold()
        if folded not in index.by_name:
            index.by_name[folded] = []
            bisect.insort(index.names, folded)
        index.by_name[folded].append(job)
        revisions = index.by_definition.setdefault(job.definition.name, {})
        revisions.setdefault(job.definition.arn, []).append(job)
        job.history.append((job.status, self.clock()))

    def move(self, job: Job, status: str, reason: str | None = None) -> int:
        """Change a job's status; return the time in milliseconds since 1970.

        Raises:
            ValueError: the lifecycle has no such step.
        """
        if status not in TRANSITIONS[job.status]:
            raise ValueError(f"job {job.job_id}: no way from {job.status} to {status}")
        by_status = self._queues[job.queue.name].by_status
        del by_status[job.status][job.job_id]
        by_status.setdefault(status, {})[job.job_id] = job
        now = self.clock()
        job.status, job.status_reason = status, reason
        if job.ended:
            job.stopped_at = now
        job.history.append((status, now))
        job.touch()
        return now

    def with_status(self, queue: str, status: str) -> list[Job]:
        """Return a queue's jobs of a status, the most recent first."""
        index = self._queues.get(queue, _QueueIndex())
        found = index.by_status.get(status, {}).values()
        return sorted(found, key=lambda job: job.created_at, reverse=True)

    def filtered(self, queue: str, name: str, values: list[str]) -> list[Job]:
        """Return a queue's jobs that a ListJobs filter matches, the most recent first."""
        index = self._queues.get(queue, _QueueIndex())
        finders: dict[str, Callable[[_QueueIndex, str], Iterable[Job]]] = {
            "JOB_NAME": _by_name,
            "JOB_DEFINITION": _by_definition,
            "BEFORE_CREATED_AT": _before,
            "AFTER_CREATED_AT": _after,
        }
        if name not in finders:
            raise BatchError(f"Filter {name!r} is not one of {', '.join(finders)}")
        found = {job.job_id: job for value in values for job in finders[name](index, value)}
        return sorted(found.values(), key=lambda job: job.created_at, reverse=True)


def _by_name(index: _QueueIndex, value: str) -> Iterator[Job]:
    folded = value.casefold()
    if not folded.endswith("*"):
        yield from index.by_name.get(folded, [])
        return
    prefix = folded[:-1]
    for position in range(bisect.bisect_left(index.names, prefix), len(index.names)):
        if not index.names[position].startswith(prefix):
            return
        yield from index.by_name[index.names[position]]


def _by_definition(index: _QueueIndex, value: str) -> Iterator[Job]:
    if value.startswith("arn:"):
        name = value.rsplit("/", 1)[-1].partition(":")[0]
        yield from index.by_definition.get(name, {}).get(value, [])
        return
    for name, revisions in index.by_definition.items():
        if name == value or (value.endswith("*") and name.startswith(value[:-1])):
            for jobs in revisions.values():
                yield from jobs


def _milliseconds(value: str) -> int:
    if not value.isdigit():
        raise BatchError(f"A time in milliseconds since 1970 is expected, got {value!r}")
    return int(value)


def _before(index: _QueueIndex, value: str) -> list[Job]:
    end = bisect.bisect_left(index.created, _milliseconds(value), key=lambda job: job.created_at)
    return index.created[:end]


def _after(index: _QueueIndex, value: str) -> list[Job]:
    begin = bisect.bisect_right(index.created, _milliseconds(value), key=lambda job: job.created_at)
    return index.created[begin:]
