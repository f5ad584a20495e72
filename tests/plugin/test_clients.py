"""Tests of `miniwdl_aws.clients`."""

from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.stub import Stubber

from miniwdl_aws import errors
from miniwdl_aws.clients import AwsClients, aws_errors, error_class


def session(region: str | None = "us-east-1") -> boto3.session.Session:
    return boto3.session.Session("key", "secret", region_name=region)


@pytest.mark.parametrize(
    ("code", "http_status", "expected"),
    [
        ("TooManyRequestsException", 429, errors.AwsThrottledError),
        ("AccessDeniedException", 403, errors.AwsAccessDeniedError),
        ("403", 403, errors.AwsAccessDeniedError),
        ("404", 404, errors.AwsNotFoundError),
        ("AccessPointNotFound", 404, errors.AwsNotFoundError),
        ("ExpiredToken", 400, errors.AwsCredentialsError),
        ("ServerException", 500, errors.AwsUnavailableError),
        ("ServiceUnavailable", 503, errors.AwsUnavailableError),
        ("ClientException", 400, errors.AwsError),
        ("NobodyHasSeenThis", 400, errors.AwsError),
    ],
)
def test_every_code_has_a_class(
    code: str, http_status: int, expected: type[errors.AwsError]
) -> None:
    """The map is total: what is unknown is a plain AwsError, never a crash."""
    assert error_class(code, http_status) is expected


def test_a_client_error_keeps_what_aws_said() -> None:
    """Operation, code, message, resource and request id are in the error."""
    client = session().client("batch")
    with Stubber(client) as stub:
        stub.add_client_error(
            "terminate_job",
            "AccessDeniedException",
            "not you",
            http_status_code=403,
            response_meta={"RequestId": "r-1"},
        )
        with (
            pytest.raises(errors.AwsAccessDeniedError) as caught,
            aws_errors("TerminateJob", "job-1"),
        ):
            client.terminate_job(jobId="job-1", reason="x")
    assert caught.value.request_id == "r-1"
    assert "TerminateJob of job-1 failed: AccessDeniedException: not you." in str(caught.value)
    assert isinstance(caught.value.__cause__, exceptions.ClientError)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (exceptions.NoCredentialsError(), errors.AwsCredentialsError),
        (exceptions.NoRegionError(), errors.ConfigurationError),
        (exceptions.ProfileNotFound(profile="p"), errors.ConfigurationError),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), errors.AwsUnavailableError),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), errors.AwsUnavailableError),
        (exceptions.ParamValidationError(report="bad"), errors.AwsError),
    ],
)
def test_what_boto3_raises_itself_is_translated(
    raised: Exception, expected: type[Exception]
) -> None:
    """Missing credentials and a silent endpoint are ours to explain, too."""
    with pytest.raises(expected), aws_errors("SubmitJob"):
        raise raised


def test_a_client_is_made_once_and_shared() -> None:
    """A client costs a tenth of a second and nine MiB."""
    clients = AwsClients(session())
    assert clients.batch is clients.batch


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1"]
)
@pytest.mark.parametrize("own", ["batch", "ec2", "efs", "logs", "s3", "sagemaker"])
def test_addresses_are_those_of_boto3(
    region: str, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each of AWS's partitions, though most of botocore's table of endpoints is not kept."""
    for name in ("AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{own.upper()}"):
        monkeypatch.delenv(name, raising=False)
    ours: Any = getattr(AwsClients(region=region), own)
    boto3s: Any = boto3.client(own, region_name=region)  # type: ignore[call-overload]
    assert ours.meta.endpoint_url == boto3s.meta.endpoint_url


def test_a_session_without_a_region_is_not_helped_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An Airflow connection says where it leads; without a session, the environment does."""
    clients = AwsClients(session(region=None))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with pytest.raises(errors.ConfigurationError, match="region"):
        _ = clients.region
    assert AwsClients().region == "eu-west-1"


def test_no_region_is_an_error_that_says_where_to_set_it() -> None:
    """Nothing is guessed."""
    with pytest.raises(errors.ConfigurationError, match="Set AWS_DEFAULT_REGION"):
        _ = AwsClients(session(region=None)).batch
