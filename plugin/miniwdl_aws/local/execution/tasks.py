"""What every job is given, and the process that it becomes."""

import contextlib
import os
import pwd
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.linux import MS_NODEV, MS_NOEXEC, MS_NOSUID
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.execution import tmpfs
from miniwdl_aws.local.execution.launchers import Mount, ProcessSpec, Tmpfs
from miniwdl_aws.local.execution.secret_values import SecretStore
from miniwdl_aws.local.execution.spawner import StartError
from miniwdl_aws.local.services.moto_services import FileSystems, VolumeError

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - in the job's own namespace


def search_path(program_dirs: Sequence[Path] = ()) -> str:
    """Return where jobs look for programs.

    Args:
        program_dirs: the directories that stand for the image's; the Python environment's if empty.
    """
    own = program_dirs or (Path(sys.executable).parent,)
    return ":".join([*(str(each.absolute()) for each in own), _SYSTEM_PATH])


@dataclass(frozen=True)
class Provisions:
    """What jobs are given, whatever runs them.

    Args:
        file_systems: finds the directories behind EFS volumes.
        secrets: finds the values behind secrets.
        environment: what every job gets besides its own variables, as the job role's credentials
            and the region on AWS.
    """

    file_systems: FileSystems
    secrets: SecretStore
    environment: Mapping[str, str]

    def variables(self, job: Job) -> dict[str, str]:
        """Return the environment variables that Batch sets for the attempt under way.

        Raises:
            StartError: a secret cannot be had.
        """
        own = {entry["name"]: entry.get("value", "") for entry in job.container["environment"]}
        compute = job.environment.name if job.environment else ""
        return {
            **self.environment,
            **own,
            **self.secrets.values(job.container["secrets"]),
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JQ_NAME": job.queue.name,
            "AWS_BATCH_CE_NAME": compute,
            "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
            **own_variables(job),
        }

    def mounts(self, container: Mapping[str, Any], scratch: Path) -> tuple[Mount, ...]:
        """Return what a job sees where; volumes without a source are directories of ``scratch``.

        Raises:
            StartError: a file system or a directory cannot be had.
        """
        volumes = {volume["name"]: volume for volume in container["volumes"]}
        return tuple(
            Mount(
                source=str(self._source(volumes[point["sourceVolume"]], scratch)),
                target=point["containerPath"],
                read_only=bool(point.get("readOnly")),
            )
            for point in container["mountPoints"]
        )

    def _source(self, volume: Mapping[str, Any], scratch: Path) -> Path:
        if "efsVolumeConfiguration" in volume:
            try:
                return self.file_systems.resolve(volume["efsVolumeConfiguration"])
            except VolumeError as error:
                raise StartError("mount", str(error)) from error
        given = volume.get("host", {}).get("sourcePath")
        source = Path(given) if given else scratch / f"volume-{volume['name']}"
        if not given:
            source.mkdir(exist_ok=True)
        if not source.exists():
            raise StartError("mount", f"host path {source} does not exist")
        return source


@dataclass(frozen=True)
class ProcessBuilder:
    """Makes the process of a job's attempt from the job.

    Args:
        provisions: what every job is given.
        path: where jobs look for programs.
    """

    provisions: Provisions
    path: str

    def build(self, job: Job, task_id: str, scratch: Path) -> ProcessSpec:
        """Make the process of the attempt ``task_id``.

        Raises:
            StartError: a file system or a secret cannot be had, or there is no such user.
        """
        container = job.container
        linux = container.get("linuxParameters", {})
        mounts = self.provisions.mounts(container, scratch)
        user = _user(container.get("user"))
        if user is not None:
            _give(scratch, user)
        return ProcessSpec(
            task_id=task_id,
            argv=list(container["command"]),
            env={**self._defaults(scratch), **self.provisions.variables(job)},
            cwd=str(scratch),
            mounts=mounts,
            tmpfs=memory_file_systems(linux),
            read_only_root=bool(container.get("readonlyRootFilesystem")),
            ulimits=tuple(container.get("ulimits", [])),
            user=user,
            init=bool(linux.get("initProcessEnabled")),
        )

    def _defaults(self, scratch: Path) -> dict[str, str]:
        """Return what an image would set."""
        return {
            "PATH": self.path,
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
        }


def memory_file_systems(linux: Mapping[str, Any]) -> tuple[Tmpfs, ...]:
    """Return the memory file systems that ``linuxParameters`` ask for."""
    found = [
        Tmpfs(
            target=entry["containerPath"],
            flags=tmpfs.mount_flags(entry.get("mountOptions", [])),
            data=tmpfs.mount_data(entry),
        )
        for entry in linux.get("tmpfs", [])
    ]
    if size := linux.get("sharedMemorySize"):
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        found.append(Tmpfs(target=_SHARED_MEMORY, flags=flags, data=f"size={size}m,mode=1777"))
    return tuple(found)


def own_variables(job: Job) -> dict[str, str]:
    """Return the variables that only the children of arrays and jobs with GPUs have."""
    variables = {}
    if job.parent and job.parent.children:
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
        variables["AWS_BATCH_JOB_ARRAY_SIZE"] = str(len(job.parent.children.jobs))
    if job.needs.gpus:
        variables["NVIDIA_VISIBLE_DEVICES"] = ",".join(map(str, range(job.needs.gpus)))
    return variables


def _user(user: str | None) -> tuple[int, int] | None:
    if not user:
        return None
    name, _, group = user.partition(":")
    if re.fullmatch(r"\d+(:\d+)?", user):
        return int(name), int(group or 0)
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise StartError(
            "user", f"unable to find user {name}: no matching entries in passwd file"
        ) from error
    return entry.pw_uid, int(group) if group.isdigit() else entry.pw_gid


def _give(scratch: Path, user: tuple[int, int]) -> None:
    """Make a job's user the owner of its working directory and of its empty volumes."""
    with contextlib.suppress(PermissionError):  # only root may; the start then says so
        for directory in (scratch, *scratch.iterdir()):
            os.chown(directory, *user)
