"""Workflow jobs on the local AWS, submitted by hand: the runner without the submission core."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from miniwdl_aws import outcome as outcomes
from miniwdl_aws.local import LocalAws, LocalAwsSettings
from miniwdl_aws.logs import LOG_GROUP
from miniwdl_aws.outcome import Outcome

MOUNT = "/mnt/efs"


@dataclass
class EndedJob:
    """What is known of a job that ended."""

    job_id: str
    description: dict[str, Any]
    lines: list[str]

    @property
    def outcome(self) -> Outcome:
        found = outcomes.decode(self.lines)
        assert found is not None, "\n".join(self.lines)
        return found

    @property
    def exit_code(self) -> int:
        return int(self.description["container"]["exitCode"])

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


class Jobs:
    """Submits jobs to a local AWS and reads what became of them."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        session = boto3.session.Session(
            region_name=aws.region,
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106  (the local AWS takes any)
        )
        make: Any = session.client
        self.batch = make("batch", endpoint_url=aws.endpoint_url)
        self.logs = make("logs", endpoint_url=aws.endpoint_url)
        self.s3 = make("s3", endpoint_url=aws.endpoint_url)
        self.definition = self.batch.register_job_definition(
            jobDefinitionName="by-hand",
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties=self._container(),
        )["jobDefinitionArn"]

    def _container(self) -> dict[str, Any]:
        role = "arn:aws:iam::123456789012:role/miniwdl-local"
        efs = {
            "fileSystemId": self.aws.file_system_id,
            "transitEncryption": "ENABLED",
            "authorizationConfig": {"accessPointId": self.aws.access_point_id},
        }
        return {
            "image": "local",
            "command": ["true"],
            "jobRoleArn": role,
            "executionRoleArn": role,
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "4096"},
            ],
            "networkConfiguration": {"assignPublicIp": "ENABLED"},
            "fargatePlatformConfiguration": {"platformVersion": "1.4.0"},
            "volumes": [{"name": "efs", "efsVolumeConfiguration": efs}],
            "mountPoints": [{"sourceVolume": "efs", "containerPath": MOUNT}],
        }

    def put(self, name: str, content: str) -> str:
        """Write a file to the file system, and give its path in jobs."""
        path = self.aws.efs_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return f"{MOUNT}/{name}"

    def host(self, path: str) -> Path:
        """Give a path of the file system as this process sees it."""
        return self.aws.efs_dir / path.removeprefix(f"{MOUNT}/")

    def submit(self, command: list[str], **environment: str) -> str:
        """Submit a job to the workflow queue."""
        variables = {
            "MINIWDL__AWS__TASK_QUEUE": "miniwdl-task",
            "MINIWDL__AWS__TASK_QUEUE_FALLBACK": "miniwdl-task-fallback",
            "MINIWDL__AWS__FSAP": self.aws.access_point_id,
            "MINIWDL__AWS__RETRY_WAIT": "0",
            "MINIWDL__AWS__DESCRIBE_PERIOD": "0.3",
            **environment,
        }
        answer = self.batch.submit_job(
            jobName="workflow",
            jobQueue="miniwdl-workflow",
            jobDefinition=self.definition,
            containerOverrides={
                "command": command,
                "environment": [{"name": k, "value": v} for k, v in variables.items() if v],
            },
        )
        return str(answer["jobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.batch.describe_jobs(jobs=[job_id])["jobs"][0]
        return found

    def wait(self, job_id: str, seconds: float = 120) -> EndedJob:
        """Wait until a job has ended."""
        deadline = time.monotonic() + seconds
        while (job := self.describe(job_id))["status"] not in ("SUCCEEDED", "FAILED"):
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        return EndedJob(job_id, job, self.stream(job["container"]["logStreamName"]))

    def run(self, *command: str, **environment: str) -> EndedJob:
        """Submit a job and wait for it."""
        return self.wait(self.submit(list(command), **environment))

    def stream(self, name: str) -> list[str]:
        events = self.logs.get_log_events(
            logGroupName=LOG_GROUP, logStreamName=name, startFromHead=True
        )["events"]
        return [event["message"] for event in events]

    def tasks(self, parent: str) -> list[dict[str, Any]]:
        """Describe the task jobs of a workflow job."""
        found = [
            each["jobId"]
            for queue in ("miniwdl-task", "miniwdl-task-fallback")
            for each in self.batch.list_jobs(
                jobQueue=queue, filters=[{"name": "JOB_NAME", "values": ["t-*"]}]
            )["jobSummaryList"]
        ]
        described = [self.describe(job_id) for job_id in found]
        return [each for each in described if each["tags"]["AWS_BATCH_PARENT_JOB_ID"] == parent]

    def objects(self, uri: str) -> dict[str, bytes]:
        """Read all objects below a URI."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {
            each["Key"].removeprefix(prefix): self.s3.get_object(Bucket=bucket, Key=each["Key"])[
                "Body"
            ].read()
            for each in listed
        }


@pytest.fixture
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


@pytest.fixture
def patient_jobs() -> Iterator[Jobs]:
    """Jobs on an AWS that gives them 30 s between SIGTERM and SIGKILL, as AWS does."""
    with LocalAws(LocalAwsSettings(stop_timeout_seconds=30)) as aws:
        yield Jobs(aws)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, a minute at most."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "the condition never came true"
            time.sleep(0.05)

    return wait
