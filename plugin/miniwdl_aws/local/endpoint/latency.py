"""How long calls take."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from miniwdl_aws.local.errors import LocalAwsError

_STANDARD = NormalDist()
_P99 = _STANDARD.inv_cdf(0.99)


@dataclass(frozen=True)
class Latency:
    """A distribution of the time that a call takes, in milliseconds.

    Attributes:
        shape: ``fixed`` (always ``low_ms``), ``uniform`` (from ``low_ms`` to ``high_ms``), or
            ``lognormal`` (half of the calls within ``low_ms``, 99 of 100 within ``high_ms``), the
            shape that the latencies of services have.
        low_ms: see ``shape``.
        high_ms: see ``shape``.
    """

    shape: Literal["fixed", "uniform", "lognormal"]
    low_ms: float
    high_ms: float

    def __post_init__(self) -> None:
        if not 0 <= self.low_ms <= self.high_ms < math.inf:
            raise LocalAwsError(
                f"latency_ms must not be negative, nor its end before its begin, got "
                f"{self.low_ms} and {self.high_ms}"
            )
        if self.shape == "lognormal" and self.low_ms == 0:
            raise LocalAwsError("latency_ms: the median of a lognormal latency must be positive")

    def seconds(self, share: float) -> float:
        """Return the time that a share of all calls stays within.

        Args:
            share: from 0 to 1, both excluded.
        """
        if self.shape == "lognormal":
            sigma = math.log(self.high_ms / self.low_ms) / _P99
            return self.low_ms / 1000 * math.exp(sigma * _STANDARD.inv_cdf(share))
        return (self.low_ms + share * (self.high_ms - self.low_ms)) / 1000


def fixed(milliseconds: float) -> Latency:
    """Return the latency of calls that all take as long."""
    return Latency("fixed", milliseconds, milliseconds)


NO_LATENCY = fixed(0)


def parse_latency(text: str) -> Latency:
    """Read what ``--latency-ms`` was given.

    Args:
        text: milliseconds, ``uniform:LOW-HIGH``, or ``lognormal:MEDIAN/P99``.

    Raises:
        LocalAwsError: it is none of these.

    >>> parse_latency("lognormal:40/300").seconds(0.5)
    0.04
    """
    shape, _, numbers = text.rpartition(":")
    try:
        if shape == "uniform":
            low, _, high = numbers.partition("-")
            return Latency("uniform", float(low), float(high))
        if shape == "lognormal":
            median, _, p99 = numbers.partition("/")
            return Latency("lognormal", float(median), float(p99))
        return fixed(float(text))
    except ValueError as error:
        raise LocalAwsError(
            f"latency {text!r} is neither milliseconds nor uniform:LOW-HIGH nor "
            "lognormal:MEDIAN/P99, all in milliseconds (--latency-ms)"
        ) from error
