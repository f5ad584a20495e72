"""Names of resources across AWS."""

from dataclasses import dataclass

from miniwdl_aws.local.settings import ACCOUNT_ID


@dataclass(frozen=True)
class Arns:
    """Makes the Amazon resource names of one region.

    Args:
        region: the region's name.
    """

    region: str

    def batch(self, kind: str, name: str) -> str:
        """Name a Batch resource, such as ``job`` or ``job-queue``."""
        return f"arn:aws:batch:{self.region}:{ACCOUNT_ID}:{kind}/{name}"

    def task(self, task_id: str) -> str:
        """Name the ECS task of a job's attempt."""
        return f"arn:aws:ecs:{self.region}:{ACCOUNT_ID}:task/miniwdl-local/{task_id}"

    def role(self, name: str) -> str:
        """Name an IAM role."""
        return f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"


def name_in(reference: str) -> str:
    """Return the last part of an ARN, or the reference itself if it is a name.

    >>> name_in("arn:aws:batch:us-west-2:123456789012:job-queue/short")
    'short'
    """
    return reference.rsplit("/", 1)[-1] if reference.startswith("arn:") else reference
