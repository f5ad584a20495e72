"""Tests of `miniwdl_aws.discover` on the local AWS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.discover import discover
from miniwdl_aws.errors import AwsUnavailableError, ConfigurationError
from miniwdl_aws.settings import SubmitSettings, arguments_layer, environment_layer

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws


def found(
    clients: AwsClients, arguments: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> SubmitSettings:
    given = {"workflow_queue": "miniwdl-workflow", "image": "local", **arguments}
    layers = [arguments_layer(given), environment_layer(environ or {})]
    return discover(clients, layers, environ or {})


def refused(clients: AwsClients, **arguments: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        found(clients, arguments)
    return caught.value


def test_the_tags_of_the_workflow_queue_give_what_is_not_set(clients: AwsClients) -> None:
    """With a queue and an image, everything else is found."""
    settings = found(clients, {})
    assert settings.task_queue.endswith(":job-queue/miniwdl-task")
    assert (settings.task_queue_fallback or "").endswith(":job-queue/miniwdl-task-fallback")
    assert (settings.fsap or "").startswith("fsap-")
    assert (settings.fs or "").startswith("fs-")
    assert settings.sources["fsap"] == "tag DefaultFsap of job queue miniwdl-workflow"


def test_an_argument_and_a_variable_come_before_a_tag(clients: AwsClients) -> None:
    """What somebody wrote for this run is meant."""
    environ = {"MINIWDL__AWS__TASK_QUEUE": "miniwdl-task-fallback"}
    assert found(clients, {}, environ).task_queue == "miniwdl-task-fallback"
    assert found(clients, {"task_queue": "miniwdl-task"}, environ).task_queue == "miniwdl-task"


@pytest.mark.parametrize("field", ["workflow_queue", "task_queue", "task_queue_fallback"])
def test_an_unknown_queue_is_refused_with_the_nearest_name(clients: AwsClients, field: str) -> None:
    """A typo in a queue is found before anything is submitted."""
    error = refused(clients, **{field: "miniwdl-taks"})
    assert (error.field, error.value, error.source) == (field, "miniwdl-taks", f"argument {field}")
    assert "Did you mean miniwdl-task?" in str(error)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [({"workflow_queue": "miniwdl-task"}, "ECS_FARGATE"), ({"efs": False}, "ECS.")],
)
def test_a_workflow_queue_of_the_other_platform_is_refused(
    clients: AwsClients, arguments: dict[str, Any], wanted: str
) -> None:
    """The job would stay RUNNABLE for ever."""
    error = refused(clients, **arguments)
    assert error.field == "workflow_queue"
    assert f"of type {wanted}" in str(error)


def test_a_file_system_that_is_not_that_of_the_access_point_is_refused(
    clients: AwsClients,
) -> None:
    """MINIWDL__AWS__FS is known from the workflow job, where both are set."""
    with pytest.raises(ConfigurationError, match="is not fs-") as caught:
        found(clients, {}, {"MINIWDL__AWS__FS": "fs-00000000"})
    assert caught.value.field == "fs"


def test_an_access_point_that_does_not_exist_is_refused(clients: AwsClients) -> None:
    """Otherwise the job would fail minutes later with an error of the mount helper."""
    error = refused(clients, fsap="fsap-00000000000000000")
    assert error.field == "fsap"
    assert "does not exist in us-" in str(error)


@pytest.mark.parametrize("field", ["s3upload", "exchange"])
def test_a_bucket_that_does_not_exist_is_refused(clients: AwsClients, field: str) -> None:
    """A run of hours must not end without a place for its results."""
    error = refused(clients, **{field: "s3://no-such-bucket-here/x"})
    assert error.field == field
    assert "no-such-bucket-here, which does not exist" in str(error)


def test_a_disabled_queue_is_refused(clients: AwsClients, aws: "LocalAws", run_key: str) -> None:
    """Its jobs would wait for ever."""
    name = f"disabled-{run_key[-8:]}"
    queues = clients.batch.describe_job_queues(jobQueues=["miniwdl-task"])["jobQueues"]
    clients.batch.create_job_queue(
        jobQueueName=name,
        state="DISABLED",
        priority=1,
        computeEnvironmentOrder=queues[0]["computeEnvironmentOrder"],
    )
    assert "is disabled" in str(refused(clients, task_queue=name))


def test_an_endpoint_that_is_not_there_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, aws: "LocalAws"
) -> None:
    """No answer is not the same as a wrong setting."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(AwsUnavailableError, match="AWS_ENDPOINT_URL"):
        found(AwsClients(max_attempts=1), {})
