"""One shared set of AWS clients, and the one place where AWS's errors become ours."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError as BotoConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from miniwdl_aws import __version__
from miniwdl_aws.errors import (
    AwsAccessDeniedError,
    AwsCredentialsError,
    AwsError,
    AwsNotFoundError,
    AwsThrottledError,
    AwsUnavailableError,
    ConfigurationError,
)

if TYPE_CHECKING:
    import boto3
    import botocore.session
    from botocore.config import Config
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_efs import EFSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

MAX_CONNECTIONS = 50
"""Kept-alive connections a client; Batch takes 50 SubmitJob calls a second an account."""

_CREDENTIAL_CODES = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
    }
)
_DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
)
_NOT_FOUND_CODES = frozenset(
    {
        "ResourceNotFoundException",
        "AccessPointNotFound",
        "FileSystemNotFound",
        "NoSuchBucket",
        "NoSuchKey",
        "NotFound",
        "404",
    }
)
_THROTTLE_CODES = frozenset(
    {
        "TooManyRequestsException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "SlowDown",
        "503 Slow Down",
    }
)
_SERVER_ERROR = 500

_ASKED = {
    *("batch", "ec2", "elasticfilesystem", "logs", "s3", "api.sagemaker"),
    *("sts", "oidc", "portal.sso"),
}
"""The services that are asked, and those that give credentials, by the names of their endpoints."""


class AwsClients:
    """The AWS clients of one region, made when first asked for and shared by all threads.

    boto3 clients are safe to share between threads; sessions are not, so a lock guards the
    making (boto3 guide, "Clients: Multithreading or multiprocessing with clients").

    Nothing of boto3 is loaded before: it takes 25 MiB, and a runner that publishes nothing never
    needs it. Without a session of the caller's, its lower half does, botocore.

    Args:
        session: the boto3 session with credentials and region; the default chain if not given.
        region: the region, if the session's own is not meant.
        max_attempts: how often boto3 itself tries a request.
    """

    def __init__(
        self,
        session: "boto3.session.Session | None" = None,
        *,
        region: str | None = None,
        max_attempts: int = 6,
    ) -> None:
        self._given = session
        self._region = region or (session.region_name if session else None)
        self._max_attempts = max_attempts
        self._lock = threading.RLock()
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """The region of all clients.

        Raises:
            ConfigurationError: none is set anywhere that boto3 looks.
        """
        if not self._region and self._given is None:
            self._region = self._session.get_config_variable("region")
        if not self._region:
            raise ConfigurationError(
                "region",
                "is not set",
                remedy="Set AWS_DEFAULT_REGION, the profile's region, or the connection's "
                "region_name.",
            )
        return self._region

    @property
    def batch(self) -> "BatchClient":
        """AWS Batch."""
        return self._client("batch")  # type: ignore[no-any-return]

    @property
    def batch_once(self) -> "BatchClient":
        """AWS Batch, for requests that must not be repeated blindly: boto3 sends them once."""
        return self._client("batch", once=True)  # type: ignore[no-any-return]

    @property
    def ec2(self) -> "EC2Client":
        """Amazon EC2."""
        return self._client("ec2")  # type: ignore[no-any-return]

    @property
    def efs(self) -> "EFSClient":
        """Amazon EFS."""
        return self._client("efs")  # type: ignore[no-any-return]

    @property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        return self._client("logs")  # type: ignore[no-any-return]

    @property
    def s3(self) -> "S3Client":
        """Amazon S3."""
        return self._client("s3")  # type: ignore[no-any-return]

    @property
    def public_s3(self) -> "S3Client":
        """Amazon S3 without credentials, as everybody sees it."""
        return self._client("s3", signed=False)  # type: ignore[no-any-return]

    @property
    def sagemaker(self) -> Any:  # its stubs are not worth a dependency for two requests
        """Amazon SageMaker AI."""
        return self._client("sagemaker")

    @functools.cached_property
    def _session(self) -> "botocore.session.Session":
        with aws_errors("CreateSession"):
            return _spare_session()

    def _make(self, service: str, **settings: Any) -> Any:
        if self._given is not None:
            return self._given.client(service, **settings)  # type: ignore[call-overload]
        return self._session.create_client(service, **settings)

    def _client(self, service: str, *, once: bool = False, signed: bool = True) -> Any:
        key = f"{service} {once=} {signed=}"
        with self._lock:
            if key not in self._clients:
                with aws_errors("CreateClient", service):
                    self._clients[key] = self._make(
                        service,
                        region_name=self.region,
                        config=_config(1 if once else self._max_attempts, signed=signed),
                    )
            return self._clients[key]


def _spare_session() -> "botocore.session.Session":
    """Make a session that keeps only what is needed of botocore's table of endpoints, of 7 MiB.

    The table is of the time before each service had rules of its own; for what is not in it,
    botocore puts together the address as it does for most that is.
    """
    from botocore.loaders import JSONFileLoader, create_loader  # noqa: PLC0415  (see `AwsClients`)
    from botocore.session import Session  # noqa: PLC0415  (as above)

    class SpareFiles(JSONFileLoader):
        def load_file(self, file_path: str) -> Any:
            content = super().load_file(file_path)
            if content and file_path.endswith("endpoints"):
                for partition in content["partitions"]:
                    all_ = partition["services"]
                    partition["services"] = {name: all_[name] for name in _ASKED & all_.keys()}
            return content

    session = Session()
    loader = create_loader(session.get_config_variable("data_path"))
    loader.file_loader = SpareFiles()
    session.register_component("data_loader", loader)
    return session


def _config(max_attempts: int, *, signed: bool = True) -> "Config":
    from botocore import UNSIGNED  # noqa: PLC0415  (see `AwsClients`)
    from botocore.config import Config  # noqa: PLC0415

    return Config(
        signature_version=None if signed else UNSIGNED,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        max_pool_connections=MAX_CONNECTIONS,
        user_agent_extra=f"miniwdl-aws/{__version__}",
        connect_timeout=10,
        read_timeout=60,
    )


@contextmanager
def aws_errors(operation: str, resource: str = "") -> Iterator[None]:
    """Translate what boto3 raises inside the block into the tree of `errors`.

    Args:
        operation: the API operation, for the message.
        resource: what the request is about, for the message.

    Raises:
        AwsError: the translated error, with boto3's as its cause.
        ConfigurationError: boto3 found no region or profile.
    """
    try:
        yield
    except ClientError as exc:
        raise _from_client_error(exc, operation, resource) from exc
    except (NoRegionError, ProfileNotFound) as exc:
        field = "region" if isinstance(exc, NoRegionError) else "profile"
        raise ConfigurationError(
            field, "is not usable", value=str(exc), remedy="Set AWS_DEFAULT_REGION or AWS_PROFILE."
        ) from exc
    except (NoCredentialsError, PartialCredentialsError, TokenRetrievalError) as exc:
        raise _from_botocore(AwsCredentialsError, exc, operation, resource) from exc
    except (BotoConnectionError, HTTPClientError) as exc:
        raise _from_botocore(AwsUnavailableError, exc, operation, resource) from exc
    except BotoCoreError as exc:
        raise _from_botocore(AwsError, exc, operation, resource) from exc


def _from_botocore(
    error: type[AwsError], exc: BotoCoreError, operation: str, resource: str
) -> AwsError:
    return error(operation, type(exc).__name__, str(exc), resource=resource)


def _from_client_error(exc: ClientError, operation: str, resource: str) -> AwsError:
    answer = exc.response.get("Error", {})
    metadata = exc.response.get("ResponseMetadata", {})
    code = str(answer.get("Code", "Unknown"))
    return error_class(code, metadata.get("HTTPStatusCode", 0))(
        operation,
        code,
        str(answer.get("Message", exc)),
        resource=resource,
        request_id=metadata.get("RequestId", ""),
    )


def error_class(code: str, http_status: int) -> type[AwsError]:
    """Choose the class for an error code of AWS; total: what is unknown is a plain `AwsError`."""
    for codes, error in (
        (_CREDENTIAL_CODES, AwsCredentialsError),
        (_DENIED_CODES, AwsAccessDeniedError),
        (_NOT_FOUND_CODES, AwsNotFoundError),
        (_THROTTLE_CODES, AwsThrottledError),
    ):
        if code in codes:
            return error
    return AwsUnavailableError if http_status >= _SERVER_ERROR else AwsError
