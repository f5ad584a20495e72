"""Each documented limit at its edge: what is allowed is taken, one more is refused."""

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.local.batch import limits

Request = dict[str, Any]


def refusal(call: Callable[..., Any], request: Request) -> str:
    """Make a call that must be refused with a ClientException; return its message."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == "ClientException", error
    return str(error["Message"])


def tags(count: int = 1, key: int = 9, value: int = 1) -> Request:
    return {"tags": {f"{number:0{key}}": "v" * value for number in range(count)}}


def timeout(seconds: int) -> Request:
    return {"timeout": {"attemptDurationSeconds": seconds}}


def attempts(count: int) -> Request:
    return {"retryStrategy": {"attempts": count}}


def conditions(count: int, length: int = 3) -> Request:
    entry = {"onReason": "x" * length, "action": "RETRY"}
    return {"retryStrategy": {"attempts": 2, "evaluateOnExit": [entry] * count}}


def overrides(size: int) -> Request:
    """Return container overrides of an exact size as JSON."""
    empty = len(b'{"command":["true",""]}')
    return {"containerOverrides": {"command": ["true", "x" * (size - empty)]}}


SUBMISSIONS: list[tuple[str, Request, Request, str]] = [
    ("name", {"jobName": "x" * 128}, {"jobName": "x" * 129}, "pattern"),
    ("first letter", {"jobName": "1_-"}, {"jobName": "_1"}, "pattern"),
    ("tags", tags(50), tags(51), "50"),
    ("tag key", tags(key=128), tags(key=129), "128"),
    ("tag value", tags(value=256), tags(value=257), "256"),
    ("time-out", timeout(60), timeout(59), "at least 60"),
    ("attempts", attempts(10), attempts(11), "1 to 10"),
    ("one attempt", attempts(1), attempts(0), "1 to 10"),
    ("exit conditions", conditions(5), conditions(6), "5"),
    ("exit pattern", conditions(1, 512), conditions(1, 513), "pattern"),
    ("overrides", overrides(8192), overrides(8193), "at most 8192"),
    (
        "array size",
        {"arrayProperties": {"size": 2}},
        {"arrayProperties": {"size": 1}},
        "from 2 to 10000",
    ),
]


@pytest.mark.parametrize(
    ("allowed", "beyond", "words"),
    [case[1:] for case in SUBMISSIONS],
    ids=[case[0] for case in SUBMISSIONS],
)
def test_submissions(bench: Any, allowed: Request, beyond: Request, words: str) -> None:
    """SubmitJob's limits."""
    arn = bench.register("true")["jobDefinitionArn"]
    request = {"jobName": "x", "jobQueue": "miniwdl-task", "jobDefinition": arn}
    job_id = bench.batch.submit_job(**{**request, **allowed})["jobId"]
    assert words in refusal(bench.batch.submit_job, {**request, **beyond})
    bench.wait_for(job_id, "SUCCEEDED")


def test_dependencies(bench: Any) -> None:
    """A job depends on 20 others at most."""
    job_id = bench.submit("true")
    arn = bench.register("true")["jobDefinitionArn"]
    request = {"jobName": "x", "jobQueue": "miniwdl-task", "jobDefinition": arn}
    others = [{"jobId": job_id}] * 21
    bench.batch.submit_job(**request, dependsOn=others[:20])
    assert "20" in refusal(bench.batch.submit_job, {**request, "dependsOn": others})


DEFINITIONS: list[tuple[str, Request, Request, str]] = [
    ("tags", tags(50), tags(51), "50"),
    ("time-out", timeout(60), timeout(59), "at least 60"),
    ("attempts", attempts(10), attempts(11), "1 to 10"),
    ("exit conditions", conditions(5), conditions(6), "5"),
    ("priority", {"schedulingPriority": 9999}, {"schedulingPriority": 10_000}, "9999"),
    ("least priority", {"schedulingPriority": 0}, {"schedulingPriority": -1}, "9999"),
    ("name", {"jobDefinitionName": "x" * 128}, {"jobDefinitionName": "x" * 129}, "pattern"),
]


@pytest.mark.parametrize(
    ("allowed", "beyond", "words"),
    [case[1:] for case in DEFINITIONS],
    ids=[case[0] for case in DEFINITIONS],
)
def test_definitions(bench: Any, allowed: Request, beyond: Request, words: str) -> None:
    """RegisterJobDefinition's limits."""

    def register(**members: Any) -> Any:
        return bench.register("true", **members)

    arn = register(**allowed)["jobDefinitionArn"]
    assert words in refusal(register, beyond)
    found = bench.batch.describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"][0]
    for name, value in allowed.items():
        assert found[name] == value


def test_the_size_of_a_definition(bench: Any) -> None:
    """24 KiB of JSON are taken."""
    request = {
        "jobDefinitionName": bench.name(),
        "type": "container",
        "containerProperties": bench.container("true", ""),
    }
    room = 24 * 1024 - len(json.dumps(request, separators=(",", ":")))

    def register(length: int) -> Any:
        request["containerProperties"]["command"][1] = "x" * length
        return bench.batch.register_job_definition(**request)

    register(room)
    assert "24576" in refusal(register, {"length": room + 1})


def test_the_size_of_a_request(bench: Any) -> None:
    """30 KiB are taken, blanks and all."""
    answers = []
    for size in (30 * 1024, 30 * 1024 + 1):
        connection = http.client.HTTPConnection(bench.aws.endpoint_url.removeprefix("http://"))
        connection.request("POST", "/v1/describejobs", b'{"jobs":["x"]}'.ljust(size))
        response = connection.getresponse()
        answers.append((response.status, response.headers.get("x-amzn-ErrorType")))
        connection.close()
    assert answers == [(200, None), (413, "RequestEntityTooLargeException")]


def names(count: int) -> list[str]:
    return ["x:1"] * count


@pytest.mark.parametrize(
    ("call", "allowed", "beyond", "words"),
    [
        ("describe_jobs", {"jobs": names(100)}, {"jobs": names(101)}, "100"),
        ("describe_jobs", {"jobs": names(1)}, {"jobs": []}, "from 1"),
        (
            "describe_job_definitions",
            {"jobDefinitions": names(100)},
            {"jobDefinitions": names(101)},
            "100",
        ),
        ("describe_job_definitions", {"maxResults": 100}, {"maxResults": 101}, "1 to 100"),
        ("describe_job_queues", {"maxResults": 100}, {"maxResults": 101}, "1 to 100"),
        ("describe_compute_environments", {"maxResults": 1}, {"maxResults": 101}, "1 to 100"),
        ("describe_scheduling_policies", {"arns": names(100)}, {"arns": names(101)}, "100"),
        ("list_scheduling_policies", {"maxResults": 100}, {"maxResults": 101}, "1 to 100"),
        (
            "list_jobs",
            {"jobQueue": "miniwdl-task", "maxResults": 1000},
            {"jobQueue": "miniwdl-task", "maxResults": 1001},
            "1 to 1000",
        ),
        (
            "list_jobs",
            {
                "jobQueue": "miniwdl-task",
                "maxResults": 100,
                "filters": [{"name": "JOB_NAME", "values": ["x"]}],
            },
            {
                "jobQueue": "miniwdl-task",
                "maxResults": 101,
                "filters": [{"name": "JOB_NAME", "values": ["x"]}],
            },
            "1 to 100",
        ),
        (
            "cancel_jobs",
            {"jobs": names(50), "reason": "r"},
            {"jobs": names(51), "reason": "r"},
            "from 1 to 50",
        ),
        (
            "terminate_jobs",
            {"jobs": names(50), "reason": "r" * 1024},
            {"jobs": names(50), "reason": "r" * 1025},
            "1024",
        ),
    ],
)
def test_lists(bench: Any, call: str, allowed: Request, beyond: Request, words: str) -> None:
    """How much may be asked for, or stopped, at once."""
    getattr(bench.batch, call)(**allowed)
    assert words in refusal(getattr(bench.batch, call), beyond)


@pytest.mark.parametrize("call", ["cancel_job", "terminate_job"])
def test_reasons(bench: Any, call: str) -> None:
    """A reason has from 1 to 1,024 characters."""
    job_id = bench.submit("true")
    getattr(bench.batch, call)(jobId=job_id, reason="r" * 1024)
    for reason in ("", "r" * 1025):
        request = {"jobId": job_id, "reason": reason}
        assert "1 to 1024" in refusal(getattr(bench.batch, call), request)


def resource_requests(bench: Any) -> list[tuple[Callable[..., Any], str, Request]]:
    """Return how queues, compute environments and policies are made, and what names them."""
    order = [{"order": 1, "computeEnvironment": "miniwdl-ec2"}]
    resources = {"type": "FARGATE", "maxvCpus": 1, "subnets": ["s"]}
    return [
        (
            bench.batch.create_job_queue,
            "jobQueueName",
            {"priority": 1, "computeEnvironmentOrder": order},
        ),
        (
            bench.batch.create_compute_environment,
            "computeEnvironmentName",
            {"type": "MANAGED", "computeResources": resources},
        ),
        (bench.batch.create_scheduling_policy, "name", {}),
    ]


def test_names_and_tags_of_resources(bench: Any) -> None:
    """128 characters, 50 tags; and each name is there once."""
    for create, key, request in resource_requests(bench):
        name = bench.name().ljust(128, "x")
        create(**request, **{key: name}, **tags(50))
        assert "already exists" in refusal(create, {**request, key: name})
        assert "pattern" in refusal(create, {**request, key: name + "x"})
        assert "50" in refusal(create, {**request, key: "other", **tags(51)})


def test_tags_that_are_added(bench: Any) -> None:
    """A resource bears 50 tags, however they come to it."""
    arn = bench.register("true", **tags(49))["jobDefinitionArn"]
    bench.batch.tag_resource(resourceArn=arn, tags={"one": "more"})
    bench.batch.tag_resource(resourceArn=arn, tags={"one": "again"})
    request = {"resourceArn": arn, "tags": {"another": ""}}
    assert "50" in refusal(bench.batch.tag_resource, request)


def test_tags_of_aws_itself(bench: Any) -> None:
    """A key does not begin with ``aws:``."""
    request = {"resourceArn": bench.register("true")["jobDefinitionArn"], "tags": {"aws:x": ""}}
    assert "reserved" in refusal(bench.batch.tag_resource, request)


@pytest.mark.parametrize(("low", "high"), [limits.FARGATE_EPHEMERAL_GIB])
def test_ephemeral_storage(bench: Any, low: int, high: int) -> None:
    """21 to 200 GiB, on Fargate."""
    wanted = [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]

    def register(size: int) -> Any:
        storage = {"ephemeralStorage": {"sizeInGiB": size}, "executionRoleArn": "r"}
        return bench.register(
            "true",
            platformCapabilities=["FARGATE"],
            container={"resourceRequirements": wanted, **storage},
        )

    for size in (low, high):
        register(size)
    for size in (low - 1, high + 1):
        assert "21 to 200" in refusal(register, {"size": size})
