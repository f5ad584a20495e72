"""Why attempts and jobs end or wait, in AWS's words."""

import re
from collections.abc import Sequence

CONTAINER_EXITED = "Essential container in task exited"
START_FAILED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
DEPENDENCY_FAILED = "Dependent Job failed"
ARRAY_CHILD_FAILED = "Array Child Job failed"
TOO_MANY_TAGS = "The combined tags of the job and its job definition are more than 50"
MAX_VCPUS_TOO_SMALL = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue "
    "cannot meet the CPU requirement of the job."
)
JOB_TOO_LARGE = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) "
    "is higher than that can be met by the CE(s) attached to the job queue."
)
TIME_LIMIT_REASONS = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
)
"""What a queue's ``jobStateTimeLimitActions`` may act on (AWS Batch user guide, "Automatic
remediation with jobStateTimeLimitActions"; the texts: "Jobs stuck in RUNNABLE due to
misconfiguration")."""

_NOT_FOUND_EXIT_CODE = 127
_NOT_EXECUTABLE_EXIT_CODE = 126
_BEGINNINGS = {
    "mount": (
        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: "
    ),
    "secrets": "ResourceInitializationError: unable to pull secrets or registry auth: ",
    "image": "CannotPullContainerError: Error response from daemon: ",
    "create": "CannotCreateContainerError: Error response from daemon: ",
}
"""By the stage of a start; any other's is CannotStartContainerError (Amazon ECS developer guide,
"Amazon ECS stopped tasks error messages")."""


def time_limit_passed(reason: str) -> str:
    """Say that a job was cancelled since it blocked its queue for too long, and why it did."""
    code = reason.partition(" - ")[0]
    return f"Canceled by JobStateTimeLimit action due to reason: {code}"


def start_failure(stage: str, error: str, command: Sequence[str]) -> tuple[int | None, str]:
    """Say why a container did not start, as ECS does.

    Args:
        stage: one of ``StartError``'s.
        error: what the system said.
        command: the job's command.

    Returns:
        The container's exit code, if there is one, and its reason.
    """
    if stage in _BEGINNINGS:
        return None, f"{_BEGINNINGS[stage]}{error}"
    if stage != "exec":
        code = _exit_code(error) if stage == "start" else None
        return code, f"CannotStartContainerError: Error response from daemon: {error}"
    missing = "Errno 2]" in error
    problem = "executable file not found in $PATH" if missing else error
    code = _NOT_FOUND_EXIT_CODE if missing else _NOT_EXECUTABLE_EXIT_CODE
    return code, (
        "CannotStartContainerError: Error response from daemon: failed to create task for "
        "container: OCI runtime create failed: unable to start container process: exec: "
        f'"{command[0]}": {problem}'
    )


def _exit_code(error: str) -> int | None:
    """Return what an engine sets as exit code when the command itself is what failed."""
    if re.search(r"exec: .*(executable file not found|no such file or directory)", error):
        return _NOT_FOUND_EXIT_CODE
    if re.search(r"exec: .*permission denied", error):
        return _NOT_EXECUTABLE_EXIT_CODE
    return None
