"""A workflow job in the image, as AWS Batch would start it, against the local AWS."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.plan import Plan
from miniwdl_aws.settings import arguments_layer, environment_layer
from miniwdl_aws.submission import prepare

pytestmark = pytest.mark.container

HELLO = """
version 1.1

task greet {
  input {
    String name
  }
  command <<<
    echo "Hello, ~{name}!" | tee greeting.txt
  >>>
  output {
    String greeting = read_string(stdout())
    File file = "greeting.txt"
  }
}

workflow hello {
  input {
    Array[String] names
  }
  scatter (name in names) {
    call greet { input: name = name }
  }
  output {
    Array[String] greetings = greet.greeting
    Array[File] files = greet.file
  }
}
"""


@pytest.fixture
def clients(local_aws: Any, monkeypatch: pytest.MonkeyPatch) -> AwsClients:
    """Clients of the local AWS."""
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    return AwsClients()


@pytest.fixture
def run_root(local_aws: Any) -> Path:
    """Where runs go on the shared file system; an access point gives it to every user."""
    folder: Path = local_aws.efs_dir / "miniwdl_run"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def planned(clients: AwsClients, local_aws: Any, tmp_path: Path) -> Plan:
    """The submission of a workflow that lies beside the submitter, packed into the job."""
    source = tmp_path / "hello.wdl"
    source.write_text(HELLO)
    settings = {"image": "any", "s3upload": f"s3://{local_aws.bucket}/{tmp_path.name}/"}
    environ = local_aws.environment
    layers = [arguments_layer(settings), environment_layer(environ)]
    arguments = [str(source), "names=Ebola", "names=Lassa"]
    return prepare(clients, layers, environ, arguments, run_key=tmp_path.name)


def container_variables(plan: Plan, local_aws: Any) -> dict[str, str]:
    """What Batch would set: the job's own environment, and what a job role provides."""
    overrides = plan.job["containerOverrides"]["environment"]
    aws = {name: value for name, value in local_aws.environment.items() if name.startswith("AWS_")}
    own = {entry["name"]: entry["value"] for entry in overrides}
    return {**aws, "AWS_BATCH_JOB_ID": str(uuid.uuid4()), **own}


@pytest.mark.skipif(os.geteuid() != 0, reason="this user's task jobs cannot write another's files")
@pytest.mark.usefixtures("run_root")
@pytest.mark.parametrize("user", ["0:0", "12345:12345"], ids=["root", "another user"])
def test_a_workflow_runs_in_the_image_and_is_published(
    engine: Any, image: str, local_aws: Any, clients: AwsClients, planned: Plan, user: str
) -> None:
    """Its tasks become Batch jobs, its outputs lie on S3 with `outputs.json` naming them there."""
    variables = container_variables(planned, local_aws)
    done = engine.run(
        image,
        *planned.job["containerOverrides"]["command"],
        options=[
            f"--user={user}",
            f"--volume={local_aws.efs_dir}:/mnt/efs",
            *(f"--env={name}={value}" for name, value in variables.items()),
        ],
    )
    bucket, prefix = local_aws.bucket, f"{planned.run_key}/"
    assert "::miniwdl-aws-outcome::" in done.stderr

    def read(key: str) -> bytes:
        content: bytes = clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    outputs = json.loads(read(f"{prefix}outputs.json"))
    assert outputs["hello.greetings"] == ["Hello, Ebola!", "Hello, Lassa!"]
    keys = [uri.removeprefix(f"s3://{bucket}/") for uri in outputs["hello.files"]]
    assert [read(key) for key in keys] == [b"Hello, Ebola!\n", b"Hello, Lassa!\n"]
