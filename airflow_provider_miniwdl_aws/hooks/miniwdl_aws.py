"""The connection type ``miniwdl_aws``: defaults of submissions, and where AWS is."""

import difflib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_miniwdl_aws.compat import AirflowNotFoundException
from miniwdl_aws.errors import ConfigurationError, MiniwdlAwsError
from miniwdl_aws.settings import SETTINGS, Layer, connection_layer

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    from miniwdl_aws.clients import AwsClients

DEFAULT_CONNECTION = "miniwdl_aws_default"

AMAZON_DEFAULT_CONNECTION = "aws_default"
"""Amazon's hooks take boto3's default chain where this one is missing, and so do we."""


class MiniwdlAwsHook(BaseHook):
    """Gives the AWS clients and the settings that an Airflow connection holds.

    The connection's extra holds defaults for any setting of a submission by its name, and
    ``aws_conn_id`` and ``region_name``. The default connection may be missing; then it says
    nothing. Use a hook in threads, never on the triggerer's event loop: it asks Airflow for
    connections, and amazon's hooks take locks while they do.

    Args:
        miniwdl_conn_id: the connection of type ``miniwdl_aws``; None for none.
        aws_conn_id: amazon's connection with the credentials; that of the extra if not given,
            and boto3's default chain if neither names one.
        region_name: the region; else that of the extra, of the AWS connection, of boto3.
    """

    conn_name_attr: ClassVar[str] = "miniwdl_conn_id"
    default_conn_name: ClassVar[str] = DEFAULT_CONNECTION
    conn_type: ClassVar[str] = "miniwdl_aws"
    hook_name: ClassVar[str] = "miniwdl on AWS Batch"

    def __init__(
        self,
        miniwdl_conn_id: str | None = DEFAULT_CONNECTION,
        *,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
    ) -> None:
        super().__init__()
        self.miniwdl_conn_id = miniwdl_conn_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self._lock = threading.RLock()
        self._extra: Mapping[str, Any] | None = None
        self._clients: AwsClients | None = None

    @property
    def extra(self) -> Mapping[str, Any]:
        """The connection's extra; empty if the default connection is missing.

        Raises:
            ConfigurationError: a connection other than the default one is missing.
        """
        with self._lock:
            if self._extra is None:
                self._extra = self._read_extra()
            return self._extra

    @property
    def clients(self) -> "AwsClients":
        """The AWS clients, made once.

        Raises:
            ConfigurationError: a named connection is missing.
            AwsError: no session can be made of it.
        """
        with self._lock:
            if self._clients is None:
                self._clients = self._make_clients()
            return self._clients

    def get_conn(self) -> "AwsClients":
        """Give the AWS clients, under the name that Airflow's hooks have for it."""
        return self.clients

    def connection_layer(self) -> Layer:
        """Give the settings that the connection holds.

        Raises:
            ConfigurationError: one of them has no legal value.
        """
        return connection_layer(self.extra, str(self.miniwdl_conn_id))

    def unknown_extra(self) -> list[str]:
        """Name the keys of the extra that nothing reads, each with the likely meaning."""
        known = sorted({"aws_conn_id", "region_name", *(each.name for each in SETTINGS)})
        sentences = []
        for key in sorted(set(self.extra) - set(known)):
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            sentences.append(
                f"extra {key!r} of connection {self.miniwdl_conn_id} is not read by anything{hint}"
            )
        return sentences

    def test_connection(self) -> tuple[bool, str]:
        """Ask AWS Batch about the workflow queue, for the connection form's test button.

        Returns:
            Whether it answered as it should, and a sentence.
        """
        from miniwdl_aws.clients import aws_errors  # noqa: PLC0415  (boto3 is not for parsing DAGs)

        try:
            layer = self.connection_layer()
            queue = layer["workflow_queue"].value if "workflow_queue" in layer else None
            with aws_errors("DescribeJobQueues", queue or ""):
                answer = self.clients.batch.describe_job_queues(
                    **({"jobQueues": [queue]} if queue else {"maxResults": 1})
                )
        except MiniwdlAwsError as exc:
            return False, str(exc)
        if queue and not answer["jobQueues"]:
            return False, f"job queue {queue} does not exist in {self.clients.region}"
        state = f"; job queue {queue} is {answer['jobQueues'][0]['state']}" if queue else ""
        return True, "; ".join(
            [f"AWS Batch answers in {self.clients.region}{state}", *self.unknown_extra()]
        )

    def _read_extra(self) -> Mapping[str, Any]:
        if not self.miniwdl_conn_id:
            return {}
        try:
            return dict(self.get_connection(self.miniwdl_conn_id).extra_dejson)
        except AirflowNotFoundException as exc:
            if self.miniwdl_conn_id == DEFAULT_CONNECTION:
                return {}
            raise _missing_connection("miniwdl_conn_id", self.miniwdl_conn_id, "argument") from exc

    def _make_clients(self) -> "AwsClients":
        from miniwdl_aws.clients import AwsClients  # noqa: PLC0415  (as above)

        aws_conn_id = self.aws_conn_id or self.extra.get("aws_conn_id")
        region = self.region_name or self.extra.get("region_name")
        if not aws_conn_id:
            return AwsClients(region=region)
        return AwsClients(self._session(str(aws_conn_id), region), region=region)

    def _session(self, aws_conn_id: str, region: str | None) -> Any:
        from airflow.providers.amazon.aws.hooks.base_aws import (  # noqa: PLC0415  (as above)
            AwsGenericHook,
        )

        source = "argument" if self.aws_conn_id else f"connection {self.miniwdl_conn_id}"
        if aws_conn_id != AMAZON_DEFAULT_CONNECTION:
            try:
                self.get_connection(aws_conn_id)
            except AirflowNotFoundException as exc:
                raise _missing_connection("aws_conn_id", aws_conn_id, source) from exc
        hook: AwsGenericHook[Any] = AwsGenericHook(aws_conn_id=aws_conn_id, region_name=region)
        return _ConnectionSession(hook, region)


class _ConnectionSession:
    """A boto3 session that makes clients as the AWS connection says: endpoint, TLS, options."""

    def __init__(self, hook: "AwsGenericHook[Any]", region: str | None) -> None:
        self._hook = hook
        # Any: boto3-stubs give clients by literal service names, this class gives any.
        self._session: Any = hook.get_session(region_name=region)
        self.region_name: str | None = self._session.region_name

    def client(self, service: str, *, region_name: str, config: Any) -> Any:
        """Make a client; our own options give way to those of the connection.

        Except that what we send once alone is sent once, however often it would try.
        """
        endpoint = self._hook.conn_config.get_service_endpoint_url(service)
        merged = config.merge(self._hook.config)
        if (config.retries or {}).get("total_max_attempts") == 1:
            merged.retries = config.retries
        return self._session.client(
            service,
            region_name=region_name,
            config=merged,
            verify=self._hook.verify,
            **({"endpoint_url": endpoint} if endpoint else {}),
        )


def _missing_connection(field: str, connection_id: str, source: str) -> ConfigurationError:
    return ConfigurationError(
        field,
        "is not a connection of this Airflow",
        value=connection_id,
        source=source,
        remedy=f"Create the connection {connection_id}, or correct the name.",
    )
