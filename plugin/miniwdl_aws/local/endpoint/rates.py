"""How many calls and launches AWS lets through, as it documents them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from miniwdl_aws.local.endpoint.operations import unknown_operation
from miniwdl_aws.local.errors import LocalAwsError

RateScope = Literal["operation", "account"]

BATCH = "batch"
"""Names the rate that all operations of Batch share."""

EACH_BATCH_OPERATION = "batch:*"
"""Names the rate of every operation of Batch that has none of its own."""

FARGATE_LAUNCHES = "fargate"
"""Names the rate at which jobs are launched on Fargate."""


@dataclass(frozen=True)
class Rate:
    """What a token bucket lets through.

    Attributes:
        per_second: how many a second.
        burst: how many at once.
    """

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not 0 < self.per_second < float("inf"):
            raise LocalAwsError(
                f"rate must be positive, got {self.per_second}; leave it out for no limit"
            )
        if not 1 <= self.burst < float("inf"):
            raise LocalAwsError(f"burst must be at least 1, got {self.burst}")


DOCUMENTED_RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "batch:SubmitJob": Rate(50, 50),
        "logs:FilterLogEvents": Rate(5, 5),
        "logs:GetLogEvents": Rate(10, 10),
        FARGATE_LAUNCHES: Rate(20, 100),
    }
)
"""The quotas of an account in a region (AWS Batch user guide, "AWS Batch service quotas"; Amazon
CloudWatch Logs user guide, "CloudWatch Logs quotas"; Amazon ECS developer guide, "AWS Fargate
throttling quotas"). Only Fargate documents a burst; the others take a second's calls at once."""

NO_RATES: Mapping[str, Rate] = MappingProxyType({})


def parse_rates(text: str) -> Mapping[str, Rate]:
    """Read what ``--rates`` was given.

    Args:
        text: ``documented``, ``none``, or a list of ``NAME=RATE[/BURST]`` between commas, which
            replaces the documented rates of the same names and adds the others; ``NAME=none``
            takes one away.

    Raises:
        LocalAwsError: it is none of these.

    >>> parse_rates("batch:SubmitJob=5/10,logs:GetLogEvents=none")["batch:SubmitJob"]
    Rate(per_second=5.0, burst=10.0)
    """
    if text == "none":
        return NO_RATES
    rates = dict(DOCUMENTED_RATES)
    if text == "documented":
        return rates
    for entry in text.split(","):
        name, _, value = entry.partition("=")
        if problem := _unknown(name):
            raise _no_rates(text, problem)
        rates.pop(name, None)
        if value != "none":
            rates[name] = _parse_rate(value, text)
    return rates


def _unknown(name: str) -> str | None:
    if name in {BATCH, EACH_BATCH_OPERATION, FARGATE_LAUNCHES}:
        return None
    service, colon, operation = name.partition(":")
    if not colon:
        return f"{name!r} names no rate"
    if "*" in operation:
        return f"{name!r} names no rate: only {EACH_BATCH_OPERATION!r} stands for many operations"
    return unknown_operation(operation, [service])


def _parse_rate(value: str, text: str) -> Rate:
    per_second, _, burst = value.partition("/")
    try:
        rate = float(per_second)
        return Rate(rate, float(burst) if burst else max(1.0, rate))
    except ValueError as error:
        raise _no_rates(text, f"{value!r} is no RATE[/BURST]") from error


def _no_rates(text: str, problem: str) -> LocalAwsError:
    return LocalAwsError(
        f"rates {text!r}: {problem}; give 'documented', 'none', or a list like "
        "'batch:SubmitJob=50/50,logs:GetLogEvents=none,batch=100,fargate=20/100' (--rates)"
    )


def with_batch_rate(
    rates: Mapping[str, Rate], rate: float, burst: float | None, scope: RateScope
) -> Mapping[str, Rate]:
    """Replace Batch's rates by one.

    Args:
        rates: all rates.
        rate: calls a second.
        burst: calls at once; None for a second's (at least one).
        scope: whether each operation takes as many, or the account for all of them together: AWS
            does not say which of both its quotas are.
    """
    others = {name: each for name, each in rates.items() if name.partition(":")[0] != BATCH}
    name = BATCH if scope == "account" else EACH_BATCH_OPERATION
    return {**others, name: Rate(rate, max(1.0, rate) if burst is None else burst)}
