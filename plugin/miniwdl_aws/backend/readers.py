"""Readers of single options, which complain with the rule that a value breaks.

Each takes text and raises ValueError with a clause such as "must be true or false".
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from WDL._util import parse_byte_size

from miniwdl_aws.fargate import MAX_STORAGE_GIB

MIN_TIMEOUT_SECONDS = 60
"""The shortest time-out of an attempt (AWS Batch user guide, "Job timeouts")."""

MAX_PROPERTIES_BYTES = 20 * 1024
"""Further container properties as JSON; a job definition holds 24 KiB (AWS Batch user guide,
"Service quotas"), of which the backend needs some."""

OWN_PROPERTIES = frozenset(
    {"image", "command", "environment", "resourceRequirements", "privileged"}
)
"""Container properties that the backend sets itself, and a configuration may not."""

_SECRET_ARN = re.compile(r"arn:aws[\w-]*:(secretsmanager|ssm):[\w-]+:\d+:(secret:|parameter/).+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_T = TypeVar("_T", int, float)


def at_least(
    number: Callable[[str], _T], minimum: _T, rule: str, *, above: bool = False
) -> Callable[[str], _T]:
    """Make a reader of numbers from a minimum on (``above``: greater than it)."""

    def read(text: str) -> _T:
        try:
            value = number(text)
        except ValueError:
            raise ValueError(f"must be {rule}") from None
        if not (value > minimum if above else value >= minimum):
            raise ValueError(f"must be {rule}")
        return value

    return read


positive = at_least(float, 0.0, "a number greater than 0", above=True)
not_negative = at_least(float, 0.0, "a number, at least 0")
factor = at_least(float, 1.0, "a number, at least 1")
count = at_least(int, 0, "a whole number, at least 0")
timeout = at_least(
    int, MIN_TIMEOUT_SECONDS, f"a whole number of seconds, at least {MIN_TIMEOUT_SECONDS}"
)


def share(text: str) -> float:
    """Read a part of a whole."""
    rule = "must be a number greater than 0, at most 1"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(rule) from None
    if not 0 < value <= 1:
        raise ValueError(rule)
    return value


def whole(text: str) -> int:
    """Read a whole number, which may be negative."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def memory_bytes(text: str) -> int:
    """Read a size such as ``64 GiB`` or a number of bytes, as WDL has them."""
    try:
        return int(parse_byte_size(text))
    except ValueError:
        raise ValueError("must be a size such as 64 GiB") from None


def storage_gib(text: str) -> int:
    """Read a size of ephemeral storage such as ``100 GiB``, rounded up to GiB."""
    gib = -(-memory_bytes(text) // 2**30)
    if not 1 <= gib <= MAX_STORAGE_GIB:
        raise ValueError(f"must be a size from 1 GiB to {MAX_STORAGE_GIB} GiB, such as 100 GiB")
    return gib


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"must be a JSON object ({exc})") from None
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004  (wrong text, not a wrong type of argument)
    return value


def texts(text: str) -> dict[str, str]:
    """Read a JSON object of names and values."""
    value = json_object(text)
    if any(isinstance(each, (dict, list)) for each in value.values()):
        raise ValueError("must be a JSON object of names and values")
    return {key: str(each) for key, each in value.items()}


def attempts(text: str) -> int:
    """Read ``max_attempts`` of a JSON object as boto3 has it."""
    value = json_object(text).get("max_attempts", 5)
    if not isinstance(value, int) or value < 1:
        raise ValueError('must be a JSON object such as {"max_attempts": 5}')
    return value


def properties(text: str) -> dict[str, Any]:
    """Read container properties."""
    return check_properties(json_object(text))


def check_properties(value: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse container properties that the backend sets itself."""
    if own := OWN_PROPERTIES & value.keys():
        raise ValueError(
            f"must be a JSON object of container properties without {', '.join(sorted(own))}, "
            "which the task decides"
        )
    size = len(json.dumps(value).encode())
    if size > MAX_PROPERTIES_BYTES:
        raise ValueError(
            f"must be at most {MAX_PROPERTIES_BYTES} bytes as JSON, not {size}: a job definition "
            "holds 24 KiB; put what is large on the shared file system"
        )
    return dict(value)


def secrets(text: str) -> dict[str, str]:
    """Read secrets by reference: ``NAME=ARN`` separated by commas or white space, or JSON."""
    if text.lstrip().startswith("{"):
        return check_secrets(texts(text))
    words = [word for word in re.split(r"[\s,]+", text) if word]
    if any("=" not in word for word in words):
        raise ValueError("must be NAME=ARN, separated by commas")
    return check_secrets(dict(word.split("=", 1) for word in words))


def check_secrets(value: Mapping[str, str]) -> dict[str, str]:
    """Refuse names that are none of variables, and values that are no references."""
    for name, arn in value.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"names {name!r}, which is no name of a variable")
        if not _SECRET_ARN.fullmatch(arn):
            # The value is not shown: it may be the secret itself.
            raise ValueError(
                f"must give {name} by the ARN of a secret of Secrets Manager or of a parameter of "
                "the Systems Manager parameter store, never by its value"
            )
    return dict(value)
