"""Amounts of what jobs need and compute environments have, and EC2's instance types."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.utilities.utils import load_resource

from miniwdl_aws.local.errors import BatchError

_GIB = 1024


@dataclass(frozen=True)
class Resources:
    """An amount of vCPUs, memory and GPUs."""

    vcpus: float = 0.0
    memory_mib: float = 0.0
    gpus: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.vcpus + other.vcpus, self.memory_mib + other.memory_mib, self.gpus + other.gpus
        )

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(
            self.vcpus - other.vcpus, self.memory_mib - other.memory_mib, self.gpus - other.gpus
        )

    def within(self, other: "Resources") -> bool:
        """Tell whether no part of it is larger than that of another amount."""
        return (
            self.vcpus <= other.vcpus
            and self.memory_mib <= other.memory_mib
            and self.gpus <= other.gpus
        )


_X86 = (
    Resources(128, 512 * _GIB),  # m6i
    Resources(128, 256 * _GIB),  # c6i
    Resources(128, 1024 * _GIB),  # r6i
    Resources(192, 384 * _GIB),  # c7i
)
_ARM = (
    Resources(64, 256 * _GIB),  # m6g
    Resources(64, 128 * _GIB),  # c6g
    Resources(64, 512 * _GIB),  # r6g
    Resources(64, 128 * _GIB),  # c7g
)
BUNDLES = {"optimal": _X86, "default_x86_64": _X86, "default_arm64": _ARM}
"""The largest instances of the families that a bundle stands for (Batch API, "ComputeResource",
instanceTypes); every other name is looked up in moto's table, which takes a while to read."""


@cache
def _table() -> dict[str, Resources]:
    return {name: _size(entry) for name, entry in load_resource(_TABLE).items()}


_TABLE = "ec2/resources/instance_types.json"


def _size(entry: dict[str, Any]) -> Resources:
    return Resources(
        entry["VCpuInfo"]["DefaultVCpus"],
        entry["MemoryInfo"]["SizeInMiB"],
        sum(gpu["Count"] for gpu in (entry.get("GpuInfo") or {}).get("Gpus", [])),
    )


def instance_sizes(names: Iterable[str]) -> tuple[Resources, ...]:
    """Return what the instances have that a list of ``instanceTypes`` allows.

    Args:
        names: instance types (``c5.xlarge``), families (``c5``) and bundles (``optimal``).

    Raises:
        BatchError: a name is none of them.
    """
    return tuple(size for name in names for size in _sizes(name))


@cache
def _sizes(name: str) -> tuple[Resources, ...]:
    sizes = BUNDLES.get(name) or tuple(
        size for kind, size in _table().items() if name in {kind, kind.partition(".")[0]}
    )
    if not sizes:
        raise BatchError(
            f"computeResources.instanceTypes: {name!r} is no instance type, family or bundle "
            "that the local AWS knows"
        )
    return sizes
