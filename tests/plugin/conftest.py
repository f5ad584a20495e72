"""What the plugin's tests share: the local AWS as this process's AWS."""

import logging
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.discover import discover
from miniwdl_aws.settings import SubmitSettings, arguments_layer, environment_layer

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A command sets how much the package logs, for its process; no test's is another's."""
    logger = logging.getLogger("miniwdl_aws")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def aws(local_aws: "LocalAws", local_aws_environment: object) -> "LocalAws":
    """The local AWS, with its environment in force."""
    return local_aws


@pytest.fixture
def clients(aws: "LocalAws") -> AwsClients:
    return AwsClients()


@pytest.fixture
def settings(aws: "LocalAws", clients: AwsClients) -> SubmitSettings:
    """The settings that the local AWS's queue tags give, with any image."""
    layers = [
        arguments_layer({"image": "local", "s3upload": f"s3://{aws.bucket}/runs"}),
        environment_layer(aws.environment),
    ]
    return discover(clients, layers, {})


@pytest.fixture
def run_key() -> str:
    return f"test/{uuid.uuid4()}"
