"""How a local AWS is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from miniwdl_aws.local.endpoint.latency import Latency, fixed
from miniwdl_aws.local.endpoint.rates import (
    DOCUMENTED_RATES,
    Rate,
    RateScope,
    with_batch_rate,
)
from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.faults.rules import FaultRule

ACCOUNT_ID = "123456789012"
"""The account that moto gives to every caller."""

LOG_GROUP = "/aws/batch/job"
"""Where Batch writes the logs of jobs that set no log configuration."""

WORKFLOW_QUEUE = "miniwdl-workflow"
TASK_QUEUE = "miniwdl-task"
FALLBACK_QUEUE = "miniwdl-task-fallback"
BUCKET = "miniwdl-local"
ROLE = "miniwdl-local"

EVENT_QUEUE = "miniwdl-batch-events"
"""The SQS queue that gets all of Batch's events, and the rule that sends them there."""

_LAST_PORT = 65_535

Isolation = Literal["auto", "namespace", "none"]
ExecutorKind = Literal["process", "container"]
Network = Literal["host", "bridge"]


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
        executor: ``process`` (jobs are processes of this machine) or ``container`` (each runs in
            its image, by Docker or Podman).
        docker_host: where the container engine listens, ``unix:///PATH`` or
            ``tcp://127.0.0.1:PORT``; None for DOCKER_HOST or, without it, the engine that is found.
        network: the containers' network: ``host``, or ``bridge``, from which this machine is
            another one, so that ``host`` must be an address that it reaches.
        latency_ms: how long each Batch call takes at least: milliseconds, or a distribution.
        rates: how many calls and launches are let through; ``rates.NO_RATES`` for all of them.
        rate: how many calls a second each Batch operation takes, instead of Batch's ``rates``;
            None for those.
        burst: how many calls it takes at once before ``rate`` counts; None for ``rate``.
        rate_scope: whether ``rate`` holds for each operation, or for all of Batch's together.
        seed: what faults and latencies are drawn from: the same seed repeats them.
        faults: what goes wrong from the start.
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
    executor: ExecutorKind = "process"
    docker_host: str | None = None
    network: Network = "host"
    latency_ms: float | Latency = 0.0
    rates: Mapping[str, Rate] = field(default_factory=lambda: DOCUMENTED_RATES)
    rate: float | None = None
    burst: float | None = None
    rate_scope: RateScope = "operation"
    seed: int = 0
    faults: tuple[FaultRule, ...] = ()
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
        self._check_network()
        self._check_ranges()
        if self.burst is not None and self.rate is None:
            raise LocalAwsError(f"burst {self.burst} is of no use without a rate (--rate)")
        _ = self.latency, self.all_rates  # which refuse what makes no sense

    @property
    def latency(self) -> Latency:
        """How long each Batch call takes at least."""
        latency = self.latency_ms
        return latency if isinstance(latency, Latency) else fixed(latency)

    @property
    def all_rates(self) -> Mapping[str, Rate]:
        """What is let through, ``rate`` included."""
        if self.rate is None:
            return self.rates
        return with_batch_rate(self.rates, self.rate, self.burst, self.rate_scope)

    def _check_ranges(self) -> None:
        if not 0 <= self.port <= _LAST_PORT:
            raise LocalAwsError(
                f"port {self.port} (--port) must be from 1 to {_LAST_PORT}, or 0 for a free one"
            )
        if self.max_vcpus < 1:
            raise LocalAwsError(f"max_vcpus {self.max_vcpus} (--max-vcpus) must be at least 1")
        if not self.mount_path.startswith("/"):
            raise LocalAwsError(
                f"mount_path {self.mount_path!r} (--mount-path) must be an absolute path, as jobs "
                "mount it"
            )
        for name in ("start_delay_seconds", "stop_timeout_seconds", "job_retention_seconds"):
            value = getattr(self, name)
            if not value >= 0:  # nor is it "not a number"
                raise LocalAwsError(f"{name} must be 0 or more, got {value}")

    def _check_network(self) -> None:
        if self.network == "bridge" and self.executor != "container":
            raise LocalAwsError(
                "network 'bridge' (--network) is for containers: processes share this machine's; "
                "use --executor container, or leave it out"
            )
        if self.network == "bridge" and is_loopback(self.host):
            raise LocalAwsError(
                f"jobs on the network 'bridge' (--network) cannot reach host {self.host!r}: listen "
                "on all addresses with --host 0.0.0.0 --allow-remote (host, allow_remote), or use "
                "--network host"
            )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
