"""Faults on demand: what goes wrong, when, and how it shows."""

from miniwdl_aws.local.faults.book import Faults, Strike
from miniwdl_aws.local.faults.kinds import KINDS, Stage
from miniwdl_aws.local.faults.rules import (
    FaultError,
    FaultRule,
    Subject,
    parse_fault,
    read_faults,
    rules_of,
)

__all__ = [
    "KINDS",
    "FaultError",
    "FaultRule",
    "Faults",
    "Stage",
    "Strike",
    "Subject",
    "parse_fault",
    "read_faults",
    "rules_of",
]
