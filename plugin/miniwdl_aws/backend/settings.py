"""What the backend reads from miniwdl's configuration, checked once per process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from miniwdl_aws.backend import readers
from miniwdl_aws.backend.policies import TaskPolicies, read_policies
from miniwdl_aws.backend.retries import Escalation
from miniwdl_aws.backend.tags import check_tags
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.parsing import boolean

SECTION = "aws"

USAGE_SECTION = "log_task_usage"
"""The section of the logging of what tasks use, which is no matter of AWS alone."""

MAX_SUBMIT_RATE = 48.0
"""SubmitJob requests a second; an account has 50 (AWS Batch user guide, "Service quotas")."""


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
        describe_period_seconds: the least pause between two rounds of DescribeJobs.
        describe_share: the most of the account's request rate that DescribeJobs may take.
        submit_rate: SubmitJob requests a second.
        max_attempts: how often a request is tried that AWS could not answer.
        retry_wait_seconds: the pause before a task is tried again.
        infrastructure_retries: how often a task is tried again that AWS failed, beside
            ``preemptible`` and ``maxRetries``.
        escalation: how a task's memory grows after it was killed for memory use.
        job_timeout_seconds: the time-out of a task job.
        runnable_timeout_seconds: after which a job is given up that waits in vain; 0 for never.
        job_tags: tags of every task job, with placeholders.
        owner: what ``{owner}`` in a tag stands for.
        propagate_tags: whether the tags of a job go to its container's task in Amazon ECS.
        efs: whether the shared file system is EFS; else the hosts mount it at ``mount``.
        job_role: role of the tasks' commands; that of the instance if empty.
        execution_role: role that starts their containers: pulls images, reads secrets.
        fargate_public_ip: whether task jobs on Fargate get a public IP address.
        task_secrets: ARNs of secrets by the variables that hold them in task jobs.
        shared_memory_bytes: size of ``/dev/shm``; what the host gives if 0.
        task_policies: what is different for some tasks.
        container_sync: whether a task job flushes its files before it ends.
        gpu_count: GPUs of a task with ``gpu: true`` and no ``acceleratorCount``.
        container_properties: further container properties of every job definition.
        memory_delta_mib: added to a task's memory, so that whole tasks fit on an instance beside
            the agent of Amazon ECS.
        usage_period_seconds: how often a task job tells in its log what it uses; 0 is never.
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
    describe_share: float = 0.04
    submit_rate: float = MAX_SUBMIT_RATE
    max_attempts: int = 5
    retry_wait_seconds: float = 20.0
    infrastructure_retries: int = 3
    escalation: Escalation = field(default_factory=Escalation)
    job_timeout_seconds: int = 86_400
    runnable_timeout_seconds: float = 0.0
    job_tags: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    propagate_tags: bool = True
    efs: bool = True
    job_role: str = ""
    execution_role: str = ""
    fargate_public_ip: bool = True
    task_secrets: Mapping[str, str] = field(default_factory=dict)
    shared_memory_bytes: int = 0
    task_policies: TaskPolicies = field(default_factory=TaskPolicies)
    container_sync: bool = False
    gpu_count: int = 1
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    memory_delta_mib: int = -33
    usage_period_seconds: float = 0.0
    command_shell: str = "/bin/bash"
    user: str = ""

    @property
    def has_execution_role(self) -> bool:
        """Whether all task jobs have an execution role."""
        return bool(self.execution_role or self.container_properties.get("executionRoleArn"))

    @property
    def may_have_execution_role(self) -> bool:
        """Whether some task jobs have an execution role, if only by a rule."""
        return self.has_execution_role or any(
            "execution_role" in rule.fields or "executionRoleArn" in rule.properties
            for rule in self.task_policies.rules
        )

    @property
    def queues(self) -> dict[str, str]:
        """The job queues that tasks may be sent to, and which option names each."""
        own = {
            self.task_queue_fallback: f"[{SECTION}] task_queue_fallback",
            self.task_queue: f"[{SECTION}] task_queue",
        }
        return {**self.task_policies.queues, **{name: own[name] for name in own if name}}


def read_settings(cfg: Configuration, *, user: str, efs: bool = True) -> BackendSettings:
    """Read and check the backend's settings.

    Args:
        cfg: miniwdl's configuration.
        user: ``uid:gid`` of this process, for ``[task_runtime] as_user``.
        efs: whether the shared file system is EFS.

    Raises:
        ConfigurationError: an option is missing or wrong; the message names section, key and
            variable.
    """
    settings = BackendSettings(
        **_places(cfg, efs=efs),
        **_pace(cfg),
        **_attempts(cfg),
        **_tags_and_roles(cfg),
        **_containers(cfg, user),
        task_policies=read_policies(cfg.get(SECTION, "task_policies", "")),
    )
    _check(settings)
    return settings


def _places(cfg: Configuration, *, efs: bool) -> dict[str, Any]:
    return {
        "region": cfg.get(SECTION, "region", ""),
        "task_queue": cfg.get(SECTION, "task_queue", ""),
        "task_queue_fallback": cfg.get(SECTION, "task_queue_fallback", ""),
        "efs": efs,
        "fs": cfg.get(SECTION, "fs", "") if efs else "",
        "fsap": cfg.get(SECTION, "fsap", "") if efs else "",
        "mount": cfg.get("file_io", "root", "").rstrip("/"),
    }


def _pace(cfg: Configuration) -> dict[str, Any]:
    return {
        "describe_period_seconds": _read(cfg, "describe_period", readers.positive, 1.0),
        "describe_share": _read(cfg, "describe_share", readers.share, 0.04),
        "submit_rate": _submit_rate(_read(cfg, "submit_period", readers.not_negative, 0.0)),
        "max_attempts": _read(cfg, "boto3_retries", readers.attempts, 5),
    }


def _attempts(cfg: Configuration) -> dict[str, Any]:
    return {
        "retry_wait_seconds": _read(cfg, "retry_wait", readers.not_negative, 20.0),
        "infrastructure_retries": _read(cfg, "infrastructure_retries", readers.count, 3),
        "escalation": Escalation(
            factor=_read(cfg, "oom_memory_factor", readers.factor, 1.0),
            cap_bytes=_read(cfg, "oom_memory_cap", readers.memory_bytes, 0),
        ),
        "job_timeout_seconds": _read(cfg, "job_timeout", readers.timeout, 86_400),
        "runnable_timeout_seconds": _read(cfg, "runnable_timeout", readers.not_negative, 0.0),
    }


def _tags_and_roles(cfg: Configuration) -> dict[str, Any]:
    return {
        "job_tags": _read(cfg, "job_tags", _tags, {}),
        "owner": cfg.get(SECTION, "owner", ""),
        "propagate_tags": _read(cfg, "propagate_tags", boolean, default=True),
        "job_role": cfg.get(SECTION, "job_role", ""),
        "execution_role": cfg.get(SECTION, "execution_role", ""),
        "task_secrets": _read(cfg, "task_secrets", readers.secrets, {}),
    }


def _containers(cfg: Configuration, user: str) -> dict[str, Any]:
    as_user = boolean(cfg.get("task_runtime", "as_user", "false"))
    return {
        "container_properties": _read(cfg, "container_properties", readers.properties, {}),
        "container_sync": _read(cfg, "container_sync", boolean, default=False),
        "memory_delta_mib": _read(cfg, "memory_delta", readers.whole, -33),
        "shared_memory_bytes": _read(cfg, "shared_memory", readers.memory_bytes, 0),
        "gpu_count": _read(cfg, "gpu_value", readers.count, 1),
        "fargate_public_ip": _read(cfg, "fargate_public_ip", boolean, default=True),
        "usage_period_seconds": _read(
            cfg, "period", readers.not_negative, 0.0, section=USAGE_SECTION
        ),
        "command_shell": cfg.get("task_runtime", "command_shell", "/bin/bash"),
        "user": user if as_user else "",
    }


def variable(section: str, key: str) -> str:
    """Name the environment variable of an option.

    >>> variable("aws", "task_queue")
    'MINIWDL__AWS__TASK_QUEUE'
    """
    return f"MINIWDL__{section.upper()}__{key.upper()}"


def read_option(cfg: Configuration, key: str, parse: Callable[[str], Any], default: Any) -> Any:
    """Read an option of the section ``[aws]`` that is not one of the backend's.

    Args:
        cfg: miniwdl's configuration.
        key: the option.
        parse: reads its text, or raises ValueError with the rule that it breaks.
        default: its value where it is not set.

    Raises:
        ConfigurationError: it is wrong.
    """
    return _read(cfg, key, parse, default)


def _read(
    cfg: Configuration,
    key: str,
    parse: Callable[[str], Any],
    default: Any,
    *,
    section: str = SECTION,
) -> Any:
    text = cfg.get(section, key, "")
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as exc:
        # What is wrong with a secret may be that it is one.
        shown = None if parse is readers.secrets else text
        raise _wrong(section, key, str(exc), shown, "Correct it.") from exc


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
    if settings.efs and not settings.fs and not settings.fsap:
        raise ConfigurationError(
            "[aws] fsap",
            "is not set, and neither is [aws] fs",
            remedy="Set the variable MINIWDL__AWS__FSAP to the EFS access point, or "
            "MINIWDL__AWS__FS to the EFS file system, that all jobs mount.",
        )
    if settings.escalation.factor > 1 and not settings.escalation.cap_bytes:
        raise _wrong(
            SECTION,
            "oom_memory_factor",
            "is set without [aws] oom_memory_cap",
            settings.escalation.factor,
            "Set oom_memory_cap to the memory that a task may get at most, such as 64 GiB.",
        )
    if not settings.mount.startswith("/"):
        raise _wrong(
            "file_io",
            "root",
            "must be the mount point of the shared file system, other than /",
            settings.mount or "/",
            "Set it to where all jobs mount the file system, such as /mnt/efs.",
        )
    _check_owner(settings)
    if settings.task_secrets and not settings.has_execution_role:
        raise _wrong(
            SECTION,
            "task_secrets",
            "is set without [aws] execution_role",
            None,
            "Set execution_role to the ARN of a role that may read the secrets.",
        )


def _check_owner(settings: BackendSettings) -> None:
    if settings.owner:
        return
    rules = settings.task_policies.rules
    for tags in (settings.job_tags, *(rule.fields.get("tags", {}) for rule in rules)):
        for key, text in tags.items():
            if "{owner}" in text:
                raise _wrong(
                    SECTION, "owner", f"is not set, and the tag {key} needs it", None, "Set it."
                )


def _tags(text: str) -> dict[str, str]:
    return check_tags(readers.texts(text))


def _submit_rate(period: float) -> float:
    return MAX_SUBMIT_RATE if period == 0 else min(MAX_SUBMIT_RATE, 1 / period)
