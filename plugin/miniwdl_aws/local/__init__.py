"""AWS on loopback, with Batch jobs that really run: the extra ``[local]``."""

from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.faults import FaultError, FaultRule, Faults
from miniwdl_aws.local.local_aws import LocalAws
from miniwdl_aws.local.settings import LocalAwsSettings

__all__ = [
    "FaultError",
    "FaultRule",
    "Faults",
    "LocalAws",
    "LocalAwsError",
    "LocalAwsSettings",
]
