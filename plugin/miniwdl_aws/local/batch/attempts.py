"""Attempts of a job, and whether another follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
