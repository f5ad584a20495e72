"""Runs of ``miniwdl-aws-submit`` with secrets, and on another shared file system."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from miniwdl_aws.clients import AwsClients

if TYPE_CHECKING:
    import subprocess

    from miniwdl_aws.local import LocalAws

Submit = Callable[..., "subprocess.CompletedProcess[str]"]

HELLO = Path(__file__).parents[3] / "docs" / "hello.wdl"


def test_a_secret_reaches_the_job_by_reference(submit: Submit, aws: "LocalAws") -> None:
    """The job has its value, and DescribeJobs does not."""
    value = json.dumps({"known": "only to the job"})
    session: Any = boto3.Session()
    name = f"/miniwdl/{aws.bucket}/tags"
    session.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    arn = f"arn:aws:ssm:{aws.region}:123456789012:parameter{name}"
    done = submit(HELLO, "name=by reference", "--wait", "--secret", f"MINIWDL__AWS__JOB_TAGS={arn}")
    assert done.returncode == 0, done.stderr

    job_id = done.stdout.strip()
    batch = AwsClients().batch
    (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
    assert "only to the job" not in json.dumps(job, default=str)
    assert job["container"]["secrets"] == [{"name": "MINIWDL__AWS__JOB_TAGS", "valueFrom": arn}]
    calls = json.loads(submit("status", "--json", job_id).stdout)["calls"]
    described = batch.describe_jobs(jobs=[call["job_id"] for call in calls])["jobs"]
    assert [each["tags"]["known"] for each in described] == ["only to the job"]


def test_variables_of_any_size_reach_the_job(
    submit: Submit, aws: "LocalAws", environ: dict[str, str]
) -> None:
    """The job's overrides hold 8 KiB, and policies for many tasks are longer."""
    tags = {f"tag-{number}": "x" * 250 for number in range(40)}
    environ["MINIWDL__AWS__JOB_TAGS"] = json.dumps(tags)
    done = submit(HELLO, "name=of any size", "--wait")
    assert done.returncode == 0, done.stderr
    calls = json.loads(submit("status", "--json", done.stdout.strip()).stdout)["calls"]
    (job,) = AwsClients().batch.describe_jobs(jobs=[calls[0]["job_id"]])["jobs"]
    assert tags.items() <= job["tags"].items()
    assert aws.bucket


def test_another_file_system_is_mounted_from_the_hosts(
    submit: Submit, aws: "LocalAws", tmp_path: Path
) -> None:
    """Workflow and task jobs run on EC2 and see the folder of their hosts; no EFS is named."""
    mount = tmp_path / "net"
    mount.mkdir()
    done = submit(
        HELLO, "name=Ada", "--wait", "--no-efs", "--mount", mount,
        "--workflow-queue", "miniwdl-task", "--task-queue", "miniwdl-task-fallback",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (outputs,) = (mount / "miniwdl_run").glob("*_hello/outputs.json")
    assert json.loads(outputs.read_text()) == {"hello.greeting": "Hello, Ada!"}
    run = json.loads(submit("status", "--json", done.stdout.strip()).stdout)
    ids = [run["job"]["job_id"], *(call["job_id"] for call in run["calls"])]
    assert len(ids) > 1
    for job in AwsClients().batch.describe_jobs(jobs=ids)["jobs"]:
        (volume,) = job["container"]["volumes"]
        assert volume["host"] == {"sourcePath": str(mount)}
        assert job["platformCapabilities"] == ["EC2"]
    assert aws.bucket
