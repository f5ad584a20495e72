"""Tests of `miniwdl_aws.backend.request` and `miniwdl_aws.backend.definition`."""

from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters
from hypothesis import given, strategies as st

from miniwdl_aws.backend.definition import task_definition
from miniwdl_aws.backend.request import (
    TaskJob,
    fits,
    submit_request,
    task_job_name,
    task_tags,
)
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.plan import MAX_OVERRIDES_BYTES

PARENT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
SETTINGS = BackendSettings(task_queue="q", fs="fs-1", fsap="fsap-1")


def validate(operation: str, request: Mapping[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("batch").operation_model(operation)
    assert model.input_shape is not None
    validate_parameters(request, model.input_shape)


def test_requests_are_what_the_service_takes() -> None:
    """Both requests pass botocore's own model of AWS Batch."""
    definition = task_definition(SETTINGS, image="ubuntu:22.04", privileged=True)
    validate("RegisterJobDefinition", definition.request)
    job = TaskJob(
        name="n", queue="q", command=("/bin/sh", "x"), environment={"A": "b"}, gpus=1, tags={}
    )
    validate("SubmitJob", submit_request(job, definition.name))


def test_a_definition_is_named_by_its_content() -> None:
    """Equal content gives an equal name; image, privilege, user and mount each change it."""
    base = task_definition(SETTINGS, image="a", privileged=False).name
    assert base == task_definition(SETTINGS, image="a", privileged=False).name
    others = [
        task_definition(SETTINGS, image="b", privileged=False),
        task_definition(SETTINGS, image="a", privileged=True),
        task_definition(
            BackendSettings(task_queue="q", fs="fs-1", user="1:1"), image="a", privileged=False
        ),
        task_definition(
            BackendSettings(task_queue="q", fs="fs-1", mount="/x"), image="a", privileged=False
        ),
    ]
    assert len({base, *(each.name for each in others)}) == 5
    assert base.startswith("miniwdl-task-")


def test_the_queue_does_not_change_the_definition() -> None:
    """Tasks of all queues share it."""
    other = BackendSettings(task_queue="other", fs="fs-1", fsap="fsap-1")
    assert (
        task_definition(other, image="a", privileged=False).name
        == task_definition(SETTINGS, image="a", privileged=False).name
    )


@given(run_id=st.text(min_size=1), attempt=st.integers(1, 999))
def test_any_run_id_gives_a_legal_name(run_id: str, attempt: int) -> None:
    """Names keep to the pattern and length of SubmitJob, the parent's prefix and the nonce."""
    name = task_job_name(PARENT, run_id, attempt, "9c01ab23")
    validate_name = name.replace("-", "").replace("_", "")
    assert len(name) <= 128
    assert validate_name.isascii()
    assert validate_name.isalnum()
    assert name.startswith("t-0f1e2d3c4b5a-")
    assert name.endswith("9c01ab23")


def test_a_task_without_a_workflow_job_has_no_parent() -> None:
    """Outside AWS Batch there is neither prefix nor tag."""
    assert task_job_name(None, "call-a", 1, "n") == "a-n"
    assert task_tags({}, None) == {}


@pytest.mark.parametrize(("size", "fitting"), [(7000, True), (MAX_OVERRIDES_BYTES, False)])
def test_overrides_are_measured(size: int, fitting: bool) -> None:
    """What exceeds the limit of the overrides is known before it is sent."""
    assert fits(("/bin/sh", "x"), {"A": "x" * size}) is fitting
