"""Batch's documented limits, as checks that raise what AWS would answer.

Unless a check says otherwise, its numbers are those of the Batch API reference (the page of the
operation or data type that it checks) and of the AWS Batch user guide, "Service quotas".
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from miniwdl_aws.local.batch.resources import Resources
from miniwdl_aws.local.errors import BatchError

MAX_REQUEST_BYTES = 30 * 1024
MAX_DEFINITION_BYTES = 24 * 1024
MAX_OVERRIDES_BYTES = 8 * 1024
MAX_DESCRIBED_JOBS = 100
MAX_DESCRIBED_DEFINITIONS = 100
MAX_REASON_CHARACTERS = 1024
MAX_STOPPED_JOBS = 50
MAX_SCHEDULING_PRIORITY = 9999
ARRAY_SIZES = (2, 10_000)
MAX_DEPENDENCIES = 20
MAX_TAGS = 50
MAX_EXIT_CONDITIONS = 5
MIN_TIMEOUT_SECONDS = 60
MIN_MEMORY_MIB = 4

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_GIB = 1024

FARGATE_MEMORY_MIB: dict[str, tuple[int, ...]] = {
    "0.25": (512, 1024, 2048),
    "0.5": tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    "1": tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    "2": tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    "4": tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    "8": tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    "16": tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
    "32": (60 * _GIB, 120 * _GIB, 244 * _GIB),
}
"""The memory sizes, in MiB, for each number of vCPUs on Fargate (Batch API,
"ResourceRequirement")."""

FARGATE_EPHEMERAL_GIB = (21, 200)
"""The sizes of ephemeral storage on Fargate (Batch API, "EphemeralStorage")."""


def size(value: Any) -> int:
    """Return how many bytes a value takes as JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def name(value: str, what: str) -> str:
    """Check a job's, job definition's, queue's or compute environment's name."""
    if not _NAME.fullmatch(value):
        raise BatchError(
            f"{what} should match valid pattern: up to 128 letters, numbers, hyphens and "
            f"underscores, the first a letter or number; got {value!r}"
        )
    return value


def request_size(body: bytes) -> None:
    """Check the size of a request."""
    if len(body) > MAX_REQUEST_BYTES:
        raise BatchError(
            f"Request size of {len(body)} bytes exceeds the limit of {MAX_REQUEST_BYTES} bytes",
            code="RequestEntityTooLargeException",
            http_status=413,
        )


def tags(values: Mapping[str, str]) -> None:
    """Check the number of tags on one resource, and their lengths (128 and 256 characters)."""
    if len(values) > MAX_TAGS:
        raise BatchError(f"Too many tags: {len(values)}, the limit is {MAX_TAGS}")
    for key, value in values.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:  # noqa: PLR2004 - stated above
            raise BatchError(f"Tag {key!r} is too long: a key has 1-128 characters, a value 0-256")
        if key.lower().startswith("aws:"):
            raise BatchError(f"Tag key {key!r} begins with 'aws:', which is reserved")


def timeout(value: Mapping[str, Any] | None) -> None:
    """Check the time-out of an attempt."""
    seconds = (value or {}).get("attemptDurationSeconds")
    if seconds is not None and seconds < MIN_TIMEOUT_SECONDS:
        raise BatchError(
            f"attemptDurationSeconds must be at least {MIN_TIMEOUT_SECONDS}, got {seconds}"
        )


def array_size(size: int | None) -> None:
    """Check the size of an array job."""
    low, high = ARRAY_SIZES
    if size is not None and not low <= size <= high:
        raise BatchError(f"arrayProperties size must be from {low} to {high}, got {size}")


def scheduling_priority(priority: int | None) -> None:
    """Check the scheduling priority of a job definition or a submission."""
    if priority is not None and not 0 <= priority <= MAX_SCHEDULING_PRIORITY:
        raise BatchError(
            f"The scheduling priority must be from 0 to {MAX_SCHEDULING_PRIORITY}, got {priority}"
        )


def stop_reason(reason: str) -> None:
    """Check the reason for cancelling or terminating a job."""
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        raise BatchError(
            f"reason must have from 1 to {MAX_REASON_CHARACTERS} characters, got {len(reason)}"
        )


def retry_strategy(value: Mapping[str, Any] | None) -> None:
    """Check the number of attempts and the conditions for them."""
    strategy = value or {}
    attempts = strategy.get("attempts")
    if attempts is not None and not 1 <= attempts <= 10:  # noqa: PLR2004 - Batch API, "RetryStrategy"
        raise BatchError(f"retryStrategy attempts must be from 1 to 10, got {attempts}")
    conditions = strategy.get("evaluateOnExit", [])
    if conditions and attempts is None:
        raise BatchError("retryStrategy attempts must be given together with evaluateOnExit")
    if len(conditions) > MAX_EXIT_CONDITIONS:
        raise BatchError(f"evaluateOnExit has more than {MAX_EXIT_CONDITIONS} conditions")
    for condition in conditions:
        _exit_condition(condition)


def _exit_condition(condition: Mapping[str, str]) -> None:
    if condition["action"].upper() not in {"RETRY", "EXIT"}:
        raise BatchError(f"evaluateOnExit action must be RETRY or EXIT: {condition['action']!r}")
    patterns = {key: text for key, text in condition.items() if key != "action"}
    if not patterns:
        raise BatchError("evaluateOnExit needs one of onExitCode, onReason, onStatusReason")
    for key, text in patterns.items():
        allowed = r"[0-9]*\*?" if key == "onExitCode" else r"[A-Za-z0-9.:\s]*\*?"
        if len(text) > 512 or not re.fullmatch(allowed, text):  # noqa: PLR2004 - Batch API, "EvaluateOnExit"
            raise BatchError(f"evaluateOnExit {key} is not a valid pattern: {text!r}")


def requirement(requirements: Sequence[Mapping[str, str]], kind: str) -> str | None:
    """Find the value of a resource requirement (``VCPU``, ``MEMORY``)."""
    return next((entry["value"] for entry in requirements if entry["type"] == kind), None)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise BatchError(f"{what} must be a number, got {text!r}") from error
    if number <= 0:
        raise BatchError(f"{what} must be positive, got {text!r}")
    return number


def resources(container: Mapping[str, Any], *, fargate: bool) -> Resources:
    """Check a container's CPU, memory and GPUs for a platform.

    Args:
        container: container properties, overrides applied.
        fargate: whether it is to run on Fargate.

    Returns:
        What the job needs.
    """
    wanted = container.get("resourceRequirements", [])
    cpu_text = requirement(wanted, "VCPU") or str(container.get("vcpus") or "")
    memory_text = requirement(wanted, "MEMORY") or str(container.get("memory") or "")
    if not cpu_text or not memory_text:
        raise BatchError("Container properties should specify VCPU and MEMORY requirements")
    vcpus, memory_mib = _number(cpu_text, "VCPU"), int(_number(memory_text, "MEMORY"))
    gpus = _gpus(requirement(wanted, "GPU"), fargate=fargate)
    if fargate:
        _fargate_pair(vcpus, memory_mib)
    elif vcpus < 1 or vcpus != int(vcpus):
        raise BatchError(f"VCPU must be a whole number of at least 1 on EC2, got {cpu_text}")
    elif memory_mib < MIN_MEMORY_MIB:
        raise BatchError(f"MEMORY must be at least {MIN_MEMORY_MIB} MiB, got {memory_text}")
    return Resources(vcpus, memory_mib, gpus)


def _gpus(text: str | None, *, fargate: bool) -> int:
    if text is None:
        return 0
    if fargate:
        raise BatchError("GPU resource requirements are not applicable for Fargate")
    if not text.isdigit() or int(text) < 1:
        raise BatchError(f"GPU must be a whole number of at least 1, got {text!r}")
    return int(text)


def _fargate_pair(vcpus: float, memory_mib: int) -> None:
    sizes = FARGATE_MEMORY_MIB.get(f"{vcpus:g}")
    if sizes is None:
        raise BatchError(
            f"Fargate resource requirements: VCPU {vcpus:g} is not one of "
            f"{', '.join(FARGATE_MEMORY_MIB)}"
        )
    if memory_mib not in sizes:
        raise BatchError(
            f"Fargate resource requirements: MEMORY {memory_mib} is not valid for VCPU {vcpus:g}; "
            f"it takes {', '.join(map(str, sizes))}"
        )
