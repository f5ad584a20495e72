"""A task that talks to AWS through the connections that its arguments name."""

from collections.abc import Mapping
from types import MappingProxyType

from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import MiniwdlAwsHook


class ConnectedTask:
    """Mixed into operators and sensors.

    Attributes:
        miniwdl_conn_id: the connection of type ``miniwdl_aws``; the default one may be missing.
        aws_conn_id: amazon's connection with the credentials.
        region_name: the region.
        resumed: whether this process goes on with a task that was deferred.
        stored_links: addresses of links that this process has stored, by XCom key.
    """

    miniwdl_conn_id: str | None
    aws_conn_id: str | None
    region_name: str | None
    resumed: bool = False
    stored_links: Mapping[str, str] = MappingProxyType({})

    def make_hook(self) -> MiniwdlAwsHook:
        """Give the hook to AWS and to the connection's settings."""
        return MiniwdlAwsHook(
            self.miniwdl_conn_id, aws_conn_id=self.aws_conn_id, region_name=self.region_name
        )
