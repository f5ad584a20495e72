"""Every operation of Batch's service model: answered by the model, or refused in plain words."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from botocore.model import ListShape, OperationModel, Shape, StructureShape

from miniwdl_aws.local.endpoint.api import BatchApi
from tests.local.world import World

MODEL = botocore.session.get_session().get_service_model("batch")


def supported() -> set[str]:
    """Return the operations that the local AWS does."""
    world = World()
    api = BatchApi(
        arns=world.arns,
        queues=world.queues,
        definitions=world.definitions,
        store=world.store,
        scheduler=world.scheduler,
    )
    return set(api._operations)


SUPPORTED = supported()


def sample(shape: Shape | None) -> Any:
    """Return the smallest value that a shape allows."""
    if isinstance(shape, StructureShape):
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if isinstance(shape, ListShape):
        return [sample(shape.member)]
    if shape is None or shape.type_name == "map":
        return {}
    values = {"string": "x", "integer": 1, "long": 1, "double": 1.0, "boolean": True}
    return shape.metadata.get("enum", [values[shape.type_name]])[0]


def send(bench: Any, model: OperationModel, request: Mapping[str, Any]) -> tuple[int, str, Any]:
    """Send a request as botocore would; return its status, its error type and its answer."""
    arn = request.get("resourceArn", "")
    path = model.http["requestUri"].replace("{resourceArn}", quote(arn, safe=""))
    connection = http.client.HTTPConnection(bench.aws.endpoint_url.removeprefix("http://"))
    body = json.dumps({name: value for name, value in request.items() if name != "resourceArn"})
    connection.request(model.http["method"], path, body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, response.headers.get("x-amzn-ErrorType", ""), answer


@pytest.mark.parametrize("name", sorted(set(MODEL.operation_names) - SUPPORTED))
def test_what_is_not_there_says_so(bench: Any, name: str) -> None:
    """A well-formed request for an operation that the local AWS cannot do is no success."""
    model = MODEL.operation_model(name)
    status, kind, answer = send(bench, model, sample(model.input_shape))
    assert (status, kind) == (400, "ClientException")
    assert answer["message"] == (
        f"Operation {name}: the local AWS does not do this (AWS Batch may)"
    )


@pytest.mark.parametrize("name", sorted(SUPPORTED))
def test_requests_that_the_model_does_not_allow_are_refused(bench: Any, name: str) -> None:
    """An unknown member, and a required one that is missing."""
    model = MODEL.operation_model(name)
    valid = sample(model.input_shape)
    in_the_body = set(valid) - {"resourceArn", "tagKeys"}
    wrong = [
        {**valid, "unknown": 1},
        *({key: valid[key] for key in valid if key != missing} for missing in in_the_body),
    ]
    for request in wrong:
        status, kind, answer = send(bench, model, request)
        assert (status, kind) == (400, "ClientException"), request
        assert "Error executing request" in answer["message"]


def test_every_operation_answers(bench: Any) -> None:
    """One way through all that there is; the session holds each answer against the model."""
    called: list[str] = []
    batch = bench.batch

    def call(method: str, /, **request: Any) -> Any:
        called.append(batch.meta.method_to_api_mapping[method])
        return getattr(batch, method)(**request)

    names = {kind: bench.name() for kind in ("environment", "queue", "policy", "definition")}
    environment = call(
        "create_compute_environment",
        computeEnvironmentName=names["environment"],
        type="MANAGED",
        computeResources={"type": "EC2", "maxvCpus": 2, "subnets": ["s"], "instanceTypes": ["c5"]},
        tags={"a": "b"},
    )["computeEnvironmentArn"]
    policy = call("create_scheduling_policy", name=names["policy"])["arn"]
    queue = call(
        "create_job_queue",
        jobQueueName=names["queue"],
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
        schedulingPolicyArn=policy,
    )["jobQueueArn"]
    call("update_scheduling_policy", arn=policy, fairsharePolicy={"shareDecaySeconds": 60})
    call("describe_scheduling_policies", arns=[policy])
    call("list_scheduling_policies")
    call("update_job_queue", jobQueue=queue, priority=2)
    call("update_compute_environment", computeEnvironment=environment, state="ENABLED")
    call("describe_job_queues", jobQueues=[queue])
    call("describe_compute_environments", computeEnvironments=[environment])
    definition = call(
        "register_job_definition",
        jobDefinitionName=names["definition"],
        type="container",
        containerProperties=bench.container("sleep", "300"),
        schedulingPriority=1,
    )["jobDefinitionArn"]
    call("describe_job_definitions", jobDefinitions=[definition])
    request = {"jobName": "x", "jobQueue": queue, "jobDefinition": definition}
    job, other, third = (
        call("submit_job", shareIdentifier="a", **request)["jobId"] for _ in range(3)
    )
    call("deregister_job_definition", jobDefinition=definition)
    call("list_jobs", jobQueue=queue, jobStatus="RUNNABLE")
    call("cancel_job", jobId=other, reason="r")
    call("cancel_jobs", jobs=[third], reason="r")
    call("terminate_job", jobId=job, reason="r")
    call("terminate_jobs", jobs=[job, other, third], reason="r")
    call("describe_jobs", jobs=[job, other, third])
    call("tag_resource", resourceArn=policy, tags={"a": "b"})
    call("list_tags_for_resource", resourceArn=policy)
    call("untag_resource", resourceArn=policy, tagKeys=["a"])
    call("update_job_queue", jobQueue=queue, state="DISABLED")
    call("delete_job_queue", jobQueue=queue)
    call("update_compute_environment", computeEnvironment=environment, state="DISABLED")
    call("delete_compute_environment", computeEnvironment=environment)
    call("delete_scheduling_policy", arn=policy)
    assert set(called) == SUPPORTED
