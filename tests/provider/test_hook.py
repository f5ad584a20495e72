"""Tests of `MiniwdlAwsHook`."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_miniwdl_aws.hooks import MiniwdlAwsHook
from miniwdl_aws.errors import ConfigurationError

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

Connect = Callable[..., str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Define an Airflow connection, as people do in the environment."""

    def define(name: str, conn_type: str = "miniwdl_aws", **fields: Any) -> str:
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": conn_type, **fields})
        )
        return name

    return define


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS anywhere in the environment."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
                 "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


def test_the_default_connection_may_be_missing() -> None:
    """An Airflow without any connection works from the environment and the queue's tags."""
    hook = MiniwdlAwsHook()
    assert hook.extra == {}
    assert hook.connection_layer() == {}


@pytest.mark.parametrize("field", ["miniwdl_conn_id", "aws_conn_id"])
def test_a_named_connection_must_exist(field: str) -> None:
    """A typing error in a connection's name must not lead to some other account."""
    hook = MiniwdlAwsHook(**{field: "prodution"})
    with pytest.raises(ConfigurationError, match=r"'prodution' .* is not a connection") as caught:
        _ = hook.clients
    assert caught.value.field == field


def test_the_extra_holds_settings(connect: Connect) -> None:
    """Each setting is read by its name, checked, and knows where it came from."""
    hook = MiniwdlAwsHook(
        connect("lab", extra={"workflow_queue": "q", "cpu": 2, "region_name": "x"})
    )
    layer = hook.connection_layer()
    assert {name: sourced.value for name, sourced in layer.items()} == {
        "workflow_queue": "q",
        "cpu": 2.0,
    }
    assert layer["cpu"].source == "connection lab"


def test_a_wrong_setting_names_the_connection(connect: Connect) -> None:
    """The message leads to the place where the value was written."""
    hook = MiniwdlAwsHook(connect("lab", extra={"fsap": "fs-123"}))
    with pytest.raises(ConfigurationError, match=r"fsap 'fs-123' \(from connection lab\)"):
        hook.connection_layer()


def test_a_misspelled_setting_is_named(connect: Connect) -> None:
    """What nothing reads is said, with the likely meaning."""
    hook = MiniwdlAwsHook(connect("lab", extra={"workflow_que": "q"}))
    (sentence,) = hook.unknown_extra()
    assert sentence == (
        "extra 'workflow_que' of connection lab is not read by anything; did you mean "
        "workflow_queue?"
    )


@pytest.mark.usefixtures("nowhere")
def test_the_region_comes_from_argument_then_extra_then_aws_connection(connect: Connect) -> None:
    """The nearest place decides."""
    connect("aws_lab", "aws", extra={"region_name": "eu-west-1"})
    plain = connect("plain", extra={"aws_conn_id": "aws_lab"})
    regional = connect("regional", extra={"aws_conn_id": "aws_lab", "region_name": "eu-north-1"})
    assert MiniwdlAwsHook(plain).clients.region == "eu-west-1"
    assert MiniwdlAwsHook(regional).clients.region == "eu-north-1"
    assert MiniwdlAwsHook(regional, region_name="us-east-2").clients.region == "us-east-2"


@pytest.mark.usefixtures("nowhere")
def test_no_region_anywhere_is_an_error(connect: Connect) -> None:
    """The message says where a region can be set."""
    clients = MiniwdlAwsHook(connect("lab", extra={})).clients
    with pytest.raises(ConfigurationError, match="region is not set"):
        _ = clients.region


@pytest.mark.usefixtures("nowhere")
def test_the_aws_connection_gives_credentials_and_endpoint(
    connect: Connect, local_aws: "LocalAws"
) -> None:
    """Everything that amazon's connection says holds for our clients too."""
    given = local_aws.environment
    connect(
        "aws_lab",
        "aws",
        login=given["AWS_ACCESS_KEY_ID"],
        password=given["AWS_SECRET_ACCESS_KEY"],
        extra={"endpoint_url": given["AWS_ENDPOINT_URL"], "region_name": "us-west-2"},
    )
    lab = connect("lab", extra={"aws_conn_id": "aws_lab", "workflow_queue": "miniwdl-workflow"})
    good, message = MiniwdlAwsHook(lab).test_connection()
    assert good, message
    assert message == "AWS Batch answers in us-west-2; job queue miniwdl-workflow is ENABLED"


def test_no_connection_makes_requests_be_repeated_blindly(connect: Connect) -> None:
    """SubmitJob is sent once, though the AWS connection has all else tried ten times."""
    connect(
        "patient",
        "aws",
        extra={"region_name": "us-west-2", "config_kwargs": {"retries": {"max_attempts": 10}}},
    )
    clients = MiniwdlAwsHook(aws_conn_id="patient").clients
    made: list[Any] = [clients.batch, clients.batch_once]
    tries = [each.meta.config.retries["total_max_attempts"] for each in made]
    assert tries == [11, 1]


@pytest.mark.usefixtures("aws")
def test_the_test_button_tells_what_is_wrong(connect: Connect) -> None:
    """A queue that is not there is a failed test, with its name."""
    good, message = MiniwdlAwsHook(connect("lab", extra={"workflow_queue": "no"})).test_connection()
    assert (good, message) == (False, "job queue no does not exist in us-west-2")
    good, message = MiniwdlAwsHook("missing").test_connection()
    assert not good
    assert "missing" in message
