"""What job queues and their compute environments can run."""

import functools
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsError, ConfigurationError
from miniwdl_aws.fargate import MEMORY_MIB
from miniwdl_aws.retry import Retry

MAX_VCPUS = 1920
MAX_MEMORY_BYTES = 32 * 2**40
"""The largest instance that there is, u7inh-32tb.480xlarge (Amazon EC2 instance types, "High
memory instances"): what no compute environment can give."""

MAX_GPUS = 16
"""GPUs of the instances with the most, p2.16xlarge (Amazon EC2 instance types, "Accelerated
computing")."""

HOST_SHARE = 15 / 16
"""How much of an EC2 instance's memory jobs can have: its kernel and the agent of Amazon ECS keep
some percent (Amazon ECS developer guide, "Reserving Amazon ECS Linux container instance
memory")."""

SMALL_VCPUS = 2
SMALL_MEMORY_BYTES = 4 * 2**30
"""What fits on about every instance, without GPUs: nobody is asked whether it does."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one job can get at most.

    Attributes:
        vcpus: CPUs.
        memory_bytes: memory of the whole host; its system takes some of it.
        gpus: GPUs.
        reason: what sets the limits, for a message.
    """

    vcpus: float = MAX_VCPUS
    memory_bytes: int = MAX_MEMORY_BYTES
    gpus: int = MAX_GPUS
    reason: str = "no instance is larger"

    def fit(self, vcpus: float, memory_bytes: int, gpus: int = 0) -> bool:
        """Tell whether a job of this size can ever run."""
        return vcpus <= self.vcpus and memory_bytes <= self.memory_bytes and gpus <= self.gpus

    def __str__(self) -> str:
        gib = self.memory_bytes / 2**30
        return f"{self.vcpus:g} CPUs, {gib:g} GiB and {self.gpus} GPUs, since {self.reason}"


@dataclass(frozen=True, kw_only=True)
class InstanceSize:
    """What an instance type has.

    Attributes:
        vcpus: CPUs.
        memory_bytes: memory.
        gpus: GPUs.
    """

    vcpus: int
    memory_bytes: int
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class ComputeEnvironment:
    """A compute environment as DescribeComputeEnvironments shows it.

    Attributes:
        name: its name.
        kind: EC2, SPOT, FARGATE or FARGATE_SPOT.
        enabled: whether it takes jobs.
        valid: whether Batch finds it in order.
        status_reason: what Batch says of it.
        max_vcpus: CPUs of all its jobs together.
        desired_vcpus: CPUs that it has, or that are being started.
        instance_types: sizes, families, or names such as ``optimal``.
    """

    name: str
    kind: str = "EC2"
    enabled: bool = True
    valid: bool = True
    status_reason: str = ""
    max_vcpus: int = MAX_VCPUS
    desired_vcpus: int = 0
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobQueue:
    """A job queue as DescribeJobQueues shows it.

    Attributes:
        name: as it is configured: its name or ARN.
        fargate: whether its jobs run on Fargate; None if its description does not tell.
        enabled: whether it takes jobs.
        environments: the names or ARNs of its compute environments.
    """

    name: str
    fargate: bool | None = False
    enabled: bool = True
    environments: tuple[str, ...] = ()


def limits_of(
    environments: Iterable[ComputeEnvironment], sizes: Mapping[str, InstanceSize]
) -> Limits:
    """Give what one job can get in any of some compute environments.

    Args:
        environments: those of a queue.
        sizes: those of instance types, as far as they are known.
    """
    each = [_environment_limits(one, sizes) for one in environments if one.enabled]
    if not each:
        return Limits()
    return Limits(
        vcpus=max(one.vcpus for one in each),
        memory_bytes=max(one.memory_bytes for one in each),
        gpus=max(one.gpus for one in each),
        reason="; ".join(dict.fromkeys(one.reason for one in each)),
    )


def _environment_limits(
    environment: ComputeEnvironment, sizes: Mapping[str, InstanceSize]
) -> Limits:
    name, most = environment.name, environment.max_vcpus
    if environment.kind.startswith("FARGATE"):
        largest = max(MEMORY_MIB)
        return Limits(
            vcpus=min(largest, most),
            memory_bytes=MEMORY_MIB[largest][-1] * 2**20,
            gpus=0,
            reason=f"compute environment {name} is on Fargate, with {most} vCPUs in all",
        )
    known = [_sizes_of(kind, sizes) for kind in environment.instance_types]
    if not known or not all(known):
        return Limits(
            vcpus=min(MAX_VCPUS, most),
            reason=f"compute environment {name} has {most} vCPUs in all",
        )
    flat = [size for found in known for size in found]
    return Limits(
        vcpus=min(most, max(size.vcpus for size in flat)),
        memory_bytes=max(size.memory_bytes for size in flat),
        gpus=max(size.gpus for size in flat),
        reason=f"compute environment {name} has instances of "
        f"{', '.join(environment.instance_types)} and {most} vCPUs in all",
    )


def _sizes_of(kind: str, sizes: Mapping[str, InstanceSize]) -> list[InstanceSize]:
    return [size for name, size in sizes.items() if name == kind or name.startswith(f"{kind}.")]


class Queues:
    """What is known of job queues; each is asked about once, unless it shall be anew.

    Whoever may not ask gets what holds for any queue on EC2, and the log says so, once.

    Args:
        clients: where to ask.
        retry: how requests are tried.
    """

    def __init__(self, clients: AwsClients, retry: Retry) -> None:
        self._clients = clients
        self._retry = retry
        self._lock = threading.RLock()
        self._queues: dict[str, JobQueue] = {}
        self._limits: dict[str, Limits] = {}

    def load(self, named: Mapping[str, str]) -> None:
        """Ask about the queues of a configuration.

        Args:
            named: for each queue the option that names it.

        Raises:
            ConfigurationError: one does not exist, or takes no jobs; or Batch refuses its name.
        """
        if not named:
            return
        found = self._describe_queues(sorted(named))
        for name, option in named.items():
            if found is not None and name not in found:
                raise self._wrong(option, name, f"does not exist in {self._clients.region}")
            queue = self._typed(found[name]) if found else JobQueue(name=name)
            if not queue.enabled:
                raise self._wrong(option, name, "is disabled, and takes no jobs")
            self._queues[name] = queue

    def queue(self, name: str) -> JobQueue:
        """Give what was known of a queue at the start."""
        return self._queues.get(name, JobQueue(name=name))

    def limits(self, name: str, vcpus: float, memory_bytes: int, gpus: int = 0) -> Limits:
        """Give the limits that matter for a job: Batch is asked only if they might."""
        if vcpus <= SMALL_VCPUS and memory_bytes <= SMALL_MEMORY_BYTES and not gpus:
            return Limits()
        with self._lock:
            if name not in self._limits:
                self._limits[name] = self._read_limits(name)
            return self._limits[name]

    def most_memory_bytes(
        self, names: Iterable[str], vcpus: float, memory_bytes: int, gpus: int = 0
    ) -> int:
        """Tell up to which memory a job may grow that has to run on one of some queues.

        Args:
            names: the queues.
            vcpus: its CPUs.
            memory_bytes: up to which memory it shall grow.
            gpus: its GPUs.

        Returns:
            At most ``memory_bytes``; 0 if no queue has the CPUs and the GPUs.
        """
        most = 0
        for name in names:
            limits = self.limits(name, vcpus, memory_bytes, gpus)
            if limits.fit(vcpus, 0, gpus):
                share = 1 if self.queue(name).fargate else HOST_SHARE
                most = max(most, int(limits.memory_bytes * share))
        return min(most, memory_bytes)

    def now(self, name: str) -> tuple[JobQueue, tuple[ComputeEnvironment, ...]]:
        """Ask anew about a queue and its compute environments.

        Returns:
            Both; no environments if they could not be asked about.
        """
        found = self._describe_queues([name]) or {}
        queue = found.get(name, JobQueue(name=name))
        return queue, self._environments(queue)

    def _typed(self, queue: JobQueue) -> JobQueue:
        """Ask for the platform of a queue whose description does not tell its type."""
        if queue.fargate is not None:
            return queue
        kinds = {each.kind for each in self._environments(queue)}
        return replace(queue, fargate=any(kind.startswith("FARGATE") for kind in kinds))

    def _wrong(self, option: str, name: str, problem: str) -> ConfigurationError:
        return ConfigurationError(
            option, problem, value=name, remedy="Name an enabled Batch job queue of this account."
        )

    def _read_limits(self, name: str) -> Limits:
        environments = self._environments(self.queue(name))
        types = {kind for one in environments for kind in one.instance_types}
        return limits_of(environments, self._sizes(types))

    def _describe_queues(self, names: list[str]) -> dict[str, JobQueue] | None:
        def request() -> list[Any]:
            with aws_errors("DescribeJobQueues", ", ".join(names)):
                return list(self._clients.batch.describe_job_queues(jobQueues=names)["jobQueues"])

        try:
            answer = self._retry.call(request)
        except AwsError as exc:
            _log.warning("job queues are taken for ones on EC2: %s", exc)
            return None
        by_name = {each[key]: each for each in answer for key in ("jobQueueName", "jobQueueArn")}
        return {name: _job_queue(name, by_name[name]) for name in names if name in by_name}

    def _environments(self, queue: JobQueue) -> tuple[ComputeEnvironment, ...]:
        if not queue.environments:
            return ()

        def request() -> list[Any]:
            with aws_errors("DescribeComputeEnvironments", queue.name):
                return list(
                    self._clients.batch.describe_compute_environments(
                        computeEnvironments=list(queue.environments)
                    )["computeEnvironments"]
                )

        try:
            return tuple(_environment(each) for each in self._retry.call(request))
        except AwsError as exc:
            _log.info("the limits of job queue %s are not known: %s", queue.name, exc)
            return ()

    def _sizes(self, kinds: set[str]) -> dict[str, InstanceSize]:
        """Give the sizes of instance types and families."""
        wanted = sorted(kind if "." in kind else f"{kind}.*" for kind in kinds)
        if not wanted or any(kind == "optimal" or kind.startswith("default") for kind in kinds):
            return {}
        try:
            return self._retry.call(functools.partial(self._describe_types, wanted))
        except AwsError as exc:
            _log.info("the sizes of instance types are not known: %s", exc)
            return {}

    def _describe_types(self, wanted: list[str]) -> dict[str, InstanceSize]:
        with aws_errors("DescribeInstanceTypes", ", ".join(wanted)):
            pages = self._clients.ec2.get_paginator("describe_instance_types").paginate(
                Filters=[{"Name": "instance-type", "Values": wanted}]
            )
            return {
                str(each["InstanceType"]): _instance_size(each)
                for page in pages
                for each in page["InstanceTypes"]
            }


def _instance_size(answer: Mapping[str, Any]) -> InstanceSize:
    return InstanceSize(
        vcpus=answer["VCpuInfo"]["DefaultVCpus"],
        memory_bytes=answer["MemoryInfo"]["SizeInMiB"] * 2**20,
        gpus=sum(each["Count"] for each in answer.get("GpuInfo", {}).get("Gpus", [])),
    )


def _job_queue(name: str, answer: Mapping[str, Any]) -> JobQueue:
    order = sorted(answer.get("computeEnvironmentOrder", []), key=lambda each: int(each["order"]))
    return JobQueue(
        name=name,
        fargate=kind == "ECS_FARGATE" if (kind := answer.get("jobQueueType")) else None,
        enabled=answer.get("state", "ENABLED") == "ENABLED",
        environments=tuple(str(each["computeEnvironment"]) for each in order),
    )


def _environment(answer: Mapping[str, Any]) -> ComputeEnvironment:
    resources = answer.get("computeResources", {})
    return ComputeEnvironment(
        name=answer["computeEnvironmentName"],
        kind=resources.get("type", "EC2"),
        enabled=answer.get("state", "ENABLED") == "ENABLED",
        valid=answer.get("status", "VALID") != "INVALID",
        status_reason=answer.get("statusReason", ""),
        max_vcpus=resources.get("maxvCpus", answer.get("unmanagedvCpus", MAX_VCPUS)),
        desired_vcpus=resources.get("desiredvCpus", 0),
        instance_types=tuple(resources.get("instanceTypes", ())),
    )
