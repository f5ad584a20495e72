"""What Batch says of attempts that a fault ends, in AWS's words."""

from dataclasses import dataclass

from miniwdl_aws.local.batch.reasons import CONTAINER_EXITED, START_FAILED
from miniwdl_aws.local.faults.book import Strike

_INSTANCE_DIGITS = 17


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended.

    Attributes:
        exit_code: its container's exit code, if Batch knows one.
        status_reason: the status reason of the attempt.
        reason: the reason of its container.
    """

    exit_code: int | None
    status_reason: str
    reason: str | None = None


_NOT_STARTED = {
    "image-pull": (
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to "
        "resolve ref {image}: failed to do request: Head {image}: dial tcp: i/o timeout"
    ),
    "efs-mount": (
        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: "
        "stderr: b'mount.nfs4: Connection timed out' : unsuccessful EFS utils command execution; "
        "code: 32"
    ),
    "docker-timeout": (
        "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"
    ),
}
"""Amazon ECS developer guide, "Stopped tasks error messages", "CannotPullContainer task errors"."""


def not_started(strike: Strike, image: str) -> Verdict:
    """Say why an attempt did not start.

    Args:
        strike: a fault of the stage ``START``.
        image: the name of the job's image.
    """
    text = strike.rule.reason or _NOT_STARTED[strike.kind].format(image=image)
    return Verdict(None, START_FAILED, text)


def ended(strike: Strike, exit_code: int | None, reason: str | None) -> Verdict:
    """Say how an attempt ended that a fault stopped.

    Args:
        strike: a fault of the stage ``RUN``.
        exit_code: what its process returned, if that is known.
        reason: what the container engine has to say, if anything.
    """
    if strike.kind == "spot-reclaim":
        instance = strike.noise.hex()[:_INSTANCE_DIGITS]
        return Verdict(None, f"Host EC2 (instance i-{instance}) terminated.")
    if strike.kind == "fargate-spot":
        return Verdict(exit_code, "Your Spot Task was interrupted.", reason)
    if strike.kind == "out-of-memory":
        text = "OutOfMemoryError: Container killed due to memory usage"
        return Verdict(exit_code, CONTAINER_EXITED, text)
    return Verdict(exit_code, CONTAINER_EXITED, reason)
