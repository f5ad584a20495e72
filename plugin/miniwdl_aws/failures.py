"""Why a job failed, and what follows from it: one table, read from its first row to its last.

The texts are AWS's own (AWS Batch user guide, "Troubleshooting AWS Batch", "Jobs stuck in a
RUNNABLE status" and "Automated job retries"; Amazon ECS developer guide, "Stopped tasks error
messages" and "CannotPullContainer task errors"; AWS Fargate, "Fargate Spot termination notices").
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from miniwdl_aws.status import JobStatus

SIGKILL_EXIT_CODE = 137

NOT_STARTED = "miniwdl-aws: not started within"
"""How the status reason begins of a job that waited too long (``[aws] runnable_timeout``)."""


class Budget(StrEnum):
    """What another attempt of a task counts against, before ``maxRetries``.

    Attributes:
        PREEMPTIBLE: ``preemptible`` of the task.
        INFRASTRUCTURE: ``[aws] infrastructure_retries``.
        MEMORY: the steps from the task's memory to ``[aws] oom_memory_cap``.
        FALLBACK: one attempt, if there is a fallback queue on which the task was not yet.
        RETRIES: nothing; ``maxRetries`` alone.
        NONE: another attempt would end alike, and ``maxRetries`` does not count either.
    """

    PREEMPTIBLE = "preemptible"
    INFRASTRUCTURE = "infrastructure"
    MEMORY = "memory"
    FALLBACK = "fallback"
    RETRIES = "retries"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of the table.

    Attributes:
        name: a name for the row.
        applies: whether it is about a job.
        category: a key of `errors.JOB_ERRORS`.
        budget: what another attempt counts against.
        backs_off: whether the wait before another attempt doubles each time.
    """

    name: str
    applies: Callable[[JobStatus], bool]
    category: str
    budget: Budget
    backs_off: bool = False


def _says(pattern: str) -> Callable[[JobStatus], bool]:
    """Make the test whether a job's status reason or container reason has a text."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda status: compiled.search(status.reason) is not None


def _both(*tests: Callable[[JobStatus], bool]) -> Callable[[JobStatus], bool]:
    return lambda status: all(test(status) for test in tests)


_PULL = _says(r"CannotPull|ImagePull|pull image manifest|failed to resolve ref")
_NO_SUCH_IMAGE = _says(
    r"manifest (unknown|for .* not found)|name unknown|not found|does not exist|access denied"
    r"|access to the resource is denied|no basic auth|unauthorized|forbidden"
    r"|status code:? 40[134]|\(40[134]\)|no matching manifest|invalid reference"
    r"|not a valid repository"
)

RULES = (
    Rule(
        name="lost",
        applies=lambda status: status.is_lost,
        category="lost",
        budget=Budget.INFRASTRUCTURE,
    ),
    Rule(
        name="not started",
        applies=_says(rf"{NOT_STARTED}|JobStateTimeLimit|\b(CAPACITY|MISCONFIGURATION):"),
        category="infrastructure",
        budget=Budget.FALLBACK,
    ),
    Rule(
        name="time-out",
        applies=_says(r"Job attempt duration exceeded timeout"),
        category="timeout",
        budget=Budget.RETRIES,
    ),
    Rule(
        name="ended",
        applies=lambda status: status.is_terminated or status.is_cancelled,
        category="cancelled",
        budget=Budget.NONE,
    ),
    Rule(
        name="memory",
        applies=_says(r"OutOfMemoryError|Container killed due to memory usage"),
        category="out_of_memory",
        budget=Budget.MEMORY,
    ),
    Rule(
        name="EC2 host reclaimed",
        applies=_says(r"Host EC2 .*terminated"),
        category="spot",
        budget=Budget.PREEMPTIBLE,
    ),
    Rule(
        name="Fargate spot",
        applies=_says(r"Spot Task was interrupted|SpotInterruption|Spot interruption"),
        category="spot",
        budget=Budget.PREEMPTIBLE,
    ),
    Rule(
        name="no such image",
        applies=_both(_PULL, _NO_SUCH_IMAGE),
        category="image",
        budget=Budget.NONE,
    ),
    Rule(
        name="image not pulled",
        applies=_PULL,
        category="image",
        budget=Budget.INFRASTRUCTURE,
        backs_off=True,
    ),
    Rule(
        name="image cannot run",
        applies=_says(
            r"exec format error|executable file not found|exec: .*(no such file|permission denied)"
        ),
        category="image",
        budget=Budget.NONE,
    ),
    Rule(
        name="resources",
        applies=_says(
            r"ResourceInitializationError|CannotCreateVolumeError"
            r"|Timeout waiting for (network interface|EphemeralStorage)"
        ),
        category="infrastructure",
        budget=Budget.INFRASTRUCTURE,
        backs_off=True,
    ),
    Rule(
        name="container engine",
        applies=_says(
            r"DockerTimeoutError|ContainerRuntimeTimeoutError|ContainerRuntimeError|InternalError"
            r"|Cannot(Start|Stop|Create|Inspect)ContainerError|Task failed to start"
        ),
        category="infrastructure",
        budget=Budget.INFRASTRUCTURE,
        backs_off=True,
    ),
    Rule(
        name="host",
        applies=_says(r"Host EC2|instance .*(stopped|impaired|disconnected)"),
        category="infrastructure",
        budget=Budget.INFRASTRUCTURE,
        backs_off=True,
    ),
    Rule(
        name="never ran",
        applies=lambda status: status.exit_code is None,
        category="infrastructure",
        budget=Budget.INFRASTRUCTURE,
        backs_off=True,
    ),
    Rule(
        name="command",
        applies=lambda status: True,  # noqa: ARG005  (the last row is about all that is left)
        category="command_failed",
        budget=Budget.RETRIES,
    ),
)
"""The first row that applies decides."""


def judge(status: JobStatus) -> Rule:
    """Find the row about a job that did not succeed; there always is one."""
    return next(rule for rule in RULES if rule.applies(status))


def classify(status: JobStatus) -> str:
    """Name the category of a job that did not succeed, a key of `errors.JOB_ERRORS`."""
    return judge(status).category
