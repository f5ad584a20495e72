"""What a job's process is given: its environment, its mounts and its user."""

import contextlib
import os
import pwd
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miniwdl_aws.local.jobs import Job
from miniwdl_aws.local.launchers import Mount, ProcessSpec
from miniwdl_aws.local.moto_services import FileSystems, VolumeError

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def search_path(program_dirs: Sequence[Path] = ()) -> str:
    """Return where jobs look for programs.

    Args:
        program_dirs: the directories that stand for the image's; the Python environment's if empty.
    """
    own = program_dirs or (Path(sys.executable).parent,)
    return ":".join([*(str(each.absolute()) for each in own), _SYSTEM_PATH])


class UserError(Exception):
    """A container's user does not exist; the message says which."""


@dataclass(frozen=True)
class TaskBuilder:
    """Makes the process of a job's attempt from the job.

    Args:
        file_systems: finds the directories behind EFS volumes.
        environment: what every job gets besides its own variables, as the job role's credentials
            and the region on AWS.
        path: where jobs look for programs.
    """

    file_systems: FileSystems
    environment: Mapping[str, str]
    path: str = field(default_factory=search_path)

    def build(self, job: Job, task_id: str, scratch: Path) -> ProcessSpec:
        """Make the process of the attempt ``task_id``.

        Raises:
            VolumeError: a file system cannot be had.
            UserError: the container's user does not exist.
        """
        container = job.container
        mounts = tuple(self._mounts(container, scratch))
        user = _user(container.get("user"))
        if user is not None:
            _give(scratch, user)
        return ProcessSpec(
            task_id=task_id,
            argv=list(container["command"]),
            env=self._environment(job, scratch),
            cwd=str(scratch),
            mounts=mounts,
            ulimits=tuple(container.get("ulimits", [])),
            user=user,
            init=bool(container.get("linuxParameters", {}).get("initProcessEnabled")),
        )

    def _environment(self, job: Job, scratch: Path) -> dict[str, str]:
        own = {entry["name"]: entry.get("value", "") for entry in job.container["environment"]}
        compute = job.environment.name if job.environment else ""
        return {
            "PATH": self.path,
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            **self.environment,
            **own,
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JQ_NAME": job.queue.name,
            "AWS_BATCH_CE_NAME": compute,
            "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
        }

    def _mounts(self, container: Mapping[str, Any], scratch: Path) -> list[Mount]:
        volumes = {volume["name"]: volume for volume in container["volumes"]}
        return [
            Mount(
                source=str(self._source(volumes[point["sourceVolume"]], scratch)),
                target=point["containerPath"],
                read_only=bool(point.get("readOnly")),
            )
            for point in container["mountPoints"]
        ]

    def _source(self, volume: Mapping[str, Any], scratch: Path) -> Path:
        if "efsVolumeConfiguration" in volume:
            return self.file_systems.resolve(volume["efsVolumeConfiguration"])
        given = volume.get("host", {}).get("sourcePath")
        source = Path(given) if given else scratch / f"volume-{volume['name']}"
        if not given:
            source.mkdir(exist_ok=True)
        if not source.is_dir():
            raise VolumeError(f"host path {source} is no directory")
        return source


def _user(user: str | None) -> tuple[int, int] | None:
    if not user:
        return None
    name, _, group = user.partition(":")
    if re.fullmatch(r"\d+(:\d+)?", user):
        return int(name), int(group or 0)
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise UserError(
            f"unable to find user {name}: no matching entries in passwd file"
        ) from error
    return entry.pw_uid, int(group) if group.isdigit() else entry.pw_gid


def _give(scratch: Path, user: tuple[int, int]) -> None:
    """Make a job's user the owner of its working directory and of its empty volumes."""
    with contextlib.suppress(PermissionError):  # only root may; the start then says so
        for directory in (scratch, *scratch.iterdir()):
            os.chown(directory, *user)
