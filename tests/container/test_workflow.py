"""A whole run in containers: the workflow job in its image, each task job in the task's own."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from miniwdl_aws.local import LocalAws

pytestmark = pytest.mark.container

WORKFLOW = """\
version 1.1

workflow greet_all {
  input {
    Array[String] names
    String image
  }
  scatter (name in names) {
    call greet { input: name, image }
  }
  output {
    Array[String] greetings = greet.greeting
    Array[File] programs = greet.program
  }
}

task greet {
  input {
    String name
    String image
  }
  command <<<
    echo "Hello, ~{name}, from $OF_THE_IMAGE"
    readlink -f "$(command -v cat)" > program
  >>>
  output {
    String greeting = read_string(stdout())
    File program = "program"
  }
  runtime {
    docker: image
    cpu: 1
    memory: "256 MiB"
  }
}
"""


def submit(aws: LocalAws, image: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {**aws.environment, "MINIWDL__AWS__WORKFLOW_IMAGE": image}
    return subprocess.run(
        [sys.executable, "-m", "miniwdl_aws.cli.submit", "--follow", *arguments],
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def images_of(aws: LocalAws, queue: str) -> list[str]:
    batch = boto3.client(
        "batch",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - not a secret
    )
    listed = batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]
    if not listed:
        return []
    jobs = batch.describe_jobs(jobs=[job["jobId"] for job in listed])["jobs"]
    return [job["container"]["image"] for job in jobs]


def test_a_workflow_runs_in_containers(
    image: str, busybox_image: str, container_aws: LocalAws, tmp_path: Path
) -> None:
    """Submitted and followed from a shell; its tasks run in their image, not on this machine."""
    source = tmp_path / "greet_all.wdl"
    source.write_text(WORKFLOW)
    inputs = {"names": ["Ada", "Eve"], "image": busybox_image}
    (tmp_path / "inputs.json").write_text(json.dumps(inputs))
    before = len(images_of(container_aws, "miniwdl-task"))
    done = submit(container_aws, image, str(source), "-i", str(tmp_path / "inputs.json"))
    assert done.returncode == 0, done.stderr
    (found,) = container_aws.efs_dir.glob("miniwdl_run/*_greet_all/outputs.json")
    outputs = json.loads(found.read_text())
    assert outputs["greet_all.greetings"] == ["Hello, Ada, from 1", "Hello, Eve, from 1"]
    program = Path(outputs["greet_all.programs"][0]).relative_to("/mnt/efs")
    assert (container_aws.efs_dir / program).read_text() == "/bin/busybox\n"
    assert image in images_of(container_aws, "miniwdl-workflow")
    task_images = images_of(container_aws, "miniwdl-task")
    assert len(task_images) - before == 2
    assert task_images.count(busybox_image) >= 2
