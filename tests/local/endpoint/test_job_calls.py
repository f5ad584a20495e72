"""Array jobs, shares and stopped jobs as Batch's API shows them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def array(bench: Any, script: str, size: int, **more: Any) -> str:
    """Submit an array job that runs a shell script; return its id."""
    return str(bench.shell(script, arrayProperties={"size": size}, **more))


def test_an_array_runs_once_for_each_index(bench: Any) -> None:
    """Each child with its index, in a log stream of its own."""
    parent = array(bench, "echo $AWS_BATCH_JOB_ARRAY_INDEX of $AWS_BATCH_JOB_ARRAY_SIZE", 3)
    job = bench.wait_for(parent, "SUCCEEDED")
    assert job["arrayProperties"]["size"] == 3
    assert job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    assert job["attempts"] == []
    children = bench.batch.describe_jobs(jobs=[f"{parent}:{index}" for index in range(4)])["jobs"]
    assert [child["arrayProperties"]["index"] for child in children] == [0, 1, 2]
    assert [bench.lines(child) for child in children] == [[f"{index} of 3"] for index in range(3)]
    assert bench.statuses(parent) == ["SUBMITTED", "PENDING", "SUCCEEDED"]


def test_children_are_listed_by_their_array(bench: Any) -> None:
    """By status, RUNNING by default, in pages; the queue's own lists show the parent alone."""
    parent = array(bench, "test $AWS_BATCH_JOB_ARRAY_INDEX = 1", 4)
    bench.wait_for(parent, "FAILED")

    def listed(**request: Any) -> list[int]:
        pages = bench.batch.get_paginator("list_jobs").paginate(
            **request, PaginationConfig={"PageSize": 2}
        )
        return [job["arrayProperties"]["index"] for page in pages for job in page["jobSummaryList"]]

    assert listed(arrayJobId=parent) == []
    assert listed(arrayJobId=parent, jobStatus="FAILED") == [0, 2, 3]
    assert listed(arrayJobId=parent, jobStatus="SUCCEEDED") == [1]
    everything = [{"name": "JOB_NAME", "values": ["nobody"]}]
    # A filter does not apply to children.
    assert listed(arrayJobId=parent, jobStatus="FAILED", filters=everything) == [0, 2, 3]
    name = bench.describe(parent)["jobName"]
    found = bench.batch.list_jobs(
        jobQueue="miniwdl-task", filters=[{"name": "JOB_NAME", "values": [name]}]
    )["jobSummaryList"]
    assert [job["jobId"] for job in found] == [parent]
    assert found[0]["arrayProperties"]["size"] == 4


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"jobQueue": "miniwdl-task", "arrayJobId": "x"},
        {"arrayJobId": "nobody"},
        {"multiNodeJobId": "x"},
        {"jobQueue": "miniwdl-task", "filters": [{"name": "job_name", "values": ["x"]}]},
        {"jobQueue": "miniwdl-task", "filters": [{"name": "JOB_NAME", "values": ["x"]}] * 2},
        {"jobQueue": "miniwdl-task", "jobStatus": "ASLEEP"},
    ],
)
def test_lists_that_batch_refuses(bench: Any, request_: dict[str, Any]) -> None:
    """Neither or both of queue and array, a filter in other letters, more than one."""
    with pytest.raises(ClientError) as caught:
        bench.batch.list_jobs(**request_)
    assert caught.value.response["Error"]["Code"] == "ClientException"


def test_tags_are_those_of_the_whole_array(bench: Any) -> None:
    """Children show them, and have none of their own."""
    parent = array(bench, "sleep 300", 2, tags={"a": "1"})
    arn = bench.describe(parent)["jobArn"]
    assert bench.describe(f"{parent}:1")["tags"] == {"a": "1"}
    bench.batch.tag_resource(resourceArn=arn, tags={"b": "2"})
    assert bench.describe(f"{parent}:1")["tags"] == {"a": "1", "b": "2"}
    with pytest.raises(ClientError):
        bench.batch.tag_resource(resourceArn=f"{arn}:1", tags={"c": "3"})
    bench.batch.terminate_job(jobId=parent, reason="done")
    assert bench.wait_for(parent, "FAILED")["isTerminated"]


def test_propagated_tags_are_fifty_at_most(bench: Any) -> None:
    """Those of the job and of its definition together; more fail the job."""
    own, common = (
        {f"{kind}{n}": "" for n in range(count)} for kind, count in (("j", 26), ("d", 25))
    )
    arn = bench.register("true", tags=common)["jobDefinitionArn"]
    request = {"jobName": "x", "jobQueue": "miniwdl-task", "jobDefinition": arn, "tags": own}
    alone = bench.batch.submit_job(**request)["jobId"]
    both = bench.batch.submit_job(**request, propagateTags=True)["jobId"]
    bench.wait_for(alone, "SUCCEEDED")
    assert "more than 50" in bench.wait_for(both, "FAILED")["statusReason"]
    assert "RUNNABLE" not in bench.statuses(both)


def test_several_jobs_are_stopped_at_once(bench: Any) -> None:
    """Those that are not found count as stopped."""
    first = bench.shell("sleep 300")
    second = bench.shell("sleep 300", dependsOn=[{"jobId": first}])
    bench.wait_for(first, "RUNNING")
    answer = bench.batch.cancel_jobs(jobs=[first, second, "nobody"], reason="enough")
    assert (answer["successful"], answer["errors"]) == ([first, second, "nobody"], [])
    assert bench.describe(first)["status"] == "RUNNING"
    answer = bench.batch.terminate_jobs(jobs=[first], reason="enough")
    assert answer["successful"] == [first]
    for job_id in (first, second):
        assert bench.wait_for(job_id, "FAILED")["statusReason"] == "enough"
    summary = bench.batch.list_jobs(jobQueue="miniwdl-task", jobStatus="FAILED")["jobSummaryList"]
    flags = {job["jobId"]: (job.get("isCancelled"), job.get("isTerminated")) for job in summary}
    assert (flags[first], flags[second]) == ((None, True), (True, None))


def test_policies_live_and_die(bench: Any) -> None:
    """They are created, described, listed, tagged, updated and deleted."""
    created = [bench.batch.create_scheduling_policy(name=bench.name()) for _ in range(3)]
    arns = [policy["arn"] for policy in created]
    pages = bench.batch.get_paginator("list_scheduling_policies").paginate(
        PaginationConfig={"PageSize": 1}
    )
    assert set(arns) <= {each["arn"] for page in pages for each in page["schedulingPolicies"]}
    weights = [{"shareIdentifier": "a", "weightFactor": 0.5}]
    policy = {"shareDecaySeconds": 1200, "computeReservation": 10, "shareDistribution": weights}
    bench.batch.update_scheduling_policy(arn=arns[0], fairsharePolicy=policy)
    bench.batch.tag_resource(resourceArn=arns[0], tags={"a": "1"})
    described = bench.batch.describe_scheduling_policies(arns=[arns[0], "nobody"])
    assert described["schedulingPolicies"] == [
        {"name": created[0]["name"], "arn": arns[0], "fairsharePolicy": policy, "tags": {"a": "1"}}
    ]
    for arn in arns:
        bench.batch.delete_scheduling_policy(arn=arn)
    assert bench.batch.describe_scheduling_policies(arns=arns)["schedulingPolicies"] == []
    with pytest.raises(ClientError):
        bench.batch.update_scheduling_policy(arn=arns[0])
    with pytest.raises(ClientError, match="the local AWS does not do this"):
        bench.batch.create_scheduling_policy(
            name=bench.name(), quotaSharePolicy={"idleResourceAssignmentStrategy": "FIFO"}
        )


def test_jobs_of_a_fair_queue_show_their_share(bench: Any) -> None:
    """And are found by it, of one status or of all."""
    policy = bench.batch.create_scheduling_policy(name=bench.name())["arn"]
    queue = bench.name()
    bench.batch.create_job_queue(
        jobQueueName=queue,
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "miniwdl-ec2"}],
        schedulingPolicyArn=policy,
    )
    found = bench.batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]
    assert found["schedulingPolicyArn"] == policy
    one, two = (
        bench.submit(*command, jobQueue=queue, shareIdentifier="one", schedulingPriorityOverride=7)
        for command in (("true",), ("sleep", "300"))
    )
    other = bench.submit("true", jobQueue=queue, shareIdentifier="other")
    bench.wait_for(two, "RUNNING")
    for job_id in (one, other):
        bench.wait_for(job_id, "SUCCEEDED")
    job = bench.describe(one)
    assert (job["shareIdentifier"], job["schedulingPriority"]) == ("one", 7)

    def listed(**status: str) -> set[str]:
        share = [{"name": "SHARE_IDENTIFIER", "values": ["one"]}]
        answer = bench.batch.list_jobs(jobQueue=queue, filters=share, **status)
        return {each["jobId"] for each in answer["jobSummaryList"]}

    assert listed() == {one, two}
    assert listed(jobStatus="RUNNING") == {two}
    bench.batch.terminate_job(jobId=two, reason="done")


def test_ended_jobs_vanish(
    start_bench: Callable[..., Any], eventually: Callable[[Callable[[], object]], None]
) -> None:
    """After the retention time they are neither described, listed, tagged nor depended on."""
    bench = start_bench(job_retention_seconds=0)
    running = bench.shell("sleep 300")
    ended = bench.shell("sleep 0.2")
    parent = array(bench, "sleep 0.2", 2)
    arn = bench.describe(ended)["jobArn"]
    eventually(lambda: bench.batch.describe_jobs(jobs=[ended, parent])["jobs"] == [])
    assert bench.batch.describe_jobs(jobs=[f"{parent}:0", f"{parent}:1"])["jobs"] == []
    assert (
        bench.batch.list_jobs(jobQueue="miniwdl-task", jobStatus="SUCCEEDED")["jobSummaryList"]
        == []
    )
    with pytest.raises(ClientError, match="not found"):
        bench.batch.list_tags_for_resource(resourceArn=arn)
    with pytest.raises(ClientError, match="does not exist"):
        bench.shell("true", dependsOn=[{"jobId": ended}])
    assert bench.describe(running)["status"] in {"STARTING", "RUNNING"}
