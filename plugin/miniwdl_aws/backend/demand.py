"""What a task asks of AWS Batch: its runtime attributes, the policy for it and the settings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from miniwdl_aws.backend.policies import TaskPolicy
from miniwdl_aws.backend.retries import Budgets, Escalation
from miniwdl_aws.backend.runtime import DEFAULT_IMAGE
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.fargate import smallest_fit

MIN_MEMORY_MIB = 991
"""Given to tasks that ask for less: 1 GiB less what the agent of Amazon ECS may take."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a task asks for, whatever the attempt.

    Attributes:
        image: the container image.
        vcpus: CPUs.
        memory_bytes: memory of the first attempt.
        gpus: GPUs.
        privileged: whether its container is privileged.
        storage_gib: ephemeral storage, on Fargate; 0 for what there is anyway.
        shared_memory_mib: size of ``/dev/shm``, on EC2; 0 for what there is anyway.
        architecture: of the CPUs, on Fargate; empty for X86_64.
        timeout_seconds: time-out of an attempt.
        queue: job queue.
        fallback_queue: job queue once interruptions are used up; empty for none.
        budgets: how often it is tried again.
        escalation: how its memory grows.
        job_role: role of the command.
        execution_role: role that starts the container.
        container_properties: further container properties.
        tags: tags, with placeholders.
    """

    image: str = DEFAULT_IMAGE
    vcpus: int = 1
    memory_bytes: int = 2**30
    gpus: int = 0
    privileged: bool = False
    storage_gib: int = 0
    shared_memory_mib: int = 0
    architecture: str = ""
    timeout_seconds: int = 86_400
    queue: str = ""
    fallback_queue: str = ""
    budgets: Budgets = field(default_factory=Budgets)
    escalation: Escalation = field(default_factory=Escalation)
    job_role: str = ""
    execution_role: str = ""
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that it may run on, the first one first."""
        return (self.queue, self.fallback_queue) if self.fallback_queue else (self.queue,)

    def capped(self, most_bytes: int) -> "Demand":
        """Let its memory grow no further than this."""
        if most_bytes >= self.escalation.cap_bytes:
            return self
        escalation = replace(self.escalation, cap_bytes=most_bytes)
        steps = escalation.steps(self.memory_bytes)
        return replace(self, escalation=escalation, budgets=replace(self.budgets, memory=steps))


def demand(values: Mapping[str, Any], settings: BackendSettings, policy: TaskPolicy) -> Demand:
    """Merge what is known of a task: the policy goes before its attributes, these before settings.

    Args:
        values: ``TaskContainer.runtime_values``.
        settings: the backend's settings.
        policy: the rules that match the task.
    """
    memory_bytes = policy.memory(values["memory_reservation"])
    escalation = _escalation(settings, policy)
    queue, fallback = _queues(settings, policy)
    return Demand(
        image=values.get("docker", DEFAULT_IMAGE),
        vcpus=policy.cpu(values["cpu"]),
        memory_bytes=memory_bytes,
        gpus=_gpus(values, settings, policy),
        privileged=values.get("privileged", False),
        storage_gib=_first(policy.storage_gib, values.get("disks", 0)),
        shared_memory_mib=math.ceil(
            _first(
                policy.shared_memory_bytes,
                values.get("shared_memory") or settings.shared_memory_bytes,
            )
            / 2**20
        ),
        architecture=policy.architecture or "",
        timeout_seconds=policy.timeout(settings.job_timeout_seconds),
        queue=queue,
        fallback_queue=fallback,
        budgets=Budgets(
            preemptible=_first(policy.preemptible, values.get("preemptible", 0)),
            infrastructure=_first(policy.infrastructure_retries, settings.infrastructure_retries),
            memory=escalation.steps(memory_bytes),
            fallback=1 if fallback else 0,
        ),
        escalation=escalation,
        job_role=policy.job_role or settings.job_role,
        execution_role=policy.execution_role or settings.execution_role,
        container_properties={**settings.container_properties, **policy.container_properties},
        tags={**settings.job_tags, **policy.tags},
    )


def _first(given: Any, otherwise: Any) -> Any:
    return otherwise if given is None else given


def _queues(settings: BackendSettings, policy: TaskPolicy) -> tuple[str, str]:
    """Choose the queues; the fallback of all tasks is none for a task with a queue of its own."""
    if policy.queue is None:
        return settings.task_queue, _first(policy.fallback_queue, settings.task_queue_fallback)
    return policy.queue, policy.fallback_queue or ""


def _escalation(settings: BackendSettings, policy: TaskPolicy) -> Escalation:
    return Escalation(
        factor=_first(policy.oom_memory_factor, settings.escalation.factor),
        cap_bytes=_first(policy.oom_memory_cap_bytes, settings.escalation.cap_bytes),
    )


def _gpus(values: Mapping[str, Any], settings: BackendSettings, policy: TaskPolicy) -> int:
    if policy.gpus is not None:
        return policy.gpus
    if not values.get("gpu", False):
        return 0
    return int(values.get("acceleratorCount", settings.gpu_count))


@dataclass(frozen=True, kw_only=True)
class Size:
    """CPUs and memory of a job.

    Attributes:
        vcpus: CPUs, as Batch takes them.
        memory_mib: memory; the container is killed above it.
    """

    vcpus: float
    memory_mib: int


def size_on(vcpus: int, memory_bytes: int, *, fargate: bool, delta_mib: int) -> Size:
    """Give the size of a job for what a task asks for.

    Args:
        vcpus: CPUs asked for.
        memory_bytes: memory asked for.
        fargate: whether it runs on Fargate, which has fixed sizes.
        delta_mib: added to the memory on EC2, so that whole tasks fit beside the agent of ECS.

    Raises:
        InvalidInputError: Fargate has nothing so large.

    >>> size_on(1, 4 * 2**30, fargate=False, delta_mib=-33)
    Size(vcpus=1, memory_mib=4063)
    """
    mib = math.ceil(memory_bytes / 2**20)
    if not fargate:
        return Size(vcpus=vcpus, memory_mib=max(mib + delta_mib, MIN_MEMORY_MIB))
    found = smallest_fit(vcpus, mib)
    if found is None:
        raise InvalidInputError(
            f"{vcpus} CPUs and {mib} MiB of memory are more than Fargate has; lower runtime.cpu or "
            "runtime.memory, or give the task a queue on EC2 by [aws] task_policies"
        )
    return Size(vcpus=found[0], memory_mib=found[1])
