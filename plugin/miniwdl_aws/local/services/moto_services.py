"""The services that moto simulates: its WSGI application, and its state where we need it."""

import contextlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miniwdl_aws.environment import without
from miniwdl_aws.local.errors import LocalAwsError, nearest
from miniwdl_aws.local.services import moto_locks
from miniwdl_aws.local.settings import ACCOUNT_ID, BUCKET, LOG_GROUP, ROLE

# moto makes boto3 sessions as it is imported, and one that it keeps as it first needs it; a profile
# that does not exist here ends them.
with without("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
    from moto.core.base_backend import AccountSpecificBackend
    from moto.core.exceptions import JsonRESTError
    from moto.efs.models import efs_backends
    from moto.iam.models import iam_backends
    from moto.logs.models import LogsBackend, logs_backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3.models import s3_backends

    AccountSpecificBackend.get_session().get_available_regions("s3")


class VolumeError(Exception):
    """A file system that a job wants to mount cannot be had; the message says why."""


def check_region(region: str) -> None:
    """Refuse a region that moto does not have.

    Raises:
        LocalAwsError: it has none of that name.
    """
    known = efs_backends[ACCOUNT_ID]
    if region not in known:
        raise LocalAwsError(
            f"region {region!r} (--region, region) is no region of AWS that is known here"
            f"{nearest(region, known.regions)}"
        )


def application() -> Any:
    """Return moto's WSGI application, which tells the services apart by their signatures."""
    return DomainDispatcherApplication(create_backend_app)


class FileSystems:
    """Finds the directories that stand for EFS file systems and access points.

    Args:
        region: where the file systems are.
        directory: holds a directory for each file system, named by its id.
    """

    def __init__(self, region: str, directory: Path) -> None:
        self._backend = efs_backends[ACCOUNT_ID][region]
        self._directory = directory
        self._given: dict[str, Path] = {}

    def create(self, directory: Path, access_point_path: str) -> tuple[str, str]:
        """Make a file system that is ``directory``, with one access point.

        Returns:
            The ids of the file system and of the access point.
        """
        token = uuid.uuid4().hex
        system = self._backend.create_file_system(
            creation_token=token,
            performance_mode="generalPurpose",
            encrypted=True,
            kms_key_id="",
            throughput_mode="elastic",
            provisioned_throughput_in_mibps=0,
            availability_zone_name="",
            backup=False,
            tags=[{"Key": "Name", "Value": "miniwdl-local"}],
        )
        point = self._backend.create_access_point(
            client_token=token,
            tags=[{"Key": "Name", "Value": "miniwdl-local"}],
            file_system_id=system.file_system_id,
            posix_user={"Uid": 0, "Gid": 0},
            root_directory={"Path": access_point_path},
        )
        self._given[system.file_system_id] = directory
        return system.file_system_id, point.access_point_id

    def delete(self, file_system_id: str, access_point_id: str) -> None:
        """Remove what ``create`` made, except the directory."""
        self._backend.delete_access_point(access_point_id)
        self._backend.file_systems_by_id.pop(file_system_id, None)
        self._given.pop(file_system_id, None)

    def resolve(self, configuration: Mapping[str, Any]) -> Path:
        """Return the directory that an ``efsVolumeConfiguration`` names.

        An access point's root directory is made, as EFS makes it; any other must exist.

        Raises:
            VolumeError: there is no such file system, access point or directory.
        """
        file_system_id = str(configuration["fileSystemId"])
        if file_system_id not in self._backend.file_systems_by_id:
            raise VolumeError(f"file system {file_system_id} does not exist")
        base = self._given.get(file_system_id, self._directory / file_system_id)
        point_id = configuration.get("authorizationConfig", {}).get("accessPointId")
        if point_id is None:
            root = base / str(configuration.get("rootDirectory", "/")).lstrip("/")
            base.mkdir(parents=True, exist_ok=True)
            if not root.is_dir():
                raise VolumeError(
                    f"root directory {configuration['rootDirectory']} does not exist in "
                    f"{file_system_id}"
                )
            return root
        point = self._backend.access_points.get(point_id)
        if point is None or point.file_system_id != file_system_id:
            raise VolumeError(f"access point {point_id} does not exist in {file_system_id}")
        root = base / str(point.root_directory.get("Path", "/")).lstrip("/")
        root.mkdir(parents=True, exist_ok=True)
        return root


class LogStore:
    """Writes log streams into moto's CloudWatch Logs.

    Args:
        region: where the log group is.
        group: the log group's name; it is made if it does not exist.
    """

    def __init__(self, region: str, group: str = LOG_GROUP) -> None:
        self._backend: LogsBackend = logs_backends[ACCOUNT_ID][region]
        self._group = group
        with moto_locks.LOGS:
            self._ensure_group()

    def _ensure_group(self) -> None:
        if self._group not in self._backend.groups:
            self._backend.create_log_group(self._group, {})

    def create_stream(self, stream: str) -> None:
        """Make a log stream."""
        with moto_locks.LOGS:
            self._ensure_group()
            self._backend.ensure_log_stream(self._group, stream)

    def put(self, stream: str, events: list[dict[str, Any]]) -> None:
        """Append events, each with ``timestamp`` and ``message``, to a log stream.

        Events for a stream that somebody deleted are dropped, as CloudWatch Logs' agent does.
        """
        with moto_locks.LOGS, contextlib.suppress(JsonRESTError):
            self._backend.put_log_events(self._group, stream, events)


def ensure_bucket(region: str, name: str = BUCKET) -> None:
    """Make the bucket unless it exists."""
    backend = s3_backends[ACCOUNT_ID]["aws"]
    with moto_locks.STARTS:
        if name not in backend.buckets:
            backend.create_bucket(name, region)


def ensure_role(name: str = ROLE) -> str:
    """Make the role that jobs run under unless it exists; return its ARN."""
    backend = iam_backends[ACCOUNT_ID]["aws"]
    with moto_locks.STARTS:
        known = {role.name: role for role in list(backend.roles.values())}
        return str((known.get(name) or _make_role(backend, name)).arn)


def _make_role(backend: Any, name: str) -> Any:
    return backend.create_role(
        role_name=name,
        assume_role_policy_document=(
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
            '"Principal":{"Service":"ecs-tasks.amazonaws.com"}}]}'
        ),
        path="/",
        permissions_boundary=None,
        description="Runs workflow and task jobs",
        tags=[],
        max_session_duration="3600",
    )
