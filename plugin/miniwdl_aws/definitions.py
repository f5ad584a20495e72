"""The job definitions that runs leave behind: equal runs share one, and deregister none."""

import re
from collections.abc import Iterator

from miniwdl_aws.clients import AwsClients, aws_errors

FAMILY = re.compile(r"miniwdl-(task|workflow)-[0-9a-f]{16}")
"""The names of definitions of ours: the kind of job, and the hash of their content."""


def active_definitions(clients: AwsClients) -> Iterator[str]:
    """Give the ARNs of all active job definitions of ours.

    Raises:
        AwsError: Batch could not be asked.
    """
    paginator = clients.batch.get_paginator("describe_job_definitions")
    with aws_errors("DescribeJobDefinitions"):
        for page in paginator.paginate(status="ACTIVE"):
            for definition in page["jobDefinitions"]:
                if FAMILY.fullmatch(definition["jobDefinitionName"]):
                    yield definition["jobDefinitionArn"]


def deregister(clients: AwsClients, arn: str) -> None:
    """Make a job definition inactive.

    Jobs that were submitted are not affected, and whoever needs it again registers it again.

    Raises:
        AwsError: Batch refused.
    """
    with aws_errors("DeregisterJobDefinition", arn):
        clients.batch.deregister_job_definition(jobDefinition=arn)
