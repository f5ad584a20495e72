"""The reference backend, miniwdl-aws 0.12.2, unmodified: submission, workflow job, task jobs."""

import json
import random
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from benchmarks.peers import AS_SHIPPED
from miniwdl_aws.local import LocalAws, LocalAwsSettings

QUICK = {
    "MINIWDL__AWS__DESCRIBE_PERIOD": "0.2",
    "MINIWDL__AWS__SUBMIT_PERIOD": "0.1",
    "MINIWDL__AWS__RETRY_WAIT": "0.1",
}
"""Settings of its own that keep its periods short."""

WDL = """
version 1.1

workflow greet {
  input {
    Array[String] names
  }
  scatter (name in names) {
    call hello { input: name = name }
  }
  output {
    Array[File] greetings = hello.greeting
    Array[String] queues = hello.queue
  }
}

task hello {
  input {
    String name
  }
  command <<<
    set -e
    if [ ~{name} = flaky ] && mkdir /mnt/efs/failed-once; then
      exit 1
    fi
    if [ ~{name} = broken ]; then
      echo "no greeting for ~{name}" >&2
      sleep 1 # or else the reference's `tee` may end before it has written the line
      exit 7
    fi
    if [ ~{name} = spot ] && mkdir /mnt/efs/interrupted-once; then
      sleep 1000
    fi
    echo "Hello, ~{name}!" > greeting.txt
    echo "$AWS_BATCH_JQ_NAME"
  >>>
  output {
    File greeting = "greeting.txt"
    String queue = read_string(stdout())
  }
  runtime {
    docker: "ubuntu:22.04"
    maxRetries: 1
    preemptible: 1
  }
}
"""


@pytest.fixture(scope="module")
def aws(reference_programs: tuple[Path, ...]) -> Iterator[LocalAws]:
    """A local AWS whose image is the reference's: its programs, and the AWS CLI."""
    settings = LocalAwsSettings(stop_timeout_seconds=2, program_dirs=reference_programs)
    with LocalAws(settings) as aws:
        yield aws


@pytest.fixture
def submit(
    aws: LocalAws, foreign_client: Callable[..., Any], reference_programs: tuple[Path, ...]
) -> Callable[..., Any]:
    """Runs `miniwdl-aws-submit --follow`, the reference's."""
    client = foreign_client(reference_programs, {**aws.environment, **AS_SHIPPED, **QUICK})
    return lambda *arguments: client.run("miniwdl-aws-submit", "--follow", *arguments)


@pytest.fixture
def make_client(aws: LocalAws) -> Callable[[str], Any]:
    session: Any = boto3.Session(
        aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=aws.region,
    )
    return lambda service: session.client(service, endpoint_url=aws.endpoint_url)


@pytest.fixture
def wdl(tmp_path: Path) -> Path:
    """The workflow, with so much noise that it does not fit where the reference puts small ones.

    Beyond 4,096 characters it travels in tags of the job definition, which its workflow job asks
    for with the AWS CLI.
    """
    path = tmp_path / "greet.wdl"
    noise = textwrap.wrap(random.Random(1).randbytes(4000).hex(), 80)  # noqa: S311 - not a secret
    path.write_text(WDL + "".join(f"# {line}\n" for line in noise))
    return path


def published(s3: Any, bucket: str, folder: str) -> dict[str, bytes]:
    """Give the objects below a folder by their name there."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{folder}/").get("Contents", [])
    return {
        each["Key"].removeprefix(f"{folder}/"): s3.get_object(Bucket=bucket, Key=each["Key"])[
            "Body"
        ].read()
        for each in found
    }


def run_directories(aws: LocalAws) -> list[str]:
    found = (aws.efs_dir / "miniwdl_run").iterdir()
    return [each.name for each in found if each.is_dir() and each.name != "_CACHE"]


def test_a_run_with_a_retry_is_followed_published_and_deleted(
    aws: LocalAws, submit: Callable[..., Any], make_client: Callable[[str], Any], wdl: Path
) -> None:
    """A scatter completes though one task fails at first; results are in S3, the directory gone."""
    target = ("--s3upload", f"s3://{aws.bucket}/reference/", "--delete-after", "success")
    names = [f"names={name}" for name in ("Ada", "flaky", "Grace")]
    done = submit(str(wdl), *names, *target)
    assert done.returncode == 0, done.stderr
    assert "AWS Batch job change" in done.stderr
    assert "end-of-log marker not seen" not in done.stderr

    objects = published(make_client("s3"), aws.bucket, "reference")
    outputs = json.loads(objects["outputs.json"])
    uris = outputs["greet.greetings"]
    keys = [uri.removeprefix(f"s3://{aws.bucket}/reference/") for uri in uris]
    texts = [objects[key].decode() for key in keys]
    assert texts == ["Hello, Ada!\n", "Hello, flaky!\n", "Hello, Grace!\n"]
    assert b"AWS Batch job change" in objects["workflow.log"]
    assert run_directories(aws) == []

    batch = make_client("batch")
    head = done.stdout.strip()
    summaries = batch.list_jobs(
        jobQueue="miniwdl-task", filters=[{"name": "JOB_NAME", "values": ["hello-*"]}]
    )["jobSummaryList"]
    statuses = sorted(job["status"] for job in summaries)
    assert statuses == ["FAILED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]
    jobs = batch.describe_jobs(jobs=[job["jobId"] for job in summaries])["jobs"]
    assert {job["tags"]["AWS_BATCH_PARENT_JOB_ID"] for job in jobs} == {head}
    assert batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"] == []


def test_a_run_that_fails_says_why(
    aws: LocalAws, submit: Callable[..., Any], make_client: Callable[[str], Any], wdl: Path
) -> None:
    """The exit code is the workflow job's; error and standard error of the task are in S3."""
    target = ("--s3upload", f"s3://{aws.bucket}/failed/", "--delete-after", "failure")
    done = submit(str(wdl), "names=broken", *target)
    (job,) = make_client("batch").describe_jobs(jobs=[done.stdout.strip()])["jobs"]
    assert done.returncode == job["container"]["exitCode"] != 0
    assert done.stderr.rstrip().endswith(f"FAILED\t{job['jobId']}")

    objects = published(make_client("s3"), aws.bucket, "failed")
    error = json.loads(objects["error.json"])
    assert error["cause"]["exit_status"] == 7
    assert error["cause"]["statusReason"] == "Essential container in task exited"
    assert b"no greeting for broken" in objects["CommandFailed_stderr.txt"]
    assert "outputs.json" not in objects
    assert run_directories(aws) == []


def test_a_reclaimed_host_sends_a_task_to_the_fallback_queue(
    aws: LocalAws, submit: Callable[..., Any], wdl: Path
) -> None:
    """It tells an interruption by the job's status reason; `preemptible: 1` allows for one."""
    aws.faults.add("spot-reclaim,job=hello-*,times=1,delay=1")
    done = submit(str(wdl), "names=spot")
    assert done.returncode == 0, done.stderr
    assert aws.counters()["faults"] == {"spot-reclaim": 1}
    (outputs,) = (aws.efs_dir / "miniwdl_run").glob("2*/outputs.json")
    assert json.loads(outputs.read_text())["greet.queues"] == ["miniwdl-task-fallback"]
