"""Why attempts and jobs end or wait, in AWS's words."""

from collections.abc import Sequence

CONTAINER_EXITED = "Essential container in task exited"
START_FAILED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
DEPENDENCY_FAILED = "Dependent Job failed"
TOO_LARGE = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue "
    "cannot meet the CPU requirement of the job."
)
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
        return None, f"CannotStartContainerError: Error response from daemon: {error}"
    missing = "Errno 2]" in error
    problem = "executable file not found in $PATH" if missing else error
    code = _NOT_FOUND_EXIT_CODE if missing else _NOT_EXECUTABLE_EXIT_CODE
    return code, (
        "CannotStartContainerError: Error response from daemon: failed to create task for "
        "container: OCI runtime create failed: unable to start container process: exec: "
        f'"{command[0]}": {problem}'
    )
