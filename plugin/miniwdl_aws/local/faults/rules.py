"""What a fault strikes, how often and how: one rule, from text or from members."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from miniwdl_aws.local.batch.lifecycle import STATUSES
from miniwdl_aws.local.endpoint.operations import SERVICES, unknown_operation
from miniwdl_aws.local.errors import LocalAwsError, nearest
from miniwdl_aws.local.faults.kinds import KINDS, FaultKind

_CODES = (500, 503)
# Longer than any test waits: a job's longest time-out is two weeks on Fargate.
_MOST_DELAY_SECONDS = 14 * 24 * 3600


class FaultError(LocalAwsError):
    """A rule for faults makes no sense; the message says which and why."""


@dataclass(frozen=True)
class Subject:
    """What a rule is held against.

    Attributes:
        key: names it among all that the same rule can strike, so that a seed repeats.
        service: the service of a request.
        operation: its operation.
        job: the name of a job.
        queue: the name of its queue.
        fargate: whether the job runs on Fargate.
        attempt: the number of its attempt, from 1.
        status: its new status.
    """

    key: str
    service: str | None = None
    operation: str | None = None
    job: str | None = None
    queue: str | None = None
    fargate: bool | None = None
    attempt: int | None = None
    status: str | None = None


@dataclass(frozen=True, kw_only=True)
class FaultRule:
    """What a fault strikes, how often, and how.

    Attributes:
        kind: a key of ``kinds.KINDS``.
        service: the service of a request, as botocore names it (``batch``, ``logs``, ``s3``).
        operation: a pattern of the request's operation (``SubmitJob``, ``Describe*``).
        job: a pattern of the job's name.
        queue: a pattern of the name of its queue.
        attempt: the number of the attempt, from 1.
        status: the status that an event tells of.
        probability: the share of what the rule matches that is struck, above 0 to 1.
        times: how often it strikes at most; None for no bound.
        skip: how many matches pass at first.
        delay: seconds, where the kind has a use for them: until it strikes, or how late something
            comes.
        code: the HTTP status of ``server-error``.
        reason: the text that a job shows, instead of the kind's own; in a rule's text, all that
            follows.

    Raises:
        FaultError: the kind is unknown, or a member is none of its, missing or out of its range.
    """

    kind: str
    service: str | None = None
    operation: str | None = None
    job: str | None = None
    queue: str | None = None
    attempt: int | None = None
    status: str | None = None
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    delay: float | None = None
    code: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        given = {name for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}
        _check_keys(self.kind, given)
        if not 0 < self.probability <= 1:
            raise self._error("probability", "above 0 and at most 1")
        if self.times is not None and self.times < 1:
            raise self._error("times", "at least 1")
        if self.attempt is not None and self.attempt < 1:
            raise self._error("attempt", "at least 1")
        if self.skip < 0:
            raise self._error("skip", "at least 0")
        if self.delay is not None and not 0 <= self.delay <= _MOST_DELAY_SECONDS:
            raise self._error("delay", f"from 0 to {_MOST_DELAY_SECONDS} seconds")
        if self.code is not None and self.code not in _CODES:
            raise self._error("code", "500 or 503")
        if self.status is not None and self.status not in STATUSES:
            raise self._error("status", f"one of {', '.join(STATUSES)}")
        self._check_call()

    def _check_call(self) -> None:
        if self.service is None and self.operation is None:
            return
        services = [self.service] if self.service else KINDS[self.kind].services or SERVICES
        problem = unknown_operation(self.operation or "*", services)
        if problem:
            raise FaultError(f"fault {self.kind}: {problem}")

    @property
    def text(self) -> str:
        """The rule as ``--fault`` takes it."""
        members = (f"{name}={value}" for name, value in self.members().items() if name != "kind")
        return ",".join([self.kind, *members])

    def members(self) -> dict[str, Any]:
        """Return the members that were given."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value for name, value in own.items() if name == "kind" or value != _DEFAULTS[name]
        }

    def matches(self, subject: Subject) -> bool:
        """Tell whether the rule is about something, chance and numbers apart."""
        kind = KINDS[self.kind]
        if kind.services and subject.service not in kind.services:
            return False
        if kind.fargate is not None and subject.fargate is not kind.fargate:
            return False
        exact = (
            (self.service, subject.service),
            (self.attempt, subject.attempt),
            (self.status, subject.status),
        )
        patterns = (
            (self.operation, subject.operation),
            (self.job, subject.job),
            (self.queue, subject.queue),
        )
        return all(wanted is None or wanted == value for wanted, value in exact) and all(
            pattern is None or (value is not None and fnmatchcase(value, pattern))
            for pattern, value in patterns
        )

    def _error(self, name: str, wanted: str) -> FaultError:
        return FaultError(f"fault {self.kind}: {name} must be {wanted}, got {getattr(self, name)}")


_DEFAULTS: dict[str, Any] = {
    each.name: each.default for each in fields(FaultRule) if each.name != "kind"
}


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("attempt", "times", "skip", "code"), (int,)),
    **dict.fromkeys(("probability", "delay"), (float, int)),
}
"""What members are that are no text; the first is what text is made to."""


def _check_keys(kind: str, given: Iterable[str]) -> None:
    found = KINDS.get(kind)
    if found is None:
        raise FaultError(f"fault {kind!r} is no kind{nearest(kind, KINDS)}: use {', '.join(KINDS)}")
    for name in given:
        if name not in found.keys:
            raise FaultError(
                f"fault {kind}: {name!r} means nothing here{nearest(name, found.keys)}: use "
                f"{', '.join(sorted(found.keys))}"
            )
    _check_required(kind, found, given)


def _check_required(kind: str, found: FaultKind, given: Iterable[str]) -> None:
    missing = sorted(found.required - set(given))
    if missing:
        raise FaultError(f"fault {kind} needs {', '.join(missing)}, as in {kind},{missing[0]}=2")


def parse_fault(text: str) -> FaultRule:
    """Read a rule as ``--fault`` takes it: ``KIND[,KEY=VALUE…]``.

    Raises:
        FaultError: the text makes no sense.

    >>> parse_fault("spot-reclaim,job=align*,times=1").members()
    {'kind': 'spot-reclaim', 'job': 'align*', 'times': 1}
    """
    head, given, reason = text.partition(",reason=")
    kind, *entries = [part.strip() for part in head.split(",")]
    members: dict[str, Any] = {"reason": reason} if given else {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals:
            raise FaultError(f"fault {text!r}: {entry!r} is not KEY=VALUE")
        if name in members:
            raise FaultError(f"fault {text!r} gives {name!r} twice")
        members[name] = _read(kind, name, value)
    return rule_of({"kind": kind, **members})


def _read(kind: str, name: str, value: str) -> Any:
    try:
        return _TYPES.get(name, (str,))[0](value)
    except ValueError as error:
        raise FaultError(f"fault {kind}: {name} must be a number, got {value!r}") from error


def rule_of(members: Mapping[str, Any]) -> FaultRule:
    """Make a rule of its members, as a file or a control call gives them.

    Raises:
        FaultError: the members make no rule.
    """
    kind = members.get("kind")
    if not isinstance(kind, str):
        raise FaultError(f"a fault needs a kind, such as {next(iter(KINDS))!r}, got {members!r}")
    _check_keys(kind, [name for name in members if name != "kind"])
    for name, value in members.items():
        wanted = _TYPES.get(name, (str,))
        if isinstance(value, bool) or not isinstance(value, wanted):
            sort = "a number" if int in wanted else "text"
            raise FaultError(f"fault {kind}: {name} must be {sort}, got {value!r}")
    return FaultRule(**members)


def rules_of(value: object) -> list[FaultRule]:
    """Make rules of what JSON or TOML gave: a rule, its text, a list of them, or ``fault`` of one.

    Raises:
        FaultError: it makes no rules.
    """
    if isinstance(value, str):
        return [parse_fault(value)]
    if isinstance(value, list):
        return [rule for each in value for rule in rules_of(each)]
    if isinstance(value, Mapping):
        return rules_of(value["fault"]) if set(value) == {"fault"} else [rule_of(value)]
    raise FaultError(f"a fault is its text or its members, got {value!r}")


def read_faults(path: Path) -> list[FaultRule]:
    """Read the rules of a file: JSON, or TOML if its name ends in ``.toml``.

    Raises:
        FaultError: it cannot be read, or what it says makes no rules.
    """
    try:
        content = path.read_text("utf-8")
        value = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
        return rules_of(value)
    except OSError as error:
        raise FaultError(f"the file of faults {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FaultError(f"the file of faults {path} is no JSON or TOML: {error}") from error
    except FaultError as error:
        raise FaultError(f"the file of faults {path}: {error}") from error
