"""Fair-share scheduling policies: whose jobs weigh how much."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.errors import BatchError, unsupported

_SHARE = re.compile(r"[A-Za-z0-9]{1,255}\*?")
_MAX_DECAY_SECONDS = 604_800
_DEFAULT_DECAY_SECONDS = 600
_MAX_RESERVATION = 99
_WEIGHTS = (0.0001, 999.9999)
MAX_SHARES = 500
"""Active share identifiers of a queue, and entries of a policy (Batch API, "CreateJobQueue",
"ShareAttributes"); the other numbers are those of "FairsharePolicy" and "ShareAttributes"."""


@dataclass(eq=False)
class SchedulingPolicy:
    """A fair-share scheduling policy.

    Attributes:
        name: its name.
        arn: its ARN.
        fair_share: its ``fairsharePolicy``.
        tags: its tags.
    """

    name: str
    arn: str
    fair_share: dict[str, Any]
    tags: dict[str, str]

    @property
    def decay_seconds(self) -> float:
        """How long past use counts."""
        return self.fair_share.get("shareDecaySeconds") or _DEFAULT_DECAY_SECONDS

    def weight(self, share: str) -> float:
        """Return a share identifier's weight factor; the lower, the more it gets."""
        for entry in self.fair_share.get("shareDistribution", []):
            if _covers(entry["shareIdentifier"], share):
                return float(entry.get("weightFactor", 1.0))
        return 1.0

    def reserved(self, active_shares: int) -> float:
        """Return the part of all vCPUs that is kept for share identifiers not yet active."""
        ratio: float = self.fair_share.get("computeReservation", 0) / 100
        return ratio**active_shares if active_shares else 0.0

    def describe(self) -> dict[str, Any]:
        """Return the entry of DescribeSchedulingPolicies."""
        return {
            "name": self.name,
            "arn": self.arn,
            "fairsharePolicy": self.fair_share,
            "tags": self.tags,
        }


def _covers(pattern: str, share: str) -> bool:
    if pattern.endswith("*"):
        return share.startswith(pattern[:-1])
    return pattern == share


def check_share(share: str) -> None:
    """Check a share identifier."""
    if not _SHARE.fullmatch(share):
        raise BatchError(
            "shareIdentifier has up to 255 alphanumeric characters, and may end with an asterisk; "
            f"got {share!r}"
        )


def _check(fair_share: Mapping[str, Any]) -> None:
    _check_range("shareDecaySeconds", fair_share.get("shareDecaySeconds", 0), _MAX_DECAY_SECONDS)
    _check_range("computeReservation", fair_share.get("computeReservation", 0), _MAX_RESERVATION)
    entries = fair_share.get("shareDistribution", [])
    if len(entries) > MAX_SHARES:
        raise BatchError(f"shareDistribution has more than {MAX_SHARES} entries: {len(entries)}")
    for position, entry in enumerate(entries):
        _check_entry(entry)
        for other in entries[:position]:
            _check_overlap(entry["shareIdentifier"], other["shareIdentifier"])


def _check_range(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise BatchError(f"{name} must be from 0 to {most}, got {value}")


def _check_entry(entry: Mapping[str, Any]) -> None:
    check_share(entry["shareIdentifier"])
    low, high = _WEIGHTS
    weight = entry.get("weightFactor", 1.0)
    if not low <= weight <= high:
        raise BatchError(f"weightFactor must be from {low} to {high}, got {weight}")


def _check_overlap(one: str, other: str) -> None:
    if _covers(one, other.rstrip("*")) or _covers(other, one.rstrip("*")):
        raise BatchError(f"shareDistribution: {one!r} and {other!r} overlap")


class SchedulingPolicies:
    """All scheduling policies of an account.

    Args:
        arns: makes their ARNs.
    """

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self._by_arn: dict[str, SchedulingPolicy] = {}

    def create(self, request: Mapping[str, Any]) -> SchedulingPolicy:
        """Add a policy, after checking it."""
        name = limits.name(request["name"], "Scheduling policy name")
        arn = self._arns.batch("scheduling-policy", name)
        if arn in self._by_arn:
            raise BatchError(f"Object already exists: scheduling policy {name}")
        limits.tags(request.get("tags", {}))
        policy = SchedulingPolicy(name, arn, _fair_share_in(request), dict(request.get("tags", {})))
        self._by_arn[arn] = policy
        return policy

    def update(self, request: Mapping[str, Any]) -> None:
        """Replace what a policy says."""
        policy = self.policy(request["arn"])
        if "fairsharePolicy" in request or "quotaSharePolicy" in request:
            policy.fair_share = _fair_share_in(request)

    def delete(self, arn: str) -> None:
        """Remove a policy that no queue uses (the caller sees to that)."""
        self._by_arn.pop(arn, None)

    def policy(self, arn: str) -> SchedulingPolicy:
        """Find a policy by its ARN."""
        policy = self._by_arn.get(arn)
        if policy is None:
            raise BatchError(f"Scheduling policy {arn} does not exist")
        return policy

    def policies(self, arns: list[str] | None = None) -> list[SchedulingPolicy]:
        """Return the policies that exist of some ARNs, or all."""
        if arns is None:
            return list(self._by_arn.values())
        return [self._by_arn[arn] for arn in arns if arn in self._by_arn]


def _fair_share_in(request: Mapping[str, Any]) -> dict[str, Any]:
    if request.get("quotaSharePolicy"):
        raise unsupported("Quota-share scheduling (quotaSharePolicy)")
    fair_share = dict(request.get("fairsharePolicy", {}))
    _check(fair_share)
    return fair_share
