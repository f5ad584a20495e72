"""The sizes that Fargate has (Batch API, "ResourceRequirement" and "EphemeralStorage")."""

from collections.abc import Mapping

from miniwdl_aws.errors import ConfigurationError


def _steps(first: int, last: int, step: int = 1024) -> tuple[int, ...]:
    return tuple(range(first, last + 1, step))


MEMORY_MIB: Mapping[float, tuple[int, ...]] = {
    0.25: (512, 1024, 2048),
    0.5: _steps(1024, 4096),
    1.0: _steps(2048, 8192),
    2.0: _steps(4096, 16384),
    4.0: _steps(8192, 30720),
    8.0: _steps(16384, 61440, 4096),
    16.0: _steps(32768, 122880, 8192),
    32.0: (61440, 122880, 249856),
}
"""Memory sizes in MiB that go with each number of vCPUs."""

FREE_STORAGE_GIB = 20
"""Ephemeral storage that a task has without asking (Amazon ECS developer guide, "Fargate task
ephemeral storage")."""

MAX_STORAGE_GIB = 200


def smallest_fit(vcpus: float, memory_mib: int) -> tuple[float, int] | None:
    """Round a request up to the smallest size that Fargate has.

    Returns:
        vCPUs and memory in MiB; None if there is none so large.

    >>> smallest_fit(1, 9000)
    (2.0, 9216)
    """
    for cpu in sorted(MEMORY_MIB):
        sizes = [size for size in MEMORY_MIB[cpu] if size >= memory_mib]
        if cpu >= vcpus and sizes:
            return cpu, min(sizes)
    return None


def refuse_impossible_size(cpu: float, memory_gib: float) -> None:
    """Refuse a pair of vCPUs and memory that Fargate does not have.

    Raises:
        ConfigurationError: the message names the sizes that would do.
    """
    if cpu not in MEMORY_MIB:
        sizes = ", ".join(f"{size:g}" for size in MEMORY_MIB)
        raise ConfigurationError(
            "cpu",
            "is no number of vCPUs that Fargate has",
            value=cpu,
            remedy=f"Use one of {sizes}.",
        )
    memory_mib = memory_gib * 1024
    if memory_mib not in MEMORY_MIB[cpu]:
        nearest = min(MEMORY_MIB[cpu], key=lambda size: abs(size - memory_mib))
        low, high = MEMORY_MIB[cpu][0] / 1024, MEMORY_MIB[cpu][-1] / 1024
        raise ConfigurationError(
            "memory_gib",
            f"does not go with {cpu:g} vCPU on Fargate ({low:g} to {high:g} GiB)",
            value=memory_gib,
            remedy=f"The nearest size is {nearest / 1024:g}.",
        )
