"""Why a job failed, as one table from Batch's words to a category.

The texts are AWS's own (AWS Batch user guide, "Troubleshooting AWS Batch"; Amazon ECS developer
guide, "Stopped tasks error messages"; AWS Fargate, "Fargate Spot termination notices").
"""

import re
from dataclasses import dataclass

from miniwdl_aws.status import JobStatus

SIGKILL_EXIT_CODE = 137


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    category: str


def _rule(pattern: str, category: str) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), category)


REASONS = (
    _rule(r"Job attempt duration exceeded timeout", "timeout"),
    _rule(r"OutOfMemoryError|Container killed due to memory usage", "out_of_memory"),
    _rule(r"Host EC2 .*terminated", "spot"),
    _rule(r"Spot Task was interrupted|SpotInterruption|Spot interruption", "spot"),
    _rule(r"CannotPull|ImagePull|pull image manifest", "infrastructure"),
    _rule(r"ResourceInitializationError", "infrastructure"),
    _rule(r"DockerTimeoutError|CannotStartContainerError|CannotCreateContainerError",
          "infrastructure"),
    _rule(r"CannotInspectContainerError|CannotStopContainerError", "infrastructure"),
    _rule(r"Timeout waiting for (network interface|EphemeralStorage)", "infrastructure"),
    _rule(r"Task failed to start|Container ?RuntimeError|ContainerRuntimeTimeoutError",
          "infrastructure"),
    _rule(r"Host EC2|instance .*(stopped|impaired|disconnected)", "infrastructure"),
    _rule(r"(CAPACITY|MISCONFIGURATION):", "infrastructure"),
)  # fmt: skip
"""The first rule whose pattern is found in the job's reasons names the category."""


def classify(status: JobStatus) -> str:
    """Name the category of a job that did not succeed.

    Returns:
        A key of `errors.JOB_ERRORS`: what Batch says decides first, then whether somebody ended
        the job, then the exit code. A container that ran and returned an error is
        ``command_failed``; a job that failed without one is ``infrastructure``.
    """
    if status.is_lost:
        return "lost"
    if status.is_terminated or status.is_cancelled:
        return "cancelled"
    for rule in REASONS:
        if rule.pattern.search(status.reason):
            return rule.category
    if status.exit_code is None:
        return "infrastructure"
    return "command_failed"
