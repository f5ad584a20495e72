"""A task that talks to AWS through the connections that its arguments name."""

from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import MiniwdlAwsHook


class ConnectedTask:
    """Mixed into operators and sensors.

    Attributes:
        miniwdl_conn_id: the connection of type ``miniwdl_aws``; the default one may be missing.
        aws_conn_id: amazon's connection with the credentials.
        region_name: the region.
    """

    miniwdl_conn_id: str | None
    aws_conn_id: str | None
    region_name: str | None

    def make_hook(self) -> MiniwdlAwsHook:
        """Give the hook to AWS and to the connection's settings."""
        return MiniwdlAwsHook(
            self.miniwdl_conn_id, aws_conn_id=self.aws_conn_id, region_name=self.region_name
        )
