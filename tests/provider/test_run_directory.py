"""Tests of the operators that publish and delete run directories, on the local AWS."""

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_miniwdl_aws.operators import (
    MiniwdlEfsCleanupOperator,
    MiniwdlRunOperator,
    MiniwdlS3UploadOperator,
)
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import JobError

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

ROOT = "/mnt/efs/miniwdl_run"


@pytest.fixture
def run_dir(worker: Any, hello: Path) -> str:
    """A run directory of a run that succeeded and is not published."""
    tries = worker(
        MiniwdlRunOperator(task_id="run", wdl=hello, inputs={"name": "Ada"}, deferrable=False)
    )
    tries.execute()
    return str(tries.ti.xcoms["run_dir"])


def on_disk(aws: "LocalAws", run_dir: str) -> Path:
    return aws.efs_dir / Path(run_dir).relative_to("/mnt/efs")


def test_a_run_is_published_and_then_deleted(
    aws: "LocalAws", clients: AwsClients, worker: Any, triggerer: Any, run_dir: str
) -> None:
    """Upload, then cleanup, each a deferred task of its own."""
    target = f"s3://{aws.bucket}/published/{uuid.uuid4()}/"
    upload = worker(MiniwdlS3UploadOperator(task_id="up", run_dir=run_dir, s3upload=target))
    deferral = upload.execute()
    value = upload.resume(deferral, triggerer.run(deferral))
    assert value["published"] == upload.ti.xcoms["published"] == target
    assert value["object_count"] > 0
    key = target.removeprefix(f"s3://{aws.bucket}/") + "outputs.json"
    outputs = json.load(clients.s3.get_object(Bucket=aws.bucket, Key=key)["Body"])
    assert outputs == value["outputs"] == {"hello.greeting": "Hello, Ada!"}

    assert on_disk(aws, run_dir).is_dir()
    cleanup = worker(MiniwdlEfsCleanupOperator(task_id="clean", run_dir=run_dir, published=target))
    deferral = cleanup.execute()
    value = cleanup.resume(deferral, triggerer.run(deferral))
    assert value["deleted"] is True
    assert not on_disk(aws, run_dir).exists()


def test_what_is_not_published_is_deleted_only_by_force(
    aws: "LocalAws", worker: Any, run_dir: str
) -> None:
    """Results are not lost by a task in the wrong order."""
    with pytest.raises(JobError):
        worker(
            MiniwdlEfsCleanupOperator(task_id="clean", run_dir=run_dir, deferrable=False)
        ).execute()
    assert on_disk(aws, run_dir).is_dir()
    forced = MiniwdlEfsCleanupOperator(
        task_id="clean", run_dir=run_dir, force=True, deferrable=False
    )
    assert worker(forced).execute()["deleted"] is True
    assert not on_disk(aws, run_dir).exists()


@pytest.mark.parametrize(
    "run_dir", ["", "/mnt/efs", ROOT, f"{ROOT}/../other", "/mnt/efs/miniwdl_run2/x", "relative"]
)
@pytest.mark.parametrize("operator", [MiniwdlS3UploadOperator, MiniwdlEfsCleanupOperator])
def test_only_directories_below_the_run_root(
    aws: "LocalAws", worker: Any, operator: Any, run_dir: str
) -> None:
    """Anything else is refused before a job is submitted."""
    arguments = {"s3upload": f"s3://{aws.bucket}/x"} if "S3" in operator.__name__ else {}
    with pytest.raises(AirflowFailException, match=f"not below the run root {ROOT}"):
        worker(operator(task_id="t", run_dir=run_dir, **arguments)).execute()


def test_an_upload_needs_a_target(worker: Any) -> None:
    """The message lists every place where it can be set."""
    with pytest.raises(AirflowFailException, match=r"s3upload is not set.*argument s3upload"):
        worker(MiniwdlS3UploadOperator(task_id="up", run_dir=f"{ROOT}/x")).execute()
