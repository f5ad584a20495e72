"""What the backend reads from miniwdl's configuration, checked once per process."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.parsing import boolean

SECTION = "aws"

MAX_SUBMIT_RATE = 48.0
"""SubmitJob requests a second; an account has 50 (AWS Batch user guide, "Service quotas")."""

MIN_TIMEOUT_SECONDS = 60
"""The shortest time-out of an attempt (AWS Batch user guide, "Job timeouts")."""

OWN_PROPERTIES = frozenset(
    {"image", "command", "environment", "resourceRequirements", "privileged", "mountPoints"}
)
"""Container properties that the backend sets itself, and a configuration may not."""

_T = TypeVar("_T")


class Configuration(Protocol):
    """The part of ``WDL.runtime.config.Loader`` that is read here.

    1. A value comes from overrides, the variable ``MINIWDL__SECTION__KEY``, the file or defaults,
       in this order.
    2. ``get`` returns ``default`` for an option that is nowhere set.
    """

    def get(self, section: str, key: str, default: str | None = None) -> str:
        """Give the text of an option."""
        ...


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """The section ``[aws]``, and what other sections say about task jobs.

    Attributes:
        region: the region; boto3's own choice if empty.
        task_queue: where task jobs are submitted.
        task_queue_fallback: where a task goes whose interruptions are used up; empty for none.
        fs: the EFS file system; found by the access point if empty.
        fsap: the EFS access point; the root of the file system if empty.
        mount: where all jobs mount it (``[file_io] root``), without a trailing slash.
        describe_period_seconds: the pause between two rounds of DescribeJobs.
        submit_rate: SubmitJob requests a second.
        max_attempts: how often a request is tried that AWS could not answer.
        retry_wait_seconds: the pause before a task is tried again.
        job_timeout_seconds: the time-out of a task job.
        job_tags: tags of every task job.
        container_sync: whether a task job flushes its files before it ends.
        gpu_count: GPUs of a task with ``gpu: true`` and no ``acceleratorCount``.
        container_properties: further container properties of every job definition.
        memory_delta_mib: added to a task's memory, so that whole tasks fit on an instance beside
            the agent of Amazon ECS.
        command_shell: what interprets a task's command, with options.
        user: ``uid:gid`` of the commands; the image's own if empty.
    """

    region: str = ""
    task_queue: str
    task_queue_fallback: str = ""
    fs: str = ""
    fsap: str = ""
    mount: str = "/mnt/efs"
    describe_period_seconds: float = 1.0
    submit_rate: float = MAX_SUBMIT_RATE
    max_attempts: int = 5
    retry_wait_seconds: float = 20.0
    job_timeout_seconds: int = 86_400
    job_tags: Mapping[str, str] = field(default_factory=dict)
    container_sync: bool = False
    gpu_count: int = 1
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    memory_delta_mib: int = -33
    command_shell: str = "/bin/bash"
    user: str = ""


def read_settings(cfg: Configuration, *, user: str) -> BackendSettings:
    """Read and check the backend's settings.

    Args:
        cfg: miniwdl's configuration.
        user: ``uid:gid`` of this process, for ``[task_runtime] as_user``.

    Raises:
        ConfigurationError: an option is missing or wrong; the message names section, key and
            variable.
    """
    settings = BackendSettings(
        region=cfg.get(SECTION, "region", ""),
        task_queue=cfg.get(SECTION, "task_queue", ""),
        task_queue_fallback=cfg.get(SECTION, "task_queue_fallback", ""),
        fs=cfg.get(SECTION, "fs", ""),
        fsap=cfg.get(SECTION, "fsap", ""),
        mount=cfg.get("file_io", "root", "").rstrip("/"),
        describe_period_seconds=_read(cfg, "describe_period", _positive, 1.0),
        submit_rate=_submit_rate(_read(cfg, "submit_period", _not_negative, 0.0)),
        max_attempts=_read(cfg, "boto3_retries", _attempts, 5),
        retry_wait_seconds=_read(cfg, "retry_wait", _not_negative, 20.0),
        job_timeout_seconds=_read(cfg, "job_timeout", _timeout, 86_400),
        job_tags=_read(cfg, "job_tags", _texts, {}),
        container_sync=_read(cfg, "container_sync", boolean, default=False),
        gpu_count=_read(cfg, "gpu_value", _count, 1),
        container_properties=_read(cfg, "container_properties", _properties, {}),
        memory_delta_mib=_read(cfg, "memory_delta", int, -33),
        command_shell=cfg.get("task_runtime", "command_shell", "/bin/bash"),
        user=user if boolean(cfg.get("task_runtime", "as_user", "false")) else "",
    )
    _check(settings)
    return settings


def variable(section: str, key: str) -> str:
    """Name the environment variable of an option.

    >>> variable("aws", "task_queue")
    'MINIWDL__AWS__TASK_QUEUE'
    """
    return f"MINIWDL__{section.upper()}__{key.upper()}"


def _read(cfg: Configuration, key: str, parse: Callable[[str], _T], default: _T) -> _T:
    text = cfg.get(SECTION, key, "")
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as exc:
        raise _wrong(SECTION, key, f"must be {_RULES[parse]}", text, "Correct it.") from exc


def _wrong(section: str, key: str, problem: str, value: object, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"[{section}] {key}",
        problem,
        value=value,
        source=f"miniwdl's configuration file, or the variable {variable(section, key)}",
        remedy=remedy,
    )


def _check(settings: BackendSettings) -> None:
    if not settings.task_queue:
        raise ConfigurationError(
            "[aws] task_queue",
            "is not set",
            remedy="Set the variable MINIWDL__AWS__TASK_QUEUE, the option --task-queue, or "
            "task_queue in section [aws] of miniwdl's configuration file to a Batch job queue.",
        )
    if not settings.fs and not settings.fsap:
        raise ConfigurationError(
            "[aws] fsap",
            "is not set, and neither is [aws] fs",
            remedy="Set the variable MINIWDL__AWS__FSAP to the EFS access point, or "
            "MINIWDL__AWS__FS to the EFS file system, that all jobs mount.",
        )
    if not settings.mount.startswith("/"):
        raise _wrong(
            "file_io",
            "root",
            "must be the mount point of the shared file system, other than /",
            settings.mount or "/",
            "Set it to where all jobs mount the file system, such as /mnt/efs.",
        )


def _submit_rate(period: float) -> float:
    return MAX_SUBMIT_RATE if period == 0 else min(MAX_SUBMIT_RATE, 1 / period)


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError(text)
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def _timeout(text: str) -> int:
    value = int(text)
    if value < MIN_TIMEOUT_SECONDS:
        raise ValueError(text)
    return value


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)  # noqa: TRY004  (wrong text, not a wrong type of argument)
    return value


def _texts(text: str) -> dict[str, str]:
    return {key: str(value) for key, value in _object(text).items()}


def _attempts(text: str) -> int:
    value = _object(text).get("max_attempts", 5)
    if not isinstance(value, int) or value < 1:
        raise ValueError(text)
    return value


def _properties(text: str) -> dict[str, Any]:
    value = _object(text)
    if OWN_PROPERTIES & value.keys():
        raise ValueError(text)
    return value


_RULES: dict[Callable[[str], Any], str] = {
    _positive: "a number greater than 0",
    _not_negative: "a number, at least 0",
    _count: "a whole number, at least 0",
    _timeout: f"a whole number of seconds, at least {MIN_TIMEOUT_SECONDS}",
    boolean: "true or false",
    _texts: "a JSON object of names and values",
    _attempts: 'a JSON object such as {"max_attempts": 5}',
    _properties: "a JSON object of container properties without "
    + ", ".join(sorted(OWN_PROPERTIES)),
    int: "a whole number",
}
