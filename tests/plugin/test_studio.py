"""Tests of `miniwdl_aws.studio`: the local AWS, and stubbed answers of SageMaker."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from miniwdl_aws.backend.settings import read_settings
from miniwdl_aws.backend.studio import InStudio, in_studio
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.discover import discover
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.settings import arguments_layer
from miniwdl_aws.studio import QUEUE_TAG, Studio, detect_studio, home_here, studio_layer

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

UID = 200_005


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    path = tmp_path / "resource-metadata.json"
    path.write_text(json.dumps({"DomainId": "d-abc", "UserProfileName": "ada"}))
    return path


@pytest.fixture
def sagemaker(clients: AwsClients, aws: "LocalAws") -> Iterator[Stubber]:
    with Stubber(clients.sagemaker) as stub:
        stub.add_response(
            "describe_domain",
            {"DomainId": "d-abc", "HomeEfsFileSystemId": aws.file_system_id},
            {"DomainId": "d-abc"},
        )
        stub.add_response(
            "describe_user_profile",
            {"HomeEfsFileSystemUid": str(UID)},
            {"DomainId": "d-abc", "UserProfileName": "ada"},
        )
        yield stub


@pytest.fixture
def access_point(clients: AwsClients, aws: "LocalAws") -> Iterator[str]:
    """The access point of the user's home directory, and one of another user's."""
    made = [
        clients.efs.create_access_point(
            FileSystemId=aws.file_system_id,
            ClientToken=f"token-{uid}",
            RootDirectory={"Path": f"/{uid}"},
            PosixUser={"Uid": uid, "Gid": uid},
        )["AccessPointId"]
        for uid in (UID + 1, UID)
    ]
    yield made[1]
    for each in made:
        clients.efs.delete_access_point(AccessPointId=each)


@pytest.fixture
def tagged(clients: AwsClients, aws: "LocalAws") -> Iterator[None]:
    """The workflow queue and one task queue bear the domain's file system."""
    queues = clients.batch.describe_job_queues(jobQueues=["miniwdl-workflow", "miniwdl-task"])
    arns = [queue["jobQueueArn"] for queue in queues["jobQueues"]]
    for arn in arns:
        clients.batch.tag_resource(resourceArn=arn, tags={QUEUE_TAG: aws.file_system_id})
    yield
    for arn in arns:
        clients.batch.untag_resource(resourceArn=arn, tagKeys=[QUEUE_TAG])


@pytest.mark.usefixtures("sagemaker", "tagged")
def test_studio_gives_what_nothing_else_does(
    clients: AwsClients, aws: "LocalAws", metadata: Path, access_point: str
) -> None:
    """Its access point and queues are found; jobs see the home directory at the mount point."""
    studio = detect_studio(clients, {"HOME": "/root"}, metadata)
    assert studio == Studio(domain="d-abc", fs=aws.file_system_id, uid=str(UID), home="/root")
    layer = studio_layer(clients, studio)
    assert {name: sourced.value for name, sourced in layer.items()} == {
        "fsap": access_point,
        "workflow_queue": "miniwdl-workflow",
        "task_queue": "miniwdl-task",
    }
    settings = discover(clients, [arguments_layer({"image": "local"})], {}, studio=studio)
    assert settings.sources["workflow_queue"] == "SageMaker Studio domain d-abc"
    assert settings.sources["fsap"].startswith("tag ")
    assert home_here(clients, studio, access_point) == "/root"
    assert home_here(clients, studio, settings.fsap) == ""


class Options:
    """Options of miniwdl by section and key."""

    def __init__(self, **options: str) -> None:
        self.options = {"file_io__root": "/root", **options}

    def get(self, section: str, key: str, default: str | None = None) -> str:
        return self.options.get(f"{section}__{key}", default or "")


@pytest.mark.usefixtures("sagemaker", "tagged")
def test_miniwdl_run_in_studio_needs_no_configuration(
    clients: AwsClients, aws: "LocalAws", metadata: Path, access_point: str
) -> None:
    """Task jobs mount the home directory, go to the tagged queue, and are the user's own."""
    found = in_studio(Options(), {"HOME": "/root"}, clients=clients, metadata=metadata)
    assert found is not None
    settings = read_settings(found, user=found.user)
    assert (settings.fsap, settings.fs) == (access_point, aws.file_system_id)
    assert (settings.task_queue, settings.mount) == ("miniwdl-task", "/root")
    assert found.user == f"{UID}:{UID}"
    configured = InStudio(Options(aws__task_queue="mine"), found.found, found.user)
    assert read_settings(configured, user=found.user).task_queue == "mine"


@pytest.mark.usefixtures("sagemaker")
@pytest.mark.parametrize("option", ["aws__fs", "file_io__root"])
def test_another_file_system_is_refused_in_studio(
    clients: AwsClients, metadata: Path, option: str
) -> None:
    """Task jobs would not find what the terminal has written."""
    with pytest.raises(ConfigurationError, match="SageMaker Studio domain d-abc"):
        in_studio(Options(**{option: "/x"}), {"HOME": "/root"}, clients=clients, metadata=metadata)


def test_elsewhere_there_is_no_studio(clients: AwsClients, tmp_path: Path) -> None:
    """Neither the file nor what is in it is taken for granted, and nobody is asked."""
    assert detect_studio(clients, {"HOME": "/root"}, tmp_path / "none.json") is None
    (tmp_path / "bad.json").write_text('{"DomainId": ')
    assert detect_studio(clients, {"HOME": "/root"}, tmp_path / "bad.json") is None
    assert studio_layer(clients, None) == {}
    assert in_studio(Options(), {"HOME": "/root"}, metadata=tmp_path / "none.json") is None
    assert home_here(clients, None, "fsap-1") == ""


def test_a_studio_that_cannot_be_asked_is_warned_of(
    clients: AwsClients, metadata: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The submission goes on with what is set elsewhere."""
    with Stubber(clients.sagemaker) as stub, caplog.at_level(logging.WARNING):
        stub.add_client_error("describe_domain", "AccessDeniedException", "no", 403)
        assert detect_studio(clients, {"HOME": "/root"}, metadata) is None
    assert "AccessDeniedException" in caplog.text
