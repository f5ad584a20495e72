"""How a local AWS is set up."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from miniwdl_aws.local.errors import LocalAwsError

ACCOUNT_ID = "123456789012"
"""The account that moto gives to every caller."""

LOG_GROUP = "/aws/batch/job"
"""Where Batch writes the logs of jobs that set no log configuration."""

WORKFLOW_QUEUE = "miniwdl-workflow"
TASK_QUEUE = "miniwdl-task"
FALLBACK_QUEUE = "miniwdl-task-fallback"
BUCKET = "miniwdl-local"
ROLE = "miniwdl-local"

Isolation = Literal["auto", "namespace", "none"]


@dataclass(frozen=True, kw_only=True)
class LocalAwsSettings:
    """How a local AWS is set up.

    Args:
        host: the address to listen on; anything but loopback asks for ``allow_remote``, since
            whoever can reach the endpoint can run commands on this machine.
        port: the TCP port, 0 for a free one.
        root: the state directory (file systems, jobs' scratch directories), made if missing and
            kept; None for a temporary one, removed on stop.
        allow_remote: whether ``host`` may be an address that other machines reach.
        region: the region that the resources are in.
        mount_path: where jobs are expected to mount the file system; it matters only where
            namespaces are not to be had, since then the directory itself must lie there.
        program_dirs: directories whose programs jobs find before those of this machine, as those
            of an image; empty for those of the Python environment.
        isolation: ``namespace`` (each job sees its own mounts and processes; Linux), ``none`` (jobs
            are plain processes of this machine), or ``auto`` (the first where it can be had).
        latency_ms: how long each Batch call takes at least, in milliseconds.
        rate: how many calls a second each Batch operation takes; None for no limit.
        burst: how many calls an operation takes at once before ``rate`` counts; None for ``rate``.
        start_delay_seconds: how long a job takes from RUNNABLE to RUNNING.
        stop_timeout_seconds: how long a job has from SIGTERM to SIGKILL (30 on AWS: Amazon ECS
            developer guide, "StopTask").
        max_vcpus: the size of each compute environment made at the start.
        job_retention_seconds: how long ended jobs are kept (at least 7 days on AWS: AWS Batch user
            guide, "Job states").
        server_threads: how many requests are served at once.
    """

    host: str = "127.0.0.1"
    port: int = 0
    root: Path | None = None
    allow_remote: bool = False
    region: str = "us-west-2"
    mount_path: str = "/mnt/efs"
    program_dirs: tuple[Path, ...] = ()
    isolation: Isolation = "auto"
    latency_ms: float = 0.0
    rate: float | None = None
    burst: float | None = None
    start_delay_seconds: float = 0.0
    stop_timeout_seconds: float = 30.0
    max_vcpus: int = 10_000
    job_retention_seconds: float = 7 * 86_400.0
    server_threads: int = 32

    def __post_init__(self) -> None:
        if not self.allow_remote and not is_loopback(self.host):
            raise LocalAwsError(
                f"host {self.host!r} is not a loopback address: whoever reaches the local AWS can "
                "run commands on this machine. Use 127.0.0.1, or allow it with --allow-remote "
                "(allow_remote=True)"
            )
        for name in (
            "latency_ms",
            "start_delay_seconds",
            "stop_timeout_seconds",
            "job_retention_seconds",
        ):
            if getattr(self, name) < 0:
                raise LocalAwsError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.rate is not None and self.rate <= 0:
            raise LocalAwsError(
                f"rate must be positive, got {self.rate}; leave it out for no limit"
            )
        if self.burst is not None and self.burst < 1:
            raise LocalAwsError(f"burst must be at least 1, got {self.burst}")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
