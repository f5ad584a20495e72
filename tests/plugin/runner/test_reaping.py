"""Tests of `miniwdl_aws.runner.reaping`."""

import uuid
from typing import Any

import boto3

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.names import PARENT_TAG, task_job_prefix
from miniwdl_aws.runner.reaping import end_task_jobs


def test_what_miniwdl_left_running_is_ended(jobs: Any, eventually: Any, monkeypatch: Any) -> None:
    """The task jobs of this workflow job are found by name and tag, and no others touched."""
    for name, value in jobs.aws.environment.items():
        monkeypatch.setenv(name, value)
    jobs.batch.register_job_definition(
        jobDefinitionName="sleeper",
        type="container",
        containerProperties={
            "image": "local",
            "command": ["sleep", "300"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "1024"},
            ],
        },
    )
    parents = [str(uuid.uuid4()) for _ in range(2)]
    started = [
        jobs.batch.submit_job(
            jobName=f"{task_job_prefix(parent)}x",
            jobQueue="miniwdl-task",
            jobDefinition="sleeper",
            tags={PARENT_TAG: parent},
        )["jobId"]
        for parent in (parents[0], parents[0], parents[1])
    ]
    clients = AwsClients(boto3.session.Session())
    environment = {"MINIWDL__AWS__TASK_QUEUE": "miniwdl-task"}
    assert end_task_jobs(clients, environment, parents[0]) == 2
    eventually(lambda: all(jobs.describe(each)["status"] == "FAILED" for each in started[:2]))
    assert jobs.describe(started[2])["status"] != "FAILED"
    assert end_task_jobs(clients, environment, parents[1]) == 1
    assert end_task_jobs(clients, environment, "") == 0
    assert end_task_jobs(clients, {"MINIWDL__AWS__TASK_QUEUE": "none"}, parents[0]) == 0
