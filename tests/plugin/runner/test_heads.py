"""A workflow job whose head dies, from its submission to what lies on S3."""

import json
from typing import Any

import boto3
import psutil
import pytest

from miniwdl_aws import names
from miniwdl_aws.cancel import cancel_run
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.marker import read_marker

SLOW = """
version 1.1
workflow letters {
  input { Int n = 2 }
  scatter (i in range(n)) { call write { input: name = "n~{i}" } }
  call write as last { input: name = "last", before = write.letter[0] }
  output { Array[File] first = write.letter  File end = last.letter }
}
task write {
  input { String name  File? before }
  command <<<
    echo "dear ~{name}" > letter.txt
    ~{if defined(before) then "cat '~{before}' >> letter.txt" else ""}
    sleep 2
  >>>
  output { File letter = "letter.txt" }
}
"""


def kill(job_id: str) -> None:
    """Kill what runs of a job, as the end of its host would."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("AWS_BATCH_JOB_ID") == job_id:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


@pytest.fixture
def submit(jobs: Any) -> Any:
    def make(*command: str, attempts: int) -> str:
        variables = {
            "MINIWDL__AWS__TASK_QUEUE": "miniwdl-task",
            "MINIWDL__AWS__FSAP": jobs.aws.access_point_id,
            "MINIWDL__CALL_CACHE__GET": "false",
        }
        answer = jobs.batch.submit_job(
            jobName="workflow",
            jobQueue="miniwdl-workflow",
            jobDefinition=jobs.definition,
            retryStrategy={"attempts": attempts},
            containerOverrides={
                "command": list(command),
                "environment": [{"name": k, "value": v} for k, v in variables.items()],
            },
        )
        return str(answer["jobId"])

    return make


def test_a_run_of_two_heads_is_published_as_one(jobs: Any, submit: Any, eventually: Any) -> None:
    """Each task ran once, and all outputs lie on S3 where they always do."""
    wdl = jobs.put("heads/letters.wdl", SLOW)
    target = f"s3://{jobs.aws.bucket}/heads/"
    job_id = submit("miniwdl-run-s3upload", wdl, "--s3upload", target, attempts=2)
    eventually(lambda: [task for task in jobs.tasks(job_id) if task["status"] == "RUNNING"])
    kill(job_id)
    job = jobs.wait(job_id)
    assert job.exit_code == 0, job.log
    assert len(job.description["attempts"]) == 2
    assert len(jobs.tasks(job_id)) == 3
    outcome = job.outcome
    objects = jobs.objects(outcome.published)
    assert objects["first/1/letter.txt"] == b"dear n1\n"
    assert objects["end/letter.txt"] == b"dear last\ndear n0\n"
    published = json.loads(objects["outputs.json"])
    assert published["letters.end"] == f"{outcome.published}end/letter.txt"
    run_dir = jobs.host(outcome.run_dir)
    assert (run_dir / "resumed2/call-last").is_dir()
    marker = read_marker(run_dir)
    assert marker is not None
    assert (marker.state, marker.job_id) == ("succeeded", job_id)


def test_a_named_run_directory_is_refused_while_its_job_lives(
    jobs: Any, submit: Any, eventually: Any
) -> None:
    """And taken up once it is dead; what had succeeded is not run again."""
    wdl = jobs.put("named/letters.wdl", SLOW)
    where = ("--dir", "/mnt/efs/named/run/.")
    first = submit("miniwdl-run-s3upload", wdl, *where, attempts=1)
    eventually(lambda: [task for task in jobs.tasks(first) if task["status"] == "RUNNING"])
    refused = jobs.wait(submit("miniwdl-run-s3upload", wdl, *where, attempts=1))
    assert refused.exit_code == 2
    assert f"job {first}, which has not ended" in refused.log
    kill(first)
    jobs.wait(first)
    second = jobs.wait(submit("miniwdl-run-s3upload", wdl, *where, attempts=1))
    assert second.exit_code == 0, second.log
    assert len(jobs.tasks(first)) + len(jobs.tasks(second.job_id)) == 3


def test_cancelling_a_run_ends_what_an_earlier_job_had_submitted(
    jobs: Any, submit: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the job that took over dies without a word."""
    wdl = jobs.put("cancel/letters.wdl", SLOW.replace("sleep 2", "sleep 300"))
    where = ("--dir", "/mnt/efs/cancel/run/.")
    first = submit("miniwdl-run-s3upload", wdl, *where, attempts=1)
    eventually(lambda: len([t for t in jobs.tasks(first) if t["status"] == "RUNNING"]) == 2)
    kill(first)
    jobs.wait(first)
    second = submit("miniwdl-run-s3upload", wdl, *where, attempts=1)
    eventually(lambda: names.EARLIER_TAG in jobs.describe(second)["tags"])
    kill(second)
    jobs.wait(second)
    for name, value in jobs.aws.environment.items():
        monkeypatch.setenv(name, value)
    cancelled = cancel_run(AwsClients(boto3.session.Session()), second, "enough")
    assert cancelled.alive == ()
    assert len(cancelled.terminated) == 2
    assert {task["status"] for task in jobs.tasks(first)} == {"FAILED"}
