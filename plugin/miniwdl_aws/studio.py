"""SageMaker Studio: its home directory lies on EFS, where task jobs can see it, too."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsError
from miniwdl_aws.settings import Layer, Sourced

METADATA = Path("/opt/ml/metadata/resource-metadata.json")
"""What a Studio app is (Amazon SageMaker AI developer guide, "Get Studio metadata")."""

QUEUE_TAG = "MiniwdlStudioEfsId"
"""On a job queue: the file system of the Studio domain whose default it is."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Studio:
    """The SageMaker Studio that this program runs in.

    Attributes:
        domain: the domain's id.
        fs: the EFS file system of its home directories.
        uid: the user's number there; the home directory is ``/UID`` on the file system.
        home: where this machine mounts that home directory.
    """

    domain: str
    fs: str
    uid: str
    home: str


def detect_studio(
    clients: AwsClients, environ: Mapping[str, str], metadata: Path = METADATA
) -> Studio | None:
    """Find out whether this is SageMaker Studio, and where its home directory lies.

    Args:
        clients: where to ask.
        environ: the process's environment, of which ``HOME`` counts.
        metadata: the file that Studio puts into its apps.

    Returns:
        None elsewhere, and with a warning if SageMaker cannot be asked.
    """
    try:
        content = json.loads(metadata.read_text())
        domain, profile = str(content["DomainId"]), str(content["UserProfileName"])
        home = environ["HOME"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        with aws_errors("DescribeDomain", domain):
            described = clients.sagemaker.describe_domain(DomainId=domain)
        with aws_errors("DescribeUserProfile", profile):
            user = clients.sagemaker.describe_user_profile(DomainId=domain, UserProfileName=profile)
    except AwsError as exc:
        _log.warning("this is SageMaker Studio, but its EFS cannot be told: %s", exc)
        return None
    return Studio(
        domain=domain,
        fs=str(described["HomeEfsFileSystemId"]),
        uid=str(user["HomeEfsFileSystemUid"]),
        home=home,
    )


def studio_layer(clients: AwsClients, studio: Studio | None) -> Layer:
    """Take what SageMaker Studio says: the access point of the home directory, and the queues.

    Raises:
        AwsError: AWS could not be asked.
    """
    if studio is None:
        return {}
    source = f"SageMaker Studio domain {studio.domain}"
    access_points = _access_points(clients, studio)
    found = {**_queues(clients, studio), **({"fsap": access_points[0]} if access_points else {})}
    return {name: Sourced(value, source) for name, value in found.items()}


def home_here(clients: AwsClients, studio: Studio | None, fsap: str | None) -> str:
    """Give the folder of this machine that jobs see as the root of an access point.

    Returns:
        Studio's home directory if the access point leads there; else an empty text.
    """
    if studio is None or fsap is None or fsap not in _access_points(clients, studio):
        return ""
    return studio.home


def _access_points(clients: AwsClients, studio: Studio) -> list[str]:
    found: list[Mapping[str, Any]] = []
    paginator = clients.efs.get_paginator("describe_access_points")
    with aws_errors("DescribeAccessPoints", studio.fs):
        for page in paginator.paginate(FileSystemId=studio.fs):
            found.extend(page["AccessPoints"])
    return [
        str(each["AccessPointId"])
        for each in found
        if each["LifeCycleState"] == "available"
        and each.get("RootDirectory", {}).get("Path") == f"/{studio.uid}"
        and str(each.get("PosixUser", {}).get("Uid")) == studio.uid
    ]


def _queues(clients: AwsClients, studio: Studio) -> dict[str, str]:
    """Find the queues with the tag: one on Fargate for workflow jobs, another for tasks."""
    paginator = clients.batch.get_paginator("describe_job_queues")
    tagged: list[Mapping[str, Any]] = []
    with aws_errors("DescribeJobQueues"):
        for page in paginator.paginate():
            tagged.extend(
                queue
                for queue in page["jobQueues"]
                if queue["state"] == "ENABLED" and queue.get("tags", {}).get(QUEUE_TAG) == studio.fs
            )
    workflow = [queue for queue in tagged if queue.get("jobQueueType") == "ECS_FARGATE"]
    tasks = [queue for queue in tagged if queue not in workflow] or tagged
    chosen = {"workflow_queue": _default(workflow), "task_queue": _default(tasks)}
    return {name: queue for name, queue in chosen.items() if queue}


def _default(queues: Sequence[Mapping[str, Any]]) -> str:
    names = sorted(str(queue["jobQueueName"]) for queue in queues)
    return next((name for name in names if name.startswith("default-")), names[0] if names else "")
