"""``[aws] task_policies``: what is different for some tasks, without a change of their WDL."""

import difflib
import fnmatch
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miniwdl_aws.backend import readers
from miniwdl_aws.backend.identity import TaskIdentity
from miniwdl_aws.backend.tags import check_tags
from miniwdl_aws.errors import ConfigurationError

OPTION = "[aws] task_policies"


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """How a number that a task asks for is changed: multiplied, then kept between two bounds.

    Attributes:
        factor: it is multiplied by it.
        least: it becomes at least that.
        most: it becomes at most that; 0 for no bound.
    """

    factor: float = 1.0
    least: int = 0
    most: int = 0

    def __call__(self, value: int) -> int:
        """Give the changed number.

        >>> Adjustment(factor=1.5, most=7)(4), Adjustment(factor=1.5, most=7)(5)
        (6, 7)
        """
        changed = max(math.ceil(value * self.factor), self.least)
        return min(changed, self.most) if self.most else changed


@dataclass(frozen=True, kw_only=True)
class TaskPolicy:
    """What the rules that match a task say together; None and empty where they say nothing.

    Attributes:
        queue: job queue.
        fallback_queue: job queue after interruptions; empty for none.
        cpu: change of the CPUs.
        memory: change of the memory in bytes.
        timeout: change of the time-out in seconds.
        gpus: number of GPUs.
        shared_memory_bytes: size of ``/dev/shm``.
        storage_gib: ephemeral storage on Fargate.
        architecture: ``X86_64`` or ``ARM64``, on Fargate.
        container_properties: further container properties.
        job_role: ARN of the role that the command has.
        execution_role: ARN of the role that starts the container.
        tags: further tags.
        preemptible: replaces the runtime attribute.
        max_retries: replaces the runtime attribute.
        infrastructure_retries: replaces the setting.
        oom_memory_factor: replaces the setting.
        oom_memory_cap_bytes: replaces the setting.
    """

    queue: str | None = None
    fallback_queue: str | None = None
    cpu: Adjustment = field(default_factory=Adjustment)
    memory: Adjustment = field(default_factory=Adjustment)
    timeout: Adjustment = field(default_factory=Adjustment)
    gpus: int | None = None
    shared_memory_bytes: int | None = None
    storage_gib: int | None = None
    architecture: str | None = None
    container_properties: Mapping[str, Any] = field(default_factory=dict)
    job_role: str | None = None
    execution_role: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    preemptible: int | None = None
    max_retries: int | None = None
    infrastructure_retries: int | None = None
    oom_memory_factor: float | None = None
    oom_memory_cap_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyRule:
    """One rule.

    Attributes:
        match: a pattern of a task's name or of its call with those around it.
        accelerator_type: a pattern of the task's ``acceleratorType``; empty for any and none.
        fields: what it says, by its own names.
    """

    match: str
    accelerator_type: str = ""
    fields: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """The further container properties that it says."""
        found: Mapping[str, Any] = self.fields.get("container_properties", {})
        return found

    def matches(self, identity: TaskIdentity, accelerator_type: str) -> bool:
        """Tell whether the rule is about a task."""
        if self.accelerator_type and not fnmatch.fnmatchcase(
            accelerator_type, self.accelerator_type
        ):
            return False
        return any(fnmatch.fnmatchcase(name, self.match) for name in (identity.task, identity.call))


@dataclass(frozen=True, kw_only=True)
class TaskPolicies:
    """All rules, in their order."""

    rules: tuple[PolicyRule, ...] = ()

    def of(self, identity: TaskIdentity, accelerator_type: str = "") -> TaskPolicy:
        """Merge the rules that match a task; of each field the last rule that has it counts."""
        merged: dict[str, Any] = {}
        for rule in self.rules:
            if rule.matches(identity, accelerator_type):
                merged.update(rule.fields)
        return _policy(merged)

    @property
    def queues(self) -> dict[str, str]:
        """The queues that rules name, and which option that is."""
        return {
            rule.fields[name]: f"{OPTION}, rule {number} ({rule.match!r}), field {name}"
            for number, rule in enumerate(self.rules, start=1)
            for name in ("queue", "fallback_queue")
            if rule.fields.get(name)
        }


def _adjustment(merged: Mapping[str, Any], name: str) -> Adjustment:
    return Adjustment(
        factor=merged.get(f"{name}_factor", 1.0),
        least=merged.get(f"{name}_min", 0),
        most=merged.get(f"{name}_max", 0),
    )


def _policy(merged: Mapping[str, Any]) -> TaskPolicy:
    fields: dict[str, Any] = {
        name: _adjustment(merged, name) for name in ("cpu", "memory", "timeout")
    }
    fields |= {
        _ATTRIBUTES.get(name, name): value
        for name, value in merged.items()
        if not name.endswith(("_factor", "_min", "_max")) or name == "oom_memory_factor"
    }
    return TaskPolicy(**fields)


_ATTRIBUTES = {
    "shared_memory": "shared_memory_bytes",
    "ephemeral_storage": "storage_gib",
    "oom_memory_cap": "oom_memory_cap_bytes",
}
"""Fields of a rule whose values are kept in a unit that is not in their names."""


def read_policies(text: str) -> TaskPolicies:
    """Read the rules.

    Args:
        text: a JSON list, or the path of a file that holds one; empty for none.

    Raises:
        ConfigurationError: the message names rule and field.
    """
    source, text = ("", text) if text.lstrip().startswith(("[", "{")) or not text else _file(text)
    if not text:
        return TaskPolicies()
    try:
        rules = json.loads(text)
    except ValueError as exc:
        raise _wrong(OPTION, f"is not JSON: {exc}", source=source) from exc
    if not isinstance(rules, list):
        raise _wrong(OPTION, "must be a JSON list of rules", source=source)
    return TaskPolicies(
        rules=tuple(_rule(number, rule, source) for number, rule in enumerate(rules, start=1))
    )


def _file(path: str) -> tuple[str, str]:
    try:
        return path, Path(path).read_text()
    except OSError as exc:
        raise _wrong(
            OPTION, f"is neither a JSON list nor a file that can be read ({exc})", value=path
        ) from exc


def _rule(number: int, rule: object, source: str) -> PolicyRule:
    where = f"{OPTION}, rule {number}"
    if not isinstance(rule, dict):
        raise _wrong(where, "must be a JSON object", value=rule, source=source)
    match = rule.get("match")
    if not isinstance(match, str) or not match:
        raise _wrong(
            where, "has no match: the pattern of a task's or call's name", value=rule, source=source
        )
    where = f"{where} ({match!r})"
    fields: dict[str, Any] = {
        name: _read_field(f"{where}, field {name}", name, value, source)
        for name, value in rule.items()
        if name != "match"
    }
    _refuse_crossed_bounds(where, fields, source)
    accelerator_type = fields.pop("accelerator_type", "")
    return PolicyRule(match=match, accelerator_type=accelerator_type, fields=fields)


def _read_field(where: str, name: str, value: object, source: str) -> Any:
    if name not in FIELDS:
        close = difflib.get_close_matches(name, FIELDS, n=1)
        raise _wrong(
            where,
            "is not known",
            source=source,
            remedy=f"Did you mean {close[0]}?" if close else f"Known are {', '.join(FIELDS)}.",
        )
    try:
        return FIELDS[name](value)
    except ValueError as exc:
        raise _wrong(where, str(exc), value=value, source=source) from exc


def _refuse_crossed_bounds(where: str, fields: Mapping[str, Any], source: str) -> None:
    for name in ("cpu", "memory", "timeout"):
        least, most = fields.get(f"{name}_min", 0), fields.get(f"{name}_max", 0)
        if most and least > most:
            raise _wrong(f"{where}, field {name}_min", f"is above {name}_max", source=source)


def _wrong(
    where: str, problem: str, *, value: object = None, source: str = "", remedy: str = "Correct it."
) -> ConfigurationError:
    return ConfigurationError(
        where, problem, value=value, source=source or "miniwdl's configuration", remedy=remedy
    )


def _number(read: Callable[[str], Any]) -> Callable[[object], Any]:
    """Make a reader of JSON numbers of a reader of texts; sizes may be texts."""

    def parse(value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError("must be a number")  # noqa: TRY004  (a wrong value of a configuration)
        return read(str(value))

    return parse


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    return value


def _optional_text(value: object) -> str:
    return "" if value is None or value == "" else _text(value)


def _choice(choices: Sequence[str]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


def _mapping(check: Callable[[dict[str, Any]], Any]) -> Callable[[object], Any]:
    def parse(value: object) -> Any:
        if not isinstance(value, dict):
            raise ValueError("must be a JSON object")  # noqa: TRY004  (as above)
        return check(value)

    return parse


def _tags(value: dict[str, Any]) -> dict[str, str]:
    return check_tags(readers.texts(json.dumps(value)))


FIELDS: dict[str, Callable[[object], Any]] = {
    "accelerator_type": _text,
    "queue": _text,
    "fallback_queue": _optional_text,
    "cpu_factor": _number(readers.positive),
    "cpu_min": _number(readers.count),
    "cpu_max": _number(readers.count),
    "memory_factor": _number(readers.positive),
    "memory_min": _number(readers.memory_bytes),
    "memory_max": _number(readers.memory_bytes),
    "timeout_factor": _number(readers.positive),
    "timeout_min": _number(readers.timeout),
    "timeout_max": _number(readers.timeout),
    "gpus": _number(readers.count),
    "shared_memory": _number(readers.memory_bytes),
    "ephemeral_storage": _number(readers.storage_gib),
    "architecture": _choice(("X86_64", "ARM64")),
    "container_properties": _mapping(readers.check_properties),
    "job_role": _text,
    "execution_role": _text,
    "tags": _mapping(_tags),
    "preemptible": _number(readers.count),
    "max_retries": _number(readers.count),
    "infrastructure_retries": _number(readers.count),
    "oom_memory_factor": _number(readers.factor),
    "oom_memory_cap": _number(readers.memory_bytes),
}
"""What a rule can say beside ``match``, and how each is read; the first is a condition too."""
