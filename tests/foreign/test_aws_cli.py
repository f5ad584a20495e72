"""The AWS CLI, unmodified: `aws batch`, `aws s3`, `aws logs`, `aws efs`."""

import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.local import LocalAws

CONTAINER = {
    "image": "any",
    "command": ["sh", "-c", "echo $GREETING; exec sleep $SECONDS_TO_SLEEP"],
    "environment": [
        {"name": "GREETING", "value": "hello"},
        {"name": "SECONDS_TO_SLEEP", "value": "0"},
    ],
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
}
GROUP = "/aws/batch/job"


class Batch:
    """`aws batch`, with answers as JSON.

    Args:
        cli: The AWS CLI.
        aws: The local AWS, to wait without a program for each look.
        eventually: Waits for a condition.
    """

    def __init__(self, cli: Any, aws: LocalAws, eventually: Callable[..., None]) -> None:
        self.cli = cli
        self._aws = aws
        self._eventually = eventually

    def __call__(self, operation: str, *arguments: str) -> Any:
        output = self.cli.output("aws", "batch", operation, "--output", "json", *arguments)
        return json.loads(output) if output else None

    def submit(self, name: str, definition: str, *more: str) -> str:
        """Submits a job; gives its id."""
        answer = self(
            *("submit-job", "--job-name", name, "--job-queue", "miniwdl-task"),
            *("--job-definition", definition, *more),
        )
        return str(answer["jobId"])

    def status(self, job_id: str) -> str:
        history = self._aws.job_history(job_id)
        assert history is not None
        return history[-1][0]

    def wait(self, job_id: str, status: str) -> None:
        self._eventually(lambda: self.status(job_id) in {status, "SUCCEEDED", "FAILED"})
        assert self.status(job_id) == status

    def describe(self, *job_ids: str) -> list[Any]:
        jobs: list[Any] = self("describe-jobs", "--jobs", *job_ids)["jobs"]
        return jobs


def register(cli: Any, name: str) -> str:
    """Registers the definition with `aws batch`; gives its ARN."""
    return str(
        cli.output(
            *("aws", "batch", "register-job-definition", "--type", "container"),
            *("--job-definition-name", name, "--container-properties", json.dumps(CONTAINER)),
            *("--tags", "from=cli", "--query", "jobDefinitionArn", "--output", "text"),
        ).strip()
    )


@pytest.fixture(scope="module")
def definition(aws_cli: Any) -> str:
    return register(aws_cli, "cli")


@pytest.fixture
def batch(aws_cli: Any, local_aws: LocalAws, eventually: Callable[..., None]) -> Batch:
    return Batch(aws_cli, local_aws, eventually)


def test_jobs_are_submitted_described_listed_and_tagged(batch: Batch, definition: str) -> None:
    """A job's overrides and tags arrive; filters and statuses find it."""
    overrides = json.dumps({"environment": [{"name": "GREETING", "value": "hi"}]})
    job_id = batch.submit(
        *("cli-greet-one", definition, "--container-overrides", overrides),
        *("--tags", "sample=1", "--propagate-tags", "--retry-strategy", "attempts=2"),
    )
    batch.wait(job_id, "SUCCEEDED")
    (job,) = batch.describe(job_id)
    assert job["container"]["exitCode"] == 0
    assert {"name": "GREETING", "value": "hi"} in job["container"]["environment"]
    assert (job["tags"], job["propagateTags"]) == ({"sample": "1"}, True)
    assert job["retryStrategy"]["attempts"] == 2

    queue = ("--job-queue", "miniwdl-task")
    named = batch("list-jobs", *queue, "--filters", "name=JOB_NAME,values=CLI-greet-*")
    assert [each["jobId"] for each in named["jobSummaryList"]] == [job_id]
    ended = batch("list-jobs", *queue, "--job-status", "SUCCEEDED")["jobSummaryList"]
    assert job_id in [each["jobId"] for each in ended]

    batch("tag-resource", "--resource-arn", job["jobArn"], "--tags", "owner=Ada")
    batch("untag-resource", "--resource-arn", job["jobArn"], "--tag-keys", "sample")
    tags = batch("list-tags-for-resource", "--resource-arn", job["jobArn"])
    assert tags == {"tags": {"owner": "Ada"}}


def test_jobs_are_terminated_and_cancelled(batch: Batch, definition: str) -> None:
    """Terminate ends a job that runs, cancel one that waits; each says so, with its reason."""
    overrides = json.dumps({"environment": [{"name": "SECONDS_TO_SLEEP", "value": "1000"}]})
    running = batch.submit("cli-runs", definition, "--container-overrides", overrides)
    waiting = batch.submit("cli-waits", definition, "--depends-on", f"jobId={running}")
    batch.wait(running, "RUNNING")
    batch("cancel-job", "--job-id", waiting, "--reason", "not needed")
    batch("terminate-job", "--job-id", running, "--reason", "enough")
    batch.wait(running, "FAILED")
    ended, cancelled = sorted(batch.describe(running, waiting), key=lambda job: job["isCancelled"])
    assert (ended["statusReason"], ended["isTerminated"]) == ("enough", True)
    assert (cancelled["statusReason"], cancelled["isTerminated"]) == ("not needed", False)


def test_an_array_is_submitted_and_its_children_listed(batch: Batch, definition: str) -> None:
    """Its summary counts them; each is described by its own id."""
    array = batch.submit("cli-array", definition, "--array-properties", "size=3")
    batch.wait(array, "SUCCEEDED")
    listed = batch("list-jobs", "--array-job-id", array, "--job-status", "SUCCEEDED")
    children = sorted(each["jobId"] for each in listed["jobSummaryList"])
    assert children == [f"{array}:{index}" for index in range(3)]
    parent, last = batch.describe(array, children[-1])
    assert parent["arrayProperties"]["size"] == 3
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    assert last["arrayProperties"]["index"] == 2


def test_files_go_to_s3_and_back(aws_cli: Any, local_aws: LocalAws, tmp_path: Path) -> None:
    """A file in parts, a directory, a listing, a removal; what is there is not sent again."""
    source, prefix = tmp_path / "source", f"s3://{local_aws.bucket}/cli"
    (source / "deep er").mkdir(parents=True)
    (source / "large").write_bytes(bytes(range(256)) * 4 * 9 * 1024)  # 9 MiB: two parts
    (source / "deep er" / "naïve +1.txt").write_text("small")
    for path in (source / "large", source / "deep er" / "naïve +1.txt"):
        os.utime(path, (1.7e9, 1.7e9))  # older than any object, whatever second that falls in
    uploaded = aws_cli.output("aws", "s3", "sync", "--no-progress", str(source), prefix)
    assert uploaded.count("upload: ") == 2
    assert aws_cli.output("aws", "s3", "sync", str(source), prefix) == ""
    listing = aws_cli.output("aws", "s3", "ls", "--recursive", f"{prefix}/")
    assert re.findall(r"(\d+) cli/(.*)", listing) == [
        ("5", "deep er/naïve +1.txt"),
        (str(9 * 2**20), "large"),
    ]

    target = tmp_path / "target"
    aws_cli.output("aws", "s3", "cp", "--no-progress", "--recursive", prefix, str(target))
    assert (target / "large").read_bytes() == (source / "large").read_bytes()
    assert (target / "deep er" / "naïve +1.txt").read_text() == "small"
    removed = aws_cli.output("aws", "s3", "rm", "--recursive", prefix)
    assert removed.count("delete: ") == 2
    done = aws_cli.run("aws", "s3", "ls", f"{prefix}/")
    assert (done.returncode, done.stdout) == (1, "")


def test_version_2_sends_a_file_in_parts_and_gets_it_back(
    aws_cli_v2: Any, local_aws: LocalAws, tmp_path: Path
) -> None:
    """It adds and checks checksums in its own way."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 4 * 9 * 1024)
    uri = f"s3://{local_aws.bucket}/cli-v2"
    aws_cli_v2.output("aws", "s3", "cp", "--no-progress", str(source), uri)
    aws_cli_v2.output("aws", "s3", "cp", "--no-progress", uri, str(target))
    assert target.read_bytes() == source.read_bytes()


def test_logs_are_tailed_and_followed(
    batch: Batch, definition: str, aws_cli_v2: Any, local_aws: LocalAws
) -> None:
    """What a job has printed is there; what it prints while it is followed comes."""
    go = local_aws.efs_dir / "cli-go"
    script = f"echo first; until test -e {go}; do sleep 0.1; done; echo second; exec sleep 1000"
    overrides = json.dumps({"command": ["sh", "-c", script]})
    job_id = batch.submit("cli-logs", definition, "--container-overrides", overrides)
    batch.wait(job_id, "RUNNING")
    (job,) = batch.describe(job_id)
    stream = ("--log-stream-names", job["container"]["logStreamName"], "--format", "short")
    process = aws_cli_v2.start("aws", "logs", "tail", GROUP, "--follow", *stream)
    alarm = threading.Timer(60, process.kill)
    alarm.start()
    with process:
        assert process.stdout.readline().rstrip().endswith(" first")
        go.touch()
        assert process.stdout.readline().rstrip().endswith(" second")
        process.terminate()
        process.communicate()
    alarm.cancel()
    lines = aws_cli_v2.output("aws", "logs", "tail", GROUP, *stream).splitlines()
    assert [line.split()[-1] for line in lines] == ["first", "second"]
    aws_cli_v2.output("aws", "batch", "terminate-job", "--job-id", job_id, "--reason", "seen")


def test_file_systems_and_access_points_are_described(aws_cli: Any, local_aws: LocalAws) -> None:
    """What the local AWS made at its start is found."""
    query = ("--output", "text", "--query")
    systems = aws_cli.output(
        *("aws", "efs", "describe-file-systems", *query, "FileSystems[].FileSystemId")
    )
    assert local_aws.file_system_id in systems.split()
    point = aws_cli.output(
        *("aws", "efs", "describe-access-points", "--access-point-id", local_aws.access_point_id),
        *(*query, "AccessPoints[].[FileSystemId,RootDirectory.Path]"),
    )
    assert point.split() == [local_aws.file_system_id, "/miniwdl"]


def test_a_deregistered_definition_takes_no_jobs(batch: Batch) -> None:
    """The CLI fails with Batch's own error."""
    definition = register(batch.cli, "cli-gone")
    batch("deregister-job-definition", "--job-definition", definition)
    (found,) = batch("describe-job-definitions", "--job-definitions", definition)["jobDefinitions"]
    assert (found["status"], found["tags"]) == ("INACTIVE", {"from": "cli"})
    done = batch.cli.run(
        *("aws", "batch", "submit-job", "--job-name", "n", "--job-queue", "miniwdl-task"),
        *("--job-definition", definition),
    )
    assert done.returncode != 0
    assert "(ClientException) when calling the SubmitJob operation" in done.stderr
