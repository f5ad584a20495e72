"""AWS clients for the local AWS, without a change to this process's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import boto3

from miniwdl_aws.clients import AwsClients

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKFLOW_IMAGE = "miniwdl-aws:local"
"""The local AWS runs jobs as processes: any image will do, but a submission must name one."""


class _LocalSession:
    """A boto3 session whose clients all talk to one endpoint."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.region_name = environment["AWS_REGION"]
        self._endpoint = environment["AWS_ENDPOINT_URL"]
        self._session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.region_name,
        )

    def client(self, service: Any, **options: Any) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint, **options)


def local_clients(environment: Mapping[str, str]) -> AwsClients:
    """Make the clients that a local AWS's environment describes.

    Args:
        environment: what the local AWS gives to export.

    Returns:
        The clients.
    """
    return AwsClients(cast("boto3.Session", _LocalSession(environment)))


def submitter_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Give what Airflow's workers need to submit to a local AWS.

    Args:
        environment: what the local AWS gives to export.

    Returns:
        The variables, with an image.
    """
    return {**environment, "MINIWDL__AWS__WORKFLOW_IMAGE": WORKFLOW_IMAGE}
