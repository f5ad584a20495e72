"""The exact requests of a submission, made from settings without asking anybody anything."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws import names
from miniwdl_aws.bundle import (
    BUNDLE_VARIABLE,
    ENVIRONMENT_FILE,
    Bundle,
    encode_inline,
    encode_object,
)
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.settings import SubmitSettings
from miniwdl_aws.tags import JOB_TAGS_VARIABLE, fill_call_tags, fill_tags, merged_tags

MAX_OVERRIDES_BYTES = 8192
"""Container overrides of a SubmitJob request (AWS Batch API, "ContainerOverrides")."""

PLATFORM_VERSION = "1.4.0"
"""The Fargate platform version that mounts EFS (AWS Batch user guide, "EFS volumes")."""

VOLUMES = {True: "efs", False: "file_io_root"}
"""Names of the volume with and without EFS."""

NO_EFS_BACKEND = "aws_batch_job_no_efs"
"""The container backend whose task jobs mount what their hosts have mounted."""

BEGIN_AGAIN = (
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onStatusReason": "Your Spot Task was interrupted*", "action": "RETRY"},
    {"onStatusReason": "Task failed to start*", "action": "RETRY"},
    {"onStatusReason": "Timeout waiting for*", "action": "RETRY"},
    {"onReason": "*", "action": "EXIT"},
)
"""After which ends of an attempt the workflow job begins again: its host was taken away or never
came up. At most five conditions, and a job that meets none is begun again (AWS Batch user guide,
"Automated job retries"; the words of the reasons: `miniwdl_aws.failures`)."""

RUN_KEY_VARIABLE = "MINIWDL_AWS_RUN_KEY"
"""In a job of ours: the run key, which the runner writes into the run directory's marker."""


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What a job on the workflow queue shall do.

    Attributes:
        name: a name for people, such as the WDL file's.
        command: the program and its arguments.
        run_key: what the job is for; jobs of one key are never run twice at a time.
        generation: which deliberate repetition of the run key this is.
        bundle: the files that travel with it.
        facts: what the placeholders of tags stand for: ``workflow``, ``sample``, ``owner``.
    """

    name: str
    command: tuple[str, ...]
    run_key: str
    generation: str = "1"
    bundle: Bundle | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One object to put on S3 before the job is submitted."""

    bucket: str
    key: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The requests of one submission.

    Attributes:
        run_key: the run key, as in the job's tags.
        generation: the generation, as in the job's tags.
        job_definition: the RegisterJobDefinition request; its name tells its content.
        job: the SubmitJob request.
        upload: the bundle's object, if it does not travel inline.
    """

    run_key: str
    generation: str
    job_definition: Mapping[str, Any]
    job: Mapping[str, Any]
    upload: Upload | None = None


def workflow_command(settings: SubmitSettings, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Give the command of a workflow job.

    Args:
        settings: the submission's settings.
        arguments: those of ``miniwdl run``: the WDL source, inputs, options.
    """
    command = ["miniwdl-run-s3upload", *arguments, "--dir", settings.dir]
    if settings.s3upload:
        command += ["--s3upload", settings.s3upload]
    if settings.delete_after:
        command += ["--delete-after", settings.delete_after]
    return tuple(command)


def published_by(plan: Plan) -> str | None:
    """Give where the job of a plan publishes its run; None if it does not."""
    command: list[str] = plan.job["containerOverrides"]["command"]
    return command[command.index("--s3upload") + 1] if "--s3upload" in command else None


def plan(settings: SubmitSettings, request: JobRequest) -> Plan:
    """Plan a job on the workflow queue.

    Raises:
        ConfigurationError: the request does not fit into SubmitJob, and no place on S3 is known
            where the bundle could lie.
    """
    definition = job_definition(settings)
    environment = job_environment(settings, request)
    bundle = request.bundle
    if not _fits(request.command, environment):
        environment, bundle = _packed_environment(settings, environment, bundle)
    upload: Upload | None = None
    if bundle is not None:
        inline = {**environment, BUNDLE_VARIABLE: encode_inline(bundle)}
        if settings.exchange is None and _fits(request.command, inline):
            environment = inline
        else:
            upload = _upload(settings, bundle)
            environment[BUNDLE_VARIABLE] = f"s3://{upload.bucket}/{upload.key}"
    if not _fits(request.command, environment):
        raise ConfigurationError(
            "command",
            f"of the job exceeds {MAX_OVERRIDES_BYTES} bytes with its own variables",
            remedy="Give the inputs of a source that only the job can read as a file (-i) instead "
            "of many key=value arguments.",
        )
    return Plan(
        run_key=request.run_key,
        generation=request.generation,
        job_definition=definition,
        job=_submit_job(settings, request, definition["jobDefinitionName"], environment),
        upload=upload,
    )


def _packed_environment(
    settings: SubmitSettings, environment: Mapping[str, str], bundle: Bundle | None
) -> tuple[dict[str, str], Bundle | None]:
    """Let the submitter's variables travel with the bundle, as they do not fit beside it."""
    passed = {
        name: value
        for name, value in settings.environment.items()
        if environment.get(name) == value
    }
    if not passed:
        return dict(environment), bundle
    kept = {name: value for name, value in environment.items() if name not in passed}
    content = json.dumps(passed, sort_keys=True).encode()
    files = dict(bundle.files) if bundle is not None else {}
    return kept, Bundle({**files, ENVIRONMENT_FILE: content})


def job_definition(settings: SubmitSettings) -> dict[str, Any]:
    """Give the RegisterJobDefinition request: all that is the same for every run.

    It is named by the hash of its content, so that equal settings share one definition and none
    needs to be registered again.
    """
    content: dict[str, Any] = {
        "type": "container",
        "platformCapabilities": ["FARGATE" if settings.efs else "EC2"],
        "containerProperties": _container_properties(settings),
        "retryStrategy": {"attempts": 1},
    }
    name = f"miniwdl-workflow-{names.content_hash(content)}"
    return {"jobDefinitionName": name, **content}


def job_environment(settings: SubmitSettings, request: JobRequest) -> dict[str, str]:
    """Give the variables of the job, without its bundle."""
    environment = dict(settings.environment)
    environment.update(_file_system_environment(settings))
    environment["MINIWDL__FILE_IO__ROOT"] = settings.mount
    environment["MINIWDL__AWS__TASK_QUEUE"] = settings.task_queue
    environment[RUN_KEY_VARIABLE] = request.run_key
    if settings.task_queue_fallback:
        environment["MINIWDL__AWS__TASK_QUEUE_FALLBACK"] = settings.task_queue_fallback
    if settings.tags:
        given = environment.get(JOB_TAGS_VARIABLE, "{}")
        environment[JOB_TAGS_VARIABLE] = merged_tags(
            given,
            {**fill_call_tags(settings.tags, _facts(request)), **_cost_tags(settings, request)},
        )
    return environment


def _file_system_environment(settings: SubmitSettings) -> dict[str, str]:
    if settings.efs:
        return {"MINIWDL__AWS__FS": settings.fs or "", "MINIWDL__AWS__FSAP": settings.fsap or ""}
    return {"MINIWDL__SCHEDULER__CONTAINER_BACKEND": NO_EFS_BACKEND}


def _container_properties(settings: SubmitSettings) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "image": settings.image,
        # Overridden by every submission; Batch wants a definition to have one.
        "command": ["miniwdl-run-s3upload", "--help"],
        "resourceRequirements": [
            {"type": "VCPU", "value": f"{settings.cpu:g}"},
            {"type": "MEMORY", "value": str(round(settings.memory_gib * 1024))},
        ],
        "volumes": [_volume(settings)],
        "mountPoints": [{"containerPath": settings.mount, "sourceVolume": VOLUMES[settings.efs]}],
    }
    if settings.workflow_role:
        properties["jobRoleArn"] = settings.workflow_role
        properties["executionRoleArn"] = settings.workflow_role
    if settings.secrets:
        properties["secrets"] = [
            {"name": name, "valueFrom": arn} for name, arn in sorted(settings.secrets.items())
        ]
    return {**properties, **(_fargate(settings) if settings.efs else {})}


def _volume(settings: SubmitSettings) -> dict[str, Any]:
    if not settings.efs:
        return {"name": VOLUMES[False], "host": {"sourcePath": settings.mount}}
    return {
        "name": VOLUMES[True],
        "efsVolumeConfiguration": {
            "fileSystemId": settings.fs,
            "transitEncryption": "ENABLED",
            "authorizationConfig": {"accessPointId": settings.fsap},
        },
    }


def _fargate(settings: SubmitSettings) -> dict[str, Any]:
    return {
        "networkConfiguration": {"assignPublicIp": "ENABLED" if settings.public_ip else "DISABLED"},
        "fargatePlatformConfiguration": {"platformVersion": PLATFORM_VERSION},
    }


def _cost_tags(settings: SubmitSettings, request: JobRequest) -> dict[str, str]:
    return fill_tags(settings.tags, _facts(request))


def _facts(request: JobRequest) -> dict[str, str]:
    return {"run": request.name, "run_key": request.run_key, **request.facts}


def as_document(plan: Plan) -> dict[str, Any]:
    """Give the requests of a plan as one JSON value, by operation and in the order of sending.

    Instead of its content, an object for S3 has its size and SHA-256.
    """
    document: dict[str, Any] = {}
    if plan.upload is not None:
        document["PutObject"] = {
            "Bucket": plan.upload.bucket,
            "Key": plan.upload.key,
            "ContentLength": len(plan.upload.content),
            "SHA256": hashlib.sha256(plan.upload.content).hexdigest(),
        }
    return {**document, "RegisterJobDefinition": plan.job_definition, "SubmitJob": plan.job}


def _submit_job(
    settings: SubmitSettings,
    request: JobRequest,
    definition_name: str,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    prefix = names.run_key_prefix(request.run_key)
    readable = names.job_name(request.name, limit=names.MAX_JOB_NAME - len(prefix))
    tags = {
        **_cost_tags(settings, request),
        names.RUN_KEY_TAG: names.tag_value(request.run_key),
        names.GENERATION_TAG: names.tag_value(request.generation),
        # Not of the whole environment: the worker of a retry may have other variables.
        names.CONTENT_TAG: names.content_hash(
            {"command": request.command, "bundle": environment.get(BUNDLE_VARIABLE)}
        ),
    }
    retries = {"attempts": settings.workflow_attempts, "evaluateOnExit": list(BEGIN_AGAIN)}
    return {
        "jobName": prefix + readable,
        "jobQueue": settings.workflow_queue,
        "jobDefinition": definition_name,
        "containerOverrides": _overrides(request.command, environment),
        "timeout": {"attemptDurationSeconds": settings.job_timeout_seconds},
        "tags": tags,
        "propagateTags": True,
        **({"retryStrategy": retries} if settings.workflow_attempts > 1 else {}),
    }


def _overrides(command: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        "command": list(command),
        "environment": [{"name": name, "value": environment[name]} for name in sorted(environment)],
    }


def _fits(command: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    return len(json.dumps(_overrides(command, environment)).encode()) <= MAX_OVERRIDES_BYTES


def _upload(settings: SubmitSettings, bundle: Bundle) -> Upload:
    name, content = encode_object(bundle)
    folder = settings.exchange
    if folder is None and settings.s3upload:
        bucket = settings.s3upload.removeprefix("s3://").split("/", 1)[0]
        folder = f"s3://{bucket}/miniwdl-aws-exchange"
    if folder is None:
        raise ConfigurationError(
            "exchange",
            f"is not set, and the WDL source and inputs ({len(content)} bytes compressed) are too "
            "large to travel inside the job",
            remedy="Set exchange (--exchange, MINIWDL__AWS__EXCHANGE) to an s3:// prefix that the "
            "submitter can write and the workflow role can read, or set s3upload, whose bucket is "
            "used then.",
        )
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    key = "/".join(part for part in (prefix.strip("/"), name) if part)
    return Upload(bucket=bucket, key=key, content=content)
