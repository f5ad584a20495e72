"""The sizes that Fargate has (AWS Batch user guide, "Fargate resource requirements")."""

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
}
"""Memory sizes in MiB that go with each number of vCPUs."""


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
