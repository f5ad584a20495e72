"""Batch's calls that manage things: definitions, queues, lists, tags, limits, refusals."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.local.batch import limits


def refused(call: Callable[..., Any], **request: Any) -> str:
    """Make a call that must be refused with a ClientException; return its message."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == "ClientException", error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(error["Message"])


def post(bench: Any, path: str, body: bytes) -> tuple[int, str, Any]:
    """Send an unsigned request; return its status, its error type and its answer."""
    connection = http.client.HTTPConnection(bench.aws.endpoint_url.removeprefix("http://"))
    connection.request("POST", path, body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, response.headers.get("x-amzn-ErrorType", ""), answer


def test_each_registration_is_a_revision(bench: Any) -> None:
    """Revisions count from 1, and the name alone means the latest active one."""
    name = bench.name()
    first, second = (bench.register("true", jobDefinitionName=name) for _ in range(2))
    assert (first["revision"], second["revision"]) == (1, 2)
    assert second["jobDefinitionArn"].endswith(f":job-definition/{name}:2")
    job_id = bench.submit("true", jobDefinition=name)
    assert bench.describe(job_id)["jobDefinition"] == second["jobDefinitionArn"]
    bench.batch.deregister_job_definition(jobDefinition=f"{name}:2")
    job_id = bench.submit("true", jobDefinition=name)
    assert bench.describe(job_id)["jobDefinition"] == first["jobDefinitionArn"]


def test_an_inactive_definition_takes_no_new_jobs_and_old_ones_run_on(bench: Any) -> None:
    """Deregistering changes nothing for jobs that were submitted before."""
    arn = bench.register("sleep", "0.3")["jobDefinitionArn"]
    request = {"jobName": "x", "jobQueue": "miniwdl-task", "jobDefinition": arn}
    job_id = bench.batch.submit_job(**request)["jobId"]
    bench.batch.deregister_job_definition(jobDefinition=arn)
    assert "INACTIVE" in refused(bench.batch.submit_job, **request)
    bench.wait_for(job_id, "SUCCEEDED")
    found = bench.batch.describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"]
    assert [each["status"] for each in found] == ["INACTIVE"]


def test_definitions_are_found_by_name_by_arn_and_by_status(bench: Any) -> None:
    """The latest revision comes first; unknown ones are left out."""
    name = bench.name()
    arns = [bench.register("true", jobDefinitionName=name)["jobDefinitionArn"] for _ in range(3)]
    bench.batch.deregister_job_definition(jobDefinition=arns[1])

    def found(**request: Any) -> list[int]:
        answer = bench.batch.describe_job_definitions(**request)
        return [each["revision"] for each in answer["jobDefinitions"]]

    assert found(jobDefinitionName=name) == [3, 2, 1]
    assert found(jobDefinitionName=name, status="ACTIVE") == [3, 1]
    assert found(jobDefinitionName=name, status="INACTIVE") == [2]
    assert found(jobDefinitions=[arns[0], f"{name}:3", f"{name}:9", "nobody"]) == [1, 3]
    assert found(jobDefinitionName="nobody") == []


def test_definitions_come_in_pages(bench: Any) -> None:
    """Pages hold at most ``maxResults`` and together hold everything once."""
    name = bench.name()
    for _ in range(5):
        bench.register("true", jobDefinitionName=name)
    pages = bench.batch.get_paginator("describe_job_definitions").paginate(
        jobDefinitionName=name, PaginationConfig={"PageSize": 2}
    )
    sizes = [[each["revision"] for each in page["jobDefinitions"]] for page in pages]
    assert sizes == [[5, 4], [3, 2], [1]]


def test_a_definition_is_described_as_it_was_registered(bench: Any) -> None:
    """All that was given comes back, with the defaults that Batch adds."""
    arn = bench.register(
        "echo",
        "Ref::a",
        parameters={"a": "1"},
        retryStrategy={"attempts": 2},
        timeout={"attemptDurationSeconds": 60},
        tags={"k": "v"},
        propagateTags=True,
    )["jobDefinitionArn"]
    found = bench.batch.describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"][0]
    assert found["parameters"] == {"a": "1"}
    assert found["retryStrategy"]["attempts"] == 2
    assert found["timeout"] == {"attemptDurationSeconds": 60}
    assert found["tags"] == {"k": "v"}
    assert found["propagateTags"] is True
    assert found["platformCapabilities"] == ["EC2"]
    assert found["containerProperties"]["command"] == ["echo", "Ref::a"]


def test_a_job_shows_the_requests_that_made_it(bench: Any) -> None:
    """Overrides, tags, time-out and retry strategy of the submission are in DescribeJobs."""
    job_id = bench.submit(
        "true",
        containerOverrides={
            "command": ["echo", "1"],
            "resourceRequirements": [{"type": "MEMORY", "value": "128"}],
        },
        tags={"AWS_BATCH_PARENT_JOB_ID": "p"},
        propagateTags=True,
        timeout={"attemptDurationSeconds": 90},
        retryStrategy={"attempts": 4},
    )
    job = bench.describe(job_id)
    assert job["container"]["command"] == ["echo", "1"]
    assert {each["type"]: each["value"] for each in job["container"]["resourceRequirements"]} == {
        "VCPU": "1",
        "MEMORY": "128",
    }
    assert job["tags"] == {"AWS_BATCH_PARENT_JOB_ID": "p"}
    assert job["propagateTags"] is True
    assert job["timeout"] == {"attemptDurationSeconds": 90}
    assert job["retryStrategy"]["attempts"] == 4
    assert job["jobQueue"].endswith(":job-queue/miniwdl-task")


def test_describe_jobs_leaves_out_unknown_ids_and_takes_arns(bench: Any) -> None:
    """Ids and ARNs are found; unknown ids are not in the answer."""
    job_id = bench.submit("true")
    arn = bench.describe(job_id)["jobArn"]
    for reference in (job_id, arn):
        jobs = bench.batch.describe_jobs(jobs=[reference, "no-such-job"])["jobs"]
        assert [job["jobId"] for job in jobs] == [job_id]


def test_describe_jobs_takes_a_hundred_ids(bench: Any) -> None:
    """More are refused, and none are."""
    bench.batch.describe_jobs(jobs=["x"] * 100)
    assert "100" in refused(bench.batch.describe_jobs, jobs=["x"] * 101)
    refused(bench.batch.describe_jobs, jobs=[])


def make_queue(bench: Any, **more: Any) -> str:
    """Create a queue on the EC2 environment; return its name."""
    name = bench.name()
    order = [{"order": 1, "computeEnvironment": "miniwdl-ec2"}]
    request = {"jobQueueName": name, "priority": 5, "computeEnvironmentOrder": order}
    bench.batch.create_job_queue(**{**request, **more})
    return str(name)


def test_jobs_are_listed_by_status_running_by_default(bench: Any) -> None:
    """Each status has its own list, and a job is in one of them."""
    queue = make_queue(bench)
    running = bench.submit("sleep", "300", jobQueue=queue)
    ended = bench.submit("true", jobQueue=queue)
    bench.wait_for(running, "RUNNING")
    bench.wait_for(ended, "SUCCEEDED")

    def listed(**request: Any) -> list[str]:
        answer = bench.batch.list_jobs(jobQueue=queue, **request)
        return [job["jobId"] for job in answer["jobSummaryList"]]

    assert listed() == [running]
    assert listed(jobStatus="SUCCEEDED") == [ended]
    assert listed(jobStatus="FAILED") == []
    bench.batch.terminate_job(jobId=running, reason="done")


def test_jobs_are_listed_by_filters(bench: Any) -> None:
    """By name with a wildcard and in any case, by definition, and by time."""
    queue = make_queue(bench)
    one, two = (
        bench.register("true", jobDefinitionName=bench.name())["jobDefinitionArn"] for _ in "ab"
    )

    def submit(name: str, definition: str) -> str:
        answer = bench.batch.submit_job(jobName=name, jobQueue=queue, jobDefinition=definition)
        time.sleep(0.005)  # creation times have milliseconds
        return str(answer["jobId"])

    jobs = [submit("Test1", one), submit("test10", one), submit("other", two)]
    middle = str(bench.describe(jobs[1])["createdAt"])

    def listed(name: str, value: str) -> list[str]:
        answer = bench.batch.list_jobs(
            jobQueue=queue, filters=[{"name": name, "values": [value]}], jobStatus="FAILED"
        )
        return [job["jobId"] for job in answer["jobSummaryList"]]

    assert listed("JOB_NAME", "test1") == [jobs[0]]
    assert listed("JOB_NAME", "TEST1*") == [jobs[1], jobs[0]]
    assert listed("JOB_NAME", "*") == jobs[::-1]
    assert listed("JOB_NAME", "nothing*") == []
    assert listed("JOB_DEFINITION", one) == [jobs[1], jobs[0]]
    assert listed("JOB_DEFINITION", two.rsplit("/", 1)[-1].partition(":")[0]) == [jobs[2]]
    assert (
        listed("JOB_DEFINITION", one.rsplit("/", 1)[-1].partition(":")[0][:-1] + "*")
        == (jobs[::-1])
    )
    assert listed("BEFORE_CREATED_AT", middle) == [jobs[0]]
    assert listed("AFTER_CREATED_AT", middle) == [jobs[2]]


def test_lists_of_jobs_come_in_pages(bench: Any) -> None:
    """Every job is on one page, though jobs are submitted between the pages."""
    queue = make_queue(bench)
    definition = bench.register("true")["jobDefinitionArn"]

    def submit(count: int) -> set[str]:
        request = {"jobName": "paged", "jobQueue": queue, "jobDefinition": definition}
        return {bench.batch.submit_job(**request)["jobId"] for _ in range(count)}

    jobs = submit(7)
    seen: list[str] = []
    pages = bench.batch.get_paginator("list_jobs").paginate(
        jobQueue=queue,
        filters=[{"name": "JOB_NAME", "values": ["paged"]}],
        PaginationConfig={"PageSize": 3},
    )
    for page in pages:
        assert len(page["jobSummaryList"]) <= 3
        seen += [job["jobId"] for job in page["jobSummaryList"]]
        submit(1)
    assert len(seen) == len(set(seen)) == 7
    assert set(seen) == jobs
    refused(bench.batch.list_jobs, jobQueue=queue, nextToken="made up")


def test_queues_and_environments_live_and_die(bench: Any) -> None:
    """They are created, described, updated, and deleted only when disabled and unused."""
    environment = bench.name()
    bench.batch.create_compute_environment(
        computeEnvironmentName=environment,
        type="MANAGED",
        computeResources={
            "type": "FARGATE",
            "maxvCpus": 4,
            "subnets": ["s"],
            "securityGroupIds": ["g"],
        },
    )
    order = [{"order": 1, "computeEnvironment": environment}]
    queue = make_queue(bench, computeEnvironmentOrder=order, tags={"a": "b"})
    described = bench.batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]
    assert (described["state"], described["priority"]) == ("ENABLED", 5)
    assert described["tags"] == {"a": "b"}
    refused(bench.batch.delete_compute_environment, computeEnvironment=environment)
    refused(bench.batch.delete_job_queue, jobQueue=queue)
    bench.batch.update_job_queue(jobQueue=queue, state="DISABLED", priority=6)
    bench.batch.update_compute_environment(computeEnvironment=environment, state="DISABLED")
    refused(bench.batch.delete_compute_environment, computeEnvironment=environment)
    bench.batch.delete_job_queue(jobQueue=queue)
    bench.batch.delete_compute_environment(computeEnvironment=environment)
    assert bench.batch.describe_job_queues(jobQueues=[queue])["jobQueues"] == []
    found = bench.batch.describe_compute_environments(computeEnvironments=[environment])
    assert found["computeEnvironments"] == []


def test_deleting_a_queue_ends_its_jobs(bench: Any) -> None:
    """A job of a deleted queue is terminated."""
    queue = make_queue(bench)
    job_id = bench.submit("sleep", "300", jobQueue=queue)
    bench.wait_for(job_id, "RUNNING")
    bench.batch.update_job_queue(jobQueue=queue, state="DISABLED")
    bench.batch.delete_job_queue(jobQueue=queue)
    assert bench.wait_for(job_id, "FAILED")["isTerminated"]


def test_a_disabled_queue_takes_no_jobs(bench: Any) -> None:
    """Submitting to it is refused."""
    queue = make_queue(bench, state="DISABLED")
    arn = bench.register("true")["jobDefinitionArn"]
    message = refused(bench.batch.submit_job, jobName="x", jobQueue=queue, jobDefinition=arn)
    assert "not ENABLED" in message


def test_the_workflow_queue_bears_the_discovery_tags(bench: Any) -> None:
    """From the workflow queue all other resources can be found."""
    queue = bench.batch.describe_job_queues(jobQueues=["miniwdl-workflow"])["jobQueues"][0]
    assert queue["tags"]["DefaultTaskQueue"].endswith(":job-queue/miniwdl-task")
    assert queue["tags"]["DefaultTaskQueueFallback"].endswith(":job-queue/miniwdl-task-fallback")
    assert queue["tags"]["DefaultFsap"] == bench.aws.access_point_id
    assert ":role/" in queue["tags"]["WorkflowEngineRoleArn"]


def test_tags_can_be_added_listed_and_removed(bench: Any) -> None:
    """On jobs, definitions, queues and compute environments."""
    job = bench.describe(bench.submit("true"))
    queue = bench.batch.describe_job_queues(jobQueues=[make_queue(bench)])["jobQueues"][0]
    environments = bench.batch.describe_compute_environments(computeEnvironments=["miniwdl-ec2"])
    arns = [
        job["jobArn"],
        job["jobDefinition"],
        queue["jobQueueArn"],
        environments["computeEnvironments"][0]["computeEnvironmentArn"],
    ]
    for arn in arns:
        bench.batch.tag_resource(resourceArn=arn, tags={"one": "1", "two": "2"})
        bench.batch.untag_resource(resourceArn=arn, tagKeys=["one", "absent"])
        assert bench.batch.list_tags_for_resource(resourceArn=arn)["tags"] == {"two": "2"}
    assert bench.describe(job["jobId"])["tags"] == {"two": "2"}
    refused(bench.batch.list_tags_for_resource, resourceArn=arns[0][:-3] + "000")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"jobName": "-x"}, "Job name"),
        ({"jobName": "x" * 129}, "Job name"),
        ({"jobQueue": "nobody"}, "nobody"),
        ({"jobDefinition": "nobody"}, "nobody"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "60"),
        ({"retryStrategy": {"attempts": 0}}, "1 to 10"),
        ({"retryStrategy": {"attempts": 11}}, "1 to 10"),
        ({"tags": {f"k{i}": "" for i in range(51)}}, "50"),
        ({"dependsOn": [{"jobId": "nobody"}]}, "nobody"),
        ({"jobQueue": "miniwdl-workflow"}, "platform"),
        ({"containerOverrides": {"command": ["x" * 9000]}}, "8192"),
        (
            {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "RETRY"}]}},
            "onExitCode",
        ),
    ],
)
def test_submissions_that_batch_refuses_are_refused(
    bench: Any, change: dict[str, Any], words: str
) -> None:
    """With a ClientException that names the limit or the thing that is not there."""
    arn = bench.register("true")["jobDefinitionArn"]
    request = {"jobName": "x", "jobQueue": "miniwdl-task", "jobDefinition": arn, **change}
    assert words in refused(bench.batch.submit_job, **request)


@pytest.mark.parametrize(
    ("members", "container", "words"),
    [
        ({"jobDefinitionName": "a b"}, {}, "pattern"),
        ({"timeout": {"attemptDurationSeconds": 1}}, {}, "60"),
        ({}, {"command": ["x" * 25_000]}, "24576"),
        ({}, {"resourceRequirements": [{"type": "VCPU", "value": "1"}]}, "MEMORY"),
        (
            {},
            {"resourceRequirements": [{"type": t, "value": "0.5"} for t in ("VCPU", "MEMORY")]},
            "whole number",
        ),
        ({}, {"secrets": [{"name": "a", "valueFrom": "b"}]}, "executionRoleArn"),
        ({}, {"logConfiguration": {"logDriver": "awslogs"}}, "the local AWS does not do this"),
        ({}, {"linuxParameters": {"swappiness": 60}}, "the local AWS does not do this"),
        ({}, {"linuxParameters": {"sharedMemorySize": 0}}, "sharedMemorySize"),
        ({}, {"linuxParameters": {"tmpfs": [{"containerPath": "x", "size": 1}]}}, "absolute"),
        ({}, {"mountPoints": [{"sourceVolume": "no", "containerPath": "/x"}]}, "sourceVolume"),
        ({}, {"mountPoints": [{"sourceVolume": "efs", "containerPath": "x"}]}, "absolute"),
        ({"platformCapabilities": ["FARGATE"]}, {"executionRoleArn": "r"}, "Fargate"),
        ({"platformCapabilities": ["EC2", "FARGATE"]}, {}, "platformCapabilities"),
        ({}, {"ephemeralStorage": {"sizeInGiB": 30}}, "Fargate only"),
        ({}, {"volumes": [{"name": "a b"}], "mountPoints": []}, "volumes name"),
        ({}, {"image": ""}, "image"),
        ({"type": "multinode"}, {}, "the local AWS does not do this"),
    ],
)
def test_definitions_that_batch_refuses_are_refused(
    bench: Any, members: dict[str, Any], container: dict[str, Any], words: str
) -> None:
    """With a ClientException that names the limit, or says that the local AWS cannot do it."""
    message = refused(bench.register, **members, container={"command": ["true"], **container})
    assert words in message


def test_fargate_takes_documented_sizes_only(bench: Any) -> None:
    """A pair of CPU and memory that the documentation lists is taken, its neighbour is not."""

    def definition(vcpus: str, memory: str) -> dict[str, Any]:
        wanted = [{"type": "VCPU", "value": vcpus}, {"type": "MEMORY", "value": memory}]
        return {
            "platformCapabilities": ["FARGATE"],
            "container": {
                "command": ["true"],
                "resourceRequirements": wanted,
                "executionRoleArn": "arn:aws:iam::123456789012:role/r",
            },
        }

    for vcpus, sizes in limits.FARGATE_MEMORY_MIB.items():
        for memory in (sizes[0], sizes[-1]):
            bench.register(**definition(vcpus, str(memory)))
        assert "MEMORY" in refused(bench.register, **definition(vcpus, str(sizes[-1] + 1)))
    assert "VCPU" in refused(bench.register, **definition("3", "8192"))
    for members, words in [
        ({"privileged": True}, "privileged"),
        ({"ephemeralStorage": {"sizeInGiB": 20}}, "21 to 200"),
        ({"volumes": [{"name": "h", "host": {"sourcePath": "/"}}], "mountPoints": []}, "host"),
    ]:
        changed = definition("1", "2048")
        changed["container"].update(members)
        assert words in refused(bench.register, **changed)
    without_role = definition("1", "2048")
    del without_role["container"]["executionRoleArn"]
    assert "EXECUTION_ROLE_ARN" in refused(bench.register, **without_role)


def test_a_fargate_job_runs_on_the_workflow_queue(bench: Any) -> None:
    """A definition for Fargate runs there, and is refused by an EC2 queue."""
    wanted = [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]
    arn = bench.register(
        "true",
        platformCapabilities=["FARGATE"],
        container={"resourceRequirements": wanted, "executionRoleArn": "r"},
    )["jobDefinitionArn"]
    request = {"jobName": "x", "jobDefinition": arn}
    assert "FARGATE" in refused(bench.batch.submit_job, jobQueue="miniwdl-task", **request)
    answer = bench.batch.submit_job(jobQueue="miniwdl-workflow", **request)
    bench.wait_for(answer["jobId"], "SUCCEEDED")


def test_calls_that_the_local_aws_does_not_do_say_so(bench: Any) -> None:
    """An operation of Batch that is not there is refused, never answered with success."""
    assert "the local AWS does not do this" in refused(bench.batch.list_consumable_resources)


def test_a_large_request_is_refused(bench: Any) -> None:
    """30 KiB are taken, more are not."""
    body = json.dumps({"jobs": ["x"], "y": "z" * (30 * 1024)}).encode()
    status, error, _ = post(bench, "/v1/describejobs", body)
    assert (status, error) == (413, "RequestEntityTooLargeException")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"jobs": 1}', "ClientException"),
        (b'{"jobs": ["x"], "unknown": 1}', "ClientException"),
        (b"[]", "ClientException"),
        (b"{", "SerializationException"),
    ],
)
def test_malformed_requests_are_refused(bench: Any, body: bytes, error: str) -> None:
    """A request that is no JSON or that the model does not allow has an error of AWS's shape."""
    status, kind, answer = post(bench, "/v1/describejobs", body)
    assert (status, kind) == (400, error)
    assert answer["message"]


def test_unknown_jobs_can_be_neither_cancelled_nor_terminated(bench: Any) -> None:
    """Both are refused, and so is an empty reason for a known job."""
    for call in (bench.batch.cancel_job, bench.batch.terminate_job):
        assert "nobody" in refused(call, jobId="nobody", reason="r")
        assert "reason" in refused(call, jobId=bench.submit("true"), reason="")
