"""The settings of a submission, merged once from all the places where they can be written.

`SETTINGS` is the one table of names: the argument of the operator and the flag of the command
line, the environment variables, the queue's tag and the default. Precedence, first to last:
argument, environment, connection, tag of the workflow queue, default.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.parsing import boolean, integer, matching, number, one_of, pairs

DELETE_AFTER = ("always", "success", "failure")

MAX_JOB_SECONDS = 14 * 86400
"""Fargate promises nothing for a job that runs longer (AWS Batch user guide, "Fargate")."""

MIN_JOB_SECONDS = 60
"""The shortest time-out of an attempt (AWS Batch user guide, "Job timeouts")."""

MAX_ATTEMPTS = 10
"""Attempts of a job (Batch API, "RetryStrategy")."""

DEFAULT_ATTEMPTS = 3
"""A later attempt goes on with the run: it adopts live task jobs and finished results."""

EFS_MOUNT = "/mnt/efs"

OTHER_MOUNT = "/mnt/net"
"""Where another shared file system is mounted, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table of settings.

    Attributes:
        name: the field of `SubmitSettings`, and the operator's argument.
        flag: the option of ``miniwdl-aws-submit``.
        variables: environment variables, the preferred spelling first.
        tag: the tag of the workflow queue that gives a default.
        default: the value if nothing else is given.
        parse: makes the value from a string; raises ValueError with the rule that it breaks.
        many: whether it is a mapping, whose keys from all places are laid over each other.
    """

    name: str
    flag: str
    variables: tuple[str, ...] = ()
    tag: str = ""
    default: Any = None
    parse: Callable[[str], Any] = str.strip
    many: bool = False


_S3_URI = matching(r"s3://[a-z0-9][a-z0-9.-]+(/.*)?", "must be s3://BUCKET/PREFIX")
_PATH = matching(r"/.*[^/].*", "must be an absolute path other than /")
_VARIABLE = matching(r"[A-Za-z_][A-Za-z0-9_]*", "must be the name of a variable")
_SECRET_ARN = matching(
    r"arn:aws[\w-]*:(secretsmanager:[\w-]+:\d{12}:secret:|ssm:[\w-]+:\d{12}:parameter/).+",
    "must be the ARN of a secret of AWS Secrets Manager or of an SSM parameter",
)
_TAG_KEY = matching(
    r"(?!(?i:aws|miniwdl-aws):)[\w\s+\-=.:/@]{1,128}",
    "must be a tag's key: 1 to 128 letters, digits, spaces and + - = . _ : / @, not beginning "
    "with aws: or miniwdl-aws:",
)


def _has_efs(text: str) -> bool:
    """Read ``MINIWDL__AWS__FS``: the file system's id, or a word for no."""
    return text.strip().startswith("fs-") or boolean(text)


SETTINGS = (
    Setting(name="workflow_queue", flag="--workflow-queue",
            variables=("MINIWDL__AWS__WORKFLOW_QUEUE",)),
    Setting(name="task_queue", flag="--task-queue", variables=("MINIWDL__AWS__TASK_QUEUE",),
            tag="DefaultTaskQueue"),
    Setting(name="task_queue_fallback", flag="--task-queue-fallback",
            variables=("MINIWDL__AWS__TASK_QUEUE_FALLBACK",), tag="DefaultTaskQueueFallback"),
    Setting(name="fsap", flag="--fsap", variables=("MINIWDL__AWS__FSAP",), tag="DefaultFsap",
            parse=matching(r"fsap-[0-9a-f]+", "must be an EFS access point, fsap-…")),
    Setting(name="efs", flag="--no-efs", variables=("MINIWDL__AWS__FS",), default=True,
            parse=_has_efs),
    Setting(name="mount", flag="--mount", variables=("MINIWDL__FILE_IO__ROOT",), parse=_PATH),
    Setting(name="dir", flag="--dir", parse=_PATH),
    Setting(name="workflow_role", flag="--workflow-role",
            variables=("MINIWDL__AWS__WORKFLOW_ROLE",), tag="WorkflowEngineRoleArn",
            parse=matching(r"arn:aws[\w-]*:iam::\d{12}:role/.+", "must be an IAM role's ARN")),
    Setting(name="image", flag="--image", variables=("MINIWDL__AWS__WORKFLOW_IMAGE",)),
    Setting(name="cpu", flag="--cpu", default=1.0, parse=number),
    Setting(name="memory_gib", flag="--memory-GiB", default=4.0, parse=number),
    Setting(name="public_ip", flag="--no-public-ip", default=True, parse=boolean),
    Setting(name="pass_environment", flag="--no-env", default=True, parse=boolean),
    Setting(name="s3upload", flag="--s3upload", variables=("MINIWDL__AWS__S3_UPLOAD_FOLDER",),
            parse=_S3_URI),
    Setting(name="delete_after", flag="--delete-after",
            variables=("MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD",
                       "MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER"),
            parse=one_of(DELETE_AFTER)),
    Setting(name="exchange", flag="--exchange", variables=("MINIWDL__AWS__EXCHANGE",),
            parse=_S3_URI),
    Setting(name="job_timeout_seconds", flag="--workflow-timeout",
            variables=("MINIWDL__AWS__WORKFLOW_TIMEOUT",), default=MAX_JOB_SECONDS,
            parse=integer(MIN_JOB_SECONDS, MAX_JOB_SECONDS)),
    Setting(name="workflow_attempts", flag="--workflow-attempts",
            variables=("MINIWDL__AWS__WORKFLOW_ATTEMPTS",), default=DEFAULT_ATTEMPTS,
            parse=integer(1, MAX_ATTEMPTS)),
    Setting(name="secrets", flag="--secret", variables=("MINIWDL__AWS__SECRETS",), default={},
            parse=pairs(_VARIABLE, _SECRET_ARN), many=True),
    Setting(name="tags", flag="--tag", variables=("MINIWDL__AWS__TAGS",), default={},
            parse=pairs(_TAG_KEY, str.strip), many=True),
)  # fmt: skip
"""All settings of a submission, in the order of the reference pages."""

_MANY = frozenset(setting.name for setting in SETTINGS if setting.many)


@dataclass(frozen=True, kw_only=True)
class SubmitSettings:
    """Everything that a submission needs to know, checked.

    Attributes:
        workflow_queue: the job queue of the workflow job (Fargate).
        task_queue: the job queue of the task jobs.
        task_queue_fallback: the queue for tasks whose spot interruptions are used up.
        efs: whether the shared file system is EFS; else the hosts of the compute environments
            mount another one, and the workflow job runs on EC2.
        fsap: the EFS access point that all jobs mount; None without EFS.
        fs: the EFS file system of that access point; None without EFS.
        mount: where they mount it, without a trailing slash.
        dir: the folder of run directories, below ``mount``.
        workflow_role: the ARN of the workflow job's execution role and job role; without EFS it
            may be None: the role of the host.
        image: the workflow image.
        cpu: vCPUs of the workflow job.
        memory_gib: its memory in GiB; with ``cpu`` a pair that Fargate has.
        public_ip: whether the workflow job gets a public address (needed in subnets without NAT).
        pass_environment: whether the submitter's ``MINIWDL__*`` variables pass into the job.
        s3upload: where the run is published; its name is appended unless this ends in a slash.
        delete_after: after which outcome the run directory is deleted, once published.
        exchange: where bundles are put that are too large to travel inline.
        job_timeout_seconds: the time-out of each attempt of the workflow job.
        workflow_attempts: how often the workflow job is begun when its host fails.
        secrets: variables of the workflow job by the ARNs of their values.
        tags: cost tags of the workflow job and its task jobs; values may hold ``{run}``,
            ``{workflow}``, ``{sample}`` and ``{owner}``, of task jobs ``{call}`` besides.
        environment: variables that pass into the workflow job.
        sources: where each value came from, by field, for messages.
    """

    workflow_queue: str
    task_queue: str
    task_queue_fallback: str | None = None
    efs: bool = True
    fsap: str | None = None
    fs: str | None = None
    mount: str = EFS_MOUNT
    dir: str = f"{EFS_MOUNT}/miniwdl_run"
    workflow_role: str | None = None
    image: str
    cpu: float = 1.0
    memory_gib: float = 4.0
    public_ip: bool = True
    pass_environment: bool = True
    s3upload: str | None = None
    delete_after: str | None = None
    exchange: str | None = None
    job_timeout_seconds: int = MAX_JOB_SECONDS
    workflow_attempts: int = DEFAULT_ATTEMPTS
    secrets: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Sourced:
    """A value and the place where it was written."""

    value: Any
    source: str


Layer = Mapping[str, Sourced]
"""Settings from one place, by field."""


def arguments_layer(arguments: Mapping[str, Any], *, flags: bool = False) -> Layer:
    """Take what was given as arguments of an operator, or as flags of a command line.

    None means that nothing was given.
    """
    return {
        setting.name: Sourced(
            _parsed(setting, value, source), source
        )
        for setting in SETTINGS
        if (value := arguments.get(setting.name)) is not None
        for source in [f"argument {setting.flag if flags else setting.name}"]
    }  # fmt: skip


def connection_layer(extra: Mapping[str, Any], connection_id: str) -> Layer:
    """Take what an Airflow connection's extra says; other keys are the connection's own affair."""
    source = f"connection {connection_id}"
    return {
        setting.name: Sourced(_parsed(setting, value, source), source)
        for setting in SETTINGS
        if (value := extra.get(setting.name)) not in (None, "")
    }


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Take what environment variables say.

    Raises:
        ConfigurationError: two spellings of one variable contradict each other.
    """
    found: dict[str, Sourced] = {}
    for setting in SETTINGS:
        given = [(name, environ[name]) for name in setting.variables if environ.get(name)]
        if len({value.strip() for _, value in given}) > 1:
            both = " and ".join(f"{name}={value}" for name, value in given)
            raise ConfigurationError(
                setting.name, f"is set twice, differently: {both}", remedy=f"Keep {given[0][0]}."
            )
        if given:
            source = f"environment variable {given[0][0]}"
            found[setting.name] = Sourced(_parsed(setting, given[0][1], source), source)
    return found


def tags_layer(tags: Mapping[str, str], queue: str) -> Layer:
    """Take what the tags of the workflow queue say."""
    return {
        setting.name: Sourced(_parsed(setting, tags[setting.tag], source), source)
        for setting in SETTINGS
        if setting.tag and tags.get(setting.tag)
        for source in [f"tag {setting.tag} of job queue {queue}"]
    }


def default_layer() -> Layer:
    """Take the defaults."""
    return {
        setting.name: Sourced(setting.default, "default")
        for setting in SETTINGS
        if setting.default is not None
    }


def merge(layers: Iterable[Layer]) -> Layer:
    """Lay settings over each other; the first place that knows a setting decides.

    Of a setting with many keys, the first place that knows a key decides about that key.
    """
    merged: dict[str, Sourced] = {}
    for layer in layers:
        for name, sourced in layer.items():
            known = merged.setdefault(name, sourced)
            if name in _MANY and known is not sourced:
                merged[name] = Sourced({**sourced.value, **known.value}, known.source)
    return merged


def needed(merged: Layer) -> tuple[str, ...]:
    """Name the settings that must be there: EFS asks for an access point, Fargate for a role."""
    always = ("workflow_queue", "task_queue", "image")
    return (*always, "fsap", "workflow_role") if merged["efs"].value else always


def settle(merged: Layer, *, fs: str | None, environment: Mapping[str, str]) -> SubmitSettings:
    """Make the settings of a submission.

    Args:
        merged: all settings from all places.
        fs: the file system of the access point; None without EFS.
        environment: what passes into the workflow job.

    Raises:
        ConfigurationError: a required setting is missing.
    """
    for name in needed(merged):
        require(merged, name)
    values = {name: sourced.value for name, sourced in merged.items()}
    values["mount"] = values.get("mount", EFS_MOUNT if values["efs"] else OTHER_MOUNT).rstrip("/")
    values.setdefault("dir", f"{values['mount']}/miniwdl_run")
    known = {each.name for each in fields(SubmitSettings)}
    return SubmitSettings(
        **{name: value for name, value in values.items() if name in known},
        fs=fs,
        environment=dict(environment),
        sources={name: sourced.source for name, sourced in merged.items()},
    )


def require(merged: Layer, name: str) -> Any:
    """Give the value of a setting that must be there.

    Raises:
        ConfigurationError: it is not; the message lists every place where it can be set.
    """
    if name in merged:
        return merged[name].value
    setting = next(each for each in SETTINGS if each.name == name)
    raise ConfigurationError(name, "is not set", remedy=_places(setting))


def _places(setting: Setting) -> str:
    places = [f"argument {setting.name} (command line: {setting.flag})"]
    places.extend(f"environment variable {name}" for name in setting.variables[:1])
    places.append(f'"{setting.name}" in the extra of the Airflow connection')
    if setting.tag:
        places.append(f"tag {setting.tag} of the workflow queue")
    sentence = f"Set one of: {'; '.join(places)}."
    if setting.name == "image":
        sentence += (
            " There is no public image: build the workflow image from the project's Dockerfile "
            "and push it to a registry of yours, such as Amazon ECR (docs/workflow-image.md)."
        )
    return sentence


def _parsed(setting: Setting, value: Any, source: str) -> Any:
    if not isinstance(value, str) and setting.parse is str.strip:
        raise ConfigurationError(
            setting.name, "must be text", value=value, source=source, remedy="Give a string."
        )
    if isinstance(value, bool) and setting.parse in (boolean, _has_efs):
        return value
    try:
        return setting.parse(_many_as_text(value) if setting.many else str(value))
    except ValueError as exc:
        raise ConfigurationError(
            setting.name, str(exc), value=value, source=source, remedy="Correct it there."
        ) from exc


def _many_as_text(value: Any) -> str:
    """Write a mapping, or a flag's repeated ``KEY=VALUE``, as JSON; leave text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return json.dumps({str(key): str(each) for key, each in value.items()})
    split = [str(each).partition("=") for each in value]
    if not all(separator for _, separator, _ in split):
        raise ValueError("must be KEY=VALUE")
    return json.dumps({key: each for key, _, each in split})


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path lies in a folder or is it, by its parts and without looking at files.

    >>> is_below("/mnt/efs2/x", "/mnt/efs")
    False
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    root = [part for part in folder.split("/") if part]
    return ".." not in parts and parts[: len(root)] == root
