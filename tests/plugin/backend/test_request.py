"""Tests of what is sent to Batch: `backend.request`, `definition`, `demand`, `task_plan`."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters
from hypothesis import given, strategies as st

from miniwdl_aws.backend.definition import task_definition
from miniwdl_aws.backend.demand import Demand, size_on
from miniwdl_aws.backend.request import (
    TaskJob,
    fits,
    submit_request,
    task_job_name,
    task_tags,
)
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.backend.task_plan import split_environment
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.fargate import MEMORY_MIB
from miniwdl_aws.plan import MAX_OVERRIDES_BYTES

PARENT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
SETTINGS = BackendSettings(task_queue="q", fs="fs-1", fsap="fsap-1")


def validate(operation: str, request: Mapping[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("batch").operation_model(operation)
    assert model.input_shape is not None
    validate_parameters(request, model.input_shape)


def test_requests_are_what_the_service_takes() -> None:
    """Both requests pass botocore's own model of AWS Batch."""
    definition = task_definition(SETTINGS, Demand(privileged=True), fargate=False)
    validate("RegisterJobDefinition", definition.request)
    job = TaskJob(
        name="n", queue="q", command=("/bin/sh", "x"), environment={"A": "b"}, gpus=1, tags={}
    )
    validate("SubmitJob", submit_request(job, definition.name))


def named(settings: BackendSettings = SETTINGS, *, fargate: bool = False, **asked: Any) -> str:
    task = Demand(**{"execution_role": "arn:e" if fargate else "", **asked})
    return task_definition(settings, task, fargate=fargate).name


def test_a_definition_is_named_by_its_content() -> None:
    """Equal content gives an equal name; what must be in a definition changes it."""
    names = [
        named(),
        named(image="b"),
        named(privileged=True),
        named(dataclasses.replace(SETTINGS, user="1:1")),
        named(dataclasses.replace(SETTINGS, mount="/x")),
        named(dataclasses.replace(SETTINGS, efs=False)),
        named(shared_memory_mib=64),
        named(job_role="arn:j"),
        named(container_properties={"ulimits": []}),
        named(fargate=True),
        named(fargate=True, storage_gib=30),
        named(fargate=True, architecture="ARM64"),
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("miniwdl-task-[0-9a-f]{16}", name) for name in names)
    assert named() == names[0]


@given(
    vcpus=st.integers(1, 96),
    memory_bytes=st.integers(2**20, 2**40),
    gpus=st.integers(0, 8),
    timeout_seconds=st.integers(60, 10**6),
    queue=st.text(),
    storage_gib=st.integers(0, 200),
)
def test_the_family_of_definitions_is_bounded(storage_gib: int, **asked: Any) -> None:
    """What differs from task to task gives no definition of its own, or one of few."""
    assert named(storage_gib=storage_gib, **asked) == named()
    steps = {named(fargate=True, storage_gib=size) for size in range(0, 201, 20)}
    del asked["gpus"]
    assert named(fargate=True, storage_gib=storage_gib, **asked) in steps


def properties(task: Demand, settings: BackendSettings = SETTINGS, **options: bool) -> Any:
    definition = task_definition(settings, task, fargate=options.get("fargate", False))
    validate("RegisterJobDefinition", definition.request)
    return definition.request["containerProperties"]


def test_a_definition_on_fargate_has_what_fargate_needs() -> None:
    """Platform, execution role, network and storage; sizes of shared memory are EC2's."""
    task = Demand(
        execution_role="arn:e", storage_gib=45, shared_memory_mib=64, architecture="ARM64"
    )
    found = properties(task, fargate=True)
    assert found["fargatePlatformConfiguration"] == {"platformVersion": "1.4.0"}
    assert found["executionRoleArn"] == "arn:e"
    assert found["networkConfiguration"] == {"assignPublicIp": "ENABLED"}
    assert found["ephemeralStorage"] == {"sizeInGiB": 60}
    assert found["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    assert "linuxParameters" not in found
    private = dataclasses.replace(SETTINGS, fargate_public_ip=False)
    found = properties(Demand(execution_role="arn:e"), private, fargate=True)
    assert found["networkConfiguration"] == {"assignPublicIp": "DISABLED"}
    assert "ephemeralStorage" not in found


@pytest.mark.parametrize(
    ("task", "settings", "what"),
    [
        (Demand(gpus=1, execution_role="a"), SETTINGS, "GPU"),
        (Demand(privileged=True, execution_role="a"), SETTINGS, "privileged"),
        (Demand(execution_role="a"), dataclasses.replace(SETTINGS, efs=False), "no_efs"),
        (Demand(), SETTINGS, "execution_role in"),
    ],
)
def test_what_fargate_has_not_is_refused(
    task: Demand, settings: BackendSettings, what: str
) -> None:
    """The message says what, and what to do instead."""
    with pytest.raises(InvalidInputError, match=what):
        task_definition(settings, task, fargate=True)


def test_container_properties_are_added_to_ours() -> None:
    """Mounts, volumes and Linux parameters come on top; the rest replaces defaults."""
    given = {
        "mountPoints": [{"containerPath": "/scratch", "sourceVolume": "scratch"}],
        "volumes": [{"name": "scratch", "host": {"sourcePath": "/mnt/nvme"}}],
        "linuxParameters": {"initProcessEnabled": True},
        "jobRoleArn": "arn:given",
    }
    found = properties(Demand(container_properties=given, shared_memory_mib=64))
    assert [each["containerPath"] for each in found["mountPoints"]] == ["/mnt/efs", "/scratch"]
    assert [each["name"] for each in found["volumes"]] == ["file_io_root", "scratch"]
    assert found["linuxParameters"] == {"initProcessEnabled": True, "sharedMemorySize": 64}
    assert found["jobRoleArn"] == "arn:given"
    assert given["linuxParameters"] == {"initProcessEnabled": True}


def test_another_file_system_is_a_directory_of_the_host() -> None:
    """Without EFS the host's mount is mounted at the same path."""
    settings = BackendSettings(task_queue="q", efs=False, mount="/fsx")
    found = properties(Demand(), settings)
    assert found["volumes"] == [{"name": "file_io_root", "host": {"sourcePath": "/fsx"}}]
    assert found["mountPoints"] == [{"containerPath": "/fsx", "sourceVolume": "file_io_root"}]


def test_secrets_are_references() -> None:
    """A secret is named by its ARN, for Batch to put it into the variable."""
    arn = "arn:aws:secretsmanager:us-east-1:1:secret:token-abc"
    settings = dataclasses.replace(SETTINGS, task_secrets={"TOKEN": arn}, execution_role="arn:e")
    found = properties(Demand(execution_role="arn:e"), settings)
    assert found["secrets"] == [{"name": "TOKEN", "valueFrom": arn}]


def test_a_definition_that_is_too_large_is_refused() -> None:
    """The message says which setting to shorten."""
    given = {"ulimits": [{"name": "x" * 100, "hardLimit": 1, "softLimit": 1}] * 200}
    with pytest.raises(InvalidInputError, match="shorten container_properties"):
        task_definition(SETTINGS, Demand(container_properties=given), fargate=False)


@given(
    vcpus=st.integers(1, 40),
    memory_bytes=st.integers(1, 2**38),
    delta_mib=st.integers(-5000, 5000),
)
def test_a_job_gets_at_least_what_was_asked_for(
    vcpus: int, memory_bytes: int, delta_mib: int
) -> None:
    """On Fargate sizes are rounded up to ones that it has; on EC2 the setting is added."""
    size = size_on(vcpus, memory_bytes, fargate=False, delta_mib=delta_mib)
    assert size.memory_mib >= max(991, memory_bytes / 2**20 + delta_mib)
    try:
        size = size_on(vcpus, memory_bytes, fargate=True, delta_mib=delta_mib)
    except InvalidInputError:
        assert vcpus > 32 or memory_bytes > 244 * 2**30
        return
    assert size.memory_mib in MEMORY_MIB[size.vcpus]
    assert size.vcpus >= vcpus
    assert size.memory_mib * 2**20 >= memory_bytes


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


@pytest.mark.parametrize(
    ("variables", "tags", "fitting"),
    [(7000, 0, True), (MAX_OVERRIDES_BYTES, 0, False), (7000, 24, False), (0, 24, True)],
)
def test_overrides_and_request_are_measured(variables: int, tags: int, fitting: bool) -> None:
    """What exceeds the limit of the overrides, or with long tags of the request, is not sent."""
    job = TaskJob(
        name="n",
        queue="q",
        command=("/bin/sh", "x"),
        environment={"A": "x" * variables},
        tags={f"{number:0128}": "x" * 950 for number in range(tags)},
    )
    assert fits(job) is fitting


def test_variables_that_do_not_fit_go_to_the_script() -> None:
    """The job keeps its variables if it can, and gives up all of them if it must."""
    job = TaskJob(name="n", queue="q", command=("x",), environment={"A": "b"})
    assert split_environment(job) == (job, {})
    large = dataclasses.replace(job, environment={"A": "x" * 9000, "B": "c"})
    bare, environment = split_environment(large)
    assert bare.environment == {}
    assert environment == large.environment
    with pytest.raises(InvalidInputError, match="shorten job_tags"):
        split_environment(dataclasses.replace(job, tags={"k": "x" * 40_000}))
