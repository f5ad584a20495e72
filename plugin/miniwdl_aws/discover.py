"""What AWS is asked before a submission: queues and their tags, the access point, buckets."""

import difflib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.contradictions import refuse_contradictions
from miniwdl_aws.errors import (
    AwsAccessDeniedError,
    AwsError,
    AwsNotFoundError,
    ConfigurationError,
)
from miniwdl_aws.settings import (
    Layer,
    SubmitSettings,
    default_layer,
    merge,
    needed,
    require,
    settle,
    tags_layer,
)
from miniwdl_aws.studio import Studio, studio_layer
from miniwdl_aws.variables import travelling_environment

_log = logging.getLogger(__name__)

FS_VARIABLE = "MINIWDL__AWS__FS"

_QUEUES = ("workflow_queue", "task_queue", "task_queue_fallback")


def discover(
    clients: AwsClients,
    layers: Iterable[Layer],
    environ: Mapping[str, str],
    *,
    studio: Studio | None = None,
) -> SubmitSettings:
    """Merge settings with what the workflow queue's tags say, and check what they name.

    Args:
        clients: where to ask.
        layers: what arguments, environment and connection say, in that order.
        environ: the submitter's environment, of which ``MINIWDL__*`` passes into the job.
        studio: the SageMaker Studio that this is, which comes before the defaults.

    Raises:
        ConfigurationError: a setting is missing, wrong, or names what does not exist.
        AwsError: AWS could not be asked.
    """
    given, last = merge(layers), [studio_layer(clients, studio), default_layer()]
    queue = require(merge([given, *last]), "workflow_queue")
    described = _describe_queues(clients, [queue], given)[queue]
    merged = merge([given, tags_layer(described.get("tags", {}), queue), *last])
    _refuse_other_platform(described, merged)
    for name in needed(merged):
        require(merged, name)
    others = {merged[name].value for name in _QUEUES[1:] if name in merged} - {queue}
    _describe_queues(clients, sorted(others), merged)
    travels = travelling_environment(environ) if merged["pass_environment"].value else {}
    fs = _file_system(clients, merged, environ) if merged["efs"].value else None
    settings = settle(merged, fs=fs, environment=travels)
    refuse_contradictions(settings)
    for name in ("s3upload", "exchange"):
        _refuse_missing_bucket(clients, merged, name)
    return settings


def _refuse_other_platform(queue: Mapping[str, Any], merged: Layer) -> None:
    """Refuse a workflow queue on whose hosts the workflow job could never run."""
    kind = queue.get("jobQueueType", "")
    wanted = "ECS_FARGATE" if merged["efs"].value else "ECS"
    if kind in ("", wanted):
        return
    problem = (
        "is no queue for Fargate, where workflow jobs run"
        if merged["efs"].value
        else "is no queue for EC2, whose hosts mount the shared file system (there is no EFS by "
        f"{merged['efs'].source})"
    )
    raise _queue_error(
        merged["workflow_queue"].value,
        merged,
        f"{problem}: its type is {kind}",
        f"Name a job queue of type {wanted}.",
    )


def _describe_queues(
    clients: AwsClients, queues: list[str], merged: Layer
) -> dict[str, Mapping[str, Any]]:
    if not queues:
        return {}
    with aws_errors("DescribeJobQueues", ", ".join(queues)):
        answer = clients.batch.describe_job_queues(jobQueues=queues)
    found: dict[str, Mapping[str, Any]] = {}
    for queue in answer["jobQueues"]:
        found[queue["jobQueueName"]] = found[queue["jobQueueArn"]] = queue
    for name in queues:
        if name not in found:
            raise _unknown_queue(clients, name, merged)
        if found[name]["state"] != "ENABLED":
            raise _queue_error(name, merged, "is disabled", "Enable the job queue in AWS Batch.")
    return found


def _unknown_queue(clients: AwsClients, name: str, merged: Layer) -> ConfigurationError:
    try:
        with aws_errors("DescribeJobQueues"):
            answer = clients.batch.describe_job_queues(maxResults=100)
        names = sorted(queue["jobQueueName"] for queue in answer["jobQueues"])
    except AwsError:
        names = []
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Job queues there: {', '.join(names)}."
    return _queue_error(name, merged, f"does not exist in {clients.region}", hint if names else "")


def _queue_error(name: str, merged: Layer, problem: str, remedy: str) -> ConfigurationError:
    field = next(
        (each for each in _QUEUES if each in merged and merged[each].value == name), _QUEUES[0]
    )
    source = merged[field].source if field in merged else ""
    return ConfigurationError(field, problem, value=name, source=source, remedy=remedy)


def _file_system(clients: AwsClients, merged: Layer, environ: Mapping[str, str]) -> str:
    fsap = merged["fsap"]
    try:
        with aws_errors("DescribeAccessPoints", fsap.value):
            answer = clients.efs.describe_access_points(AccessPointId=fsap.value)
    except AwsNotFoundError as exc:
        raise ConfigurationError(
            "fsap",
            f"does not exist in {clients.region}",
            value=fsap.value,
            source=fsap.source,
            remedy="Name an EFS access point of this account and region.",
        ) from exc
    found = str(answer["AccessPoints"][0]["FileSystemId"])
    named = environ.get(FS_VARIABLE, "").strip()
    if named.startswith("fs-") and named != found:
        raise ConfigurationError(
            "fs",
            f"is not {found}, the file system of the access point {fsap.value} ({fsap.source})",
            value=named,
            source=f"environment variable {FS_VARIABLE}",
            remedy="Correct one of them, or leave out the variable.",
        )
    return found


def _refuse_missing_bucket(clients: AwsClients, merged: Layer, name: str) -> None:
    if name not in merged:
        return
    bucket = merged[name].value.removeprefix("s3://").split("/", 1)[0]
    try:
        with aws_errors("HeadBucket", bucket):
            clients.s3.head_bucket(Bucket=bucket)
    except AwsNotFoundError as exc:
        raise ConfigurationError(
            name,
            f"names the bucket {bucket}, which does not exist",
            value=merged[name].value,
            source=merged[name].source,
            remedy="Create it, or correct the name.",
        ) from exc
    except AwsAccessDeniedError:
        # The submitter needs no access to it: the workflow job's role does, and checks it first.
        _log.info("bucket %s cannot be checked with these credentials", bucket)
