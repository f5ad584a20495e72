"""From container properties to the request that makes a container, through Docker's API."""

import resource
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.execution import tmpfs
from miniwdl_aws.local.execution.launchers import Mount, TaskSpec
from miniwdl_aws.local.execution.tasks import Provisions

JOB_LABEL = "miniwdl-aws-local.job"
STATE_LABEL = "miniwdl-aws-local.state"

_MIB = 1024 * 1024
_SHARES_OF_A_VCPU = 1024
_PERIOD_MICROSECONDS = 100_000
_PERMISSIONS = {"READ": "r", "WRITE": "w", "MKNOD": "m"}

_DEFAULT_LIMITS = {"nofile": (1024, 4096), "nproc": (1024, 4096)}
"""Soft and hard. Podman otherwise asks for as many as the kernel knows, which it may not have
everywhere; for ``nofile`` they are those of containers on an Amazon ECS-optimized AMI."""


@dataclass(frozen=True, kw_only=True)
class ContainerSpec(TaskSpec):
    """All that is needed to start a job's container.

    Attributes:
        image: its image.
        name: its name, for people.
        request: the body of Docker's "Create a container".
    """

    image: str
    name: str
    request: Mapping[str, Any] = field(repr=False)  # it holds the values of secrets


def default_ulimits() -> list[dict[str, Any]]:
    """Return the resource limits of a container that Podman may set as this process."""
    kinds = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    result = []
    for name, (soft, hard) in _DEFAULT_LIMITS.items():
        own = resource.getrlimit(kinds[name])[1]
        most = hard if own == resource.RLIM_INFINITY else min(hard, own)
        result.append({"Name": name, "Soft": min(soft, most), "Hard": most})
    return result


def ulimits(
    defaults: Sequence[Mapping[str, Any]], given: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return a container's resource limits: those given, and the defaults of other names."""
    merged = {entry["Name"]: dict(entry) for entry in defaults}
    for entry in given:
        name = entry["name"]
        merged[name] = {"Name": name, "Soft": entry["softLimit"], "Hard": entry["hardLimit"]}
    return list(merged.values())


def bind(mount: Mount) -> dict[str, Any]:
    """Return a mount of a directory of this machine."""
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }


def memory(memory_mib: int, linux: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a container's memory and swap.

    Without ``maxSwap`` there is no swap, since Amazon ECS-optimized AMIs have none (AWS Batch user
    guide, "Job definition parameters", "maxSwap"); ``swappiness`` counts with it alone.
    """
    members = {
        "Memory": memory_mib * _MIB,
        "MemorySwap": (memory_mib + linux.get("maxSwap", 0)) * _MIB,
    }
    if linux.get("maxSwap") and "swappiness" in linux:
        members["MemorySwappiness"] = linux["swappiness"]
    return members


def cpu(vcpus: float, *, fargate: bool) -> dict[str, Any]:
    """Return a container's share of the processors.

    On EC2 it may take what nobody else uses; a Fargate task has its vCPUs and no more.
    """
    if fargate:
        quota = int(vcpus * _PERIOD_MICROSECONDS)
        return {"CpuPeriod": _PERIOD_MICROSECONDS, "CpuQuota": quota}
    return {"CpuShares": int(vcpus * _SHARES_OF_A_VCPU)}


def linux_members(linux: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``linuxParameters`` mean, except for swap."""
    members: dict[str, Any] = {"Init": bool(linux.get("initProcessEnabled"))}
    if size := linux.get("sharedMemorySize"):
        members["ShmSize"] = size * _MIB
    if entries := linux.get("tmpfs"):
        members["Tmpfs"] = {
            entry["containerPath"]: tmpfs.docker_options(entry) for entry in entries
        }
    if devices := linux.get("devices"):
        members["Devices"] = [_device(entry) for entry in devices]
    return members


def _device(device: Mapping[str, Any]) -> dict[str, str]:
    permissions = device.get("permissions") or list(_PERMISSIONS)
    return {
        "PathOnHost": device["hostPath"],
        "PathInContainer": device.get("containerPath") or device["hostPath"],
        "CgroupPermissions": "".join(_PERMISSIONS[each] for each in permissions),
    }


@dataclass(frozen=True, kw_only=True)
class ContainerBuilder:
    """Makes the container of a job's attempt from the job.

    Args:
        provisions: what every job is given.
        network: ``host`` or ``bridge``.
        state: the state directory, which labels all containers of this local AWS.
        ulimits: resource limits of jobs that set none of these names, as Docker's API has them.
    """

    provisions: Provisions
    network: str
    state: Path
    ulimits: Sequence[Mapping[str, Any]] = ()

    def build(self, job: Job, task_id: str, scratch: Path) -> ContainerSpec:
        """Make the container of the attempt ``task_id``.

        Raises:
            StartError: a file system or a secret cannot be had.
        """
        mounts = self.provisions.mounts(job.container, scratch)
        for directory in scratch.iterdir():
            directory.chmod(0o777)  # an empty volume is for whatever user the image has
        variables = self.provisions.variables(job)
        return ContainerSpec(
            task_id=task_id,
            image=job.container["image"],
            name=f"miniwdl-aws-local-{task_id}",
            request=self._request(job, variables, mounts),
        )

    def _request(
        self, job: Job, variables: Mapping[str, str], mounts: Sequence[Mount]
    ) -> dict[str, Any]:
        optional = {"Cmd": job.container["command"], "User": job.container.get("user")}
        return {
            "Image": job.container["image"],
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "AttachStdout": True,
            "AttachStderr": True,
            "Labels": {JOB_LABEL: job.job_id, STATE_LABEL: str(self.state)},
            "HostConfig": self._host(job, mounts),
            **{name: value for name, value in optional.items() if value},
        }

    def _host(self, job: Job, mounts: Sequence[Mount]) -> dict[str, Any]:
        container, fargate = job.container, job.queue.fargate
        linux = container.get("linuxParameters", {})
        return {
            "NetworkMode": self.network,
            "Mounts": [bind(mount) for mount in mounts],
            "Privileged": bool(container.get("privileged")),
            "ReadonlyRootfs": bool(container.get("readonlyRootFilesystem")),
            "Ulimits": ulimits(self.ulimits, container.get("ulimits", [])),
            "LogConfig": {"Type": "none", "Config": {}},  # the output is read as it comes
            "SecurityOpt": ["label=disable"],  # SELinux would keep the shared directories from jobs
            **cpu(job.needs.vcpus, fargate=fargate),
            **memory(int(job.needs.memory_mib), linux),
            **linux_members(linux),
        }
