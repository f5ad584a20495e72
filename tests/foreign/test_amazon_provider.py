"""The Amazon provider's operators and sensors for AWS Batch, unmodified, in Airflow."""

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest

from miniwdl_aws.local import LocalAws

DAG = Path(__file__).with_name("stock_dag.py")


@pytest.fixture(scope="module")
def batch(local_aws: LocalAws) -> Any:
    session: Any = boto3.Session(
        aws_access_key_id=local_aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=local_aws.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=local_aws.region,
    )
    return session.client("batch", endpoint_url=local_aws.endpoint_url)


@pytest.fixture(scope="module")
def definition(batch: Any) -> str:
    requirements = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
    answer = batch.register_job_definition(
        jobDefinitionName="stock",
        type="container",
        containerProperties={
            "image": "any",
            "command": ["true"],
            "resourceRequirements": requirements,
        },
    )
    return str(answer["jobDefinitionArn"])


@pytest.fixture(scope="module")
def ran(amazon_provider: Any, definition: str) -> Any:
    """The DAG, run to its end in an Airflow of its own."""
    client = amazon_provider.having(STOCK_JOB_DEFINITION=definition)
    dags = Path(client.environment["AIRFLOW_HOME"]) / "dags"
    dags.mkdir()
    shutil.copy(DAG, dags)
    return client.run("python", str(dags / DAG.name), seconds=300)


@pytest.fixture(scope="module")
def report(ran: Any) -> dict[str, Any]:
    """Each task's state and result."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    states: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return states


def job_of(batch: Any, name: str) -> dict[str, Any]:
    filters = [{"name": "JOB_NAME", "values": [name]}]
    (found,) = batch.list_jobs(jobQueue="miniwdl-task", filters=filters)["jobSummaryList"]
    (job,) = batch.describe_jobs(jobs=[found["jobId"]])["jobs"]
    return dict(job)


@pytest.mark.parametrize("task", ["waited", "deferred"])
def test_an_operator_runs_a_job_to_its_end(report: Any, batch: Any, task: str) -> None:
    """Synchronously, and with its trigger, which asks with aiobotocore."""
    job = job_of(batch, task)
    assert job["status"] == "SUCCEEDED"
    assert report[task] == ["success", job["jobId"]]


def test_an_operator_shows_the_log_of_its_job(report: Any, ran: Any) -> None:
    """What the job printed is in the task's log, in order."""
    lines = [line for line in ran.stdout.splitlines() if "task_log_fetcher" in line]
    assert [word for line in lines for word in ("one", "two") if f"] {word} " in line] == [
        "one",
        "two",
    ]


def test_an_operator_fails_with_its_job(report: Any, ran: Any, batch: Any) -> None:
    """A deferred task whose job failed fails, once its trigger has seen it."""
    job = job_of(batch, "failed")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 3)
    assert report["failed"] == ["failed", None]


@pytest.mark.parametrize("mode", ["poke", "trigger"])
def test_a_sensor_waits_for_a_job(report: Any, batch: Any, mode: str) -> None:
    """It succeeds once the job has, whoever asks for its status."""
    assert report[f"started_for_{mode}"] == [
        "success",
        job_of(batch, f"started_for_{mode}")["jobId"],
    ]
    assert report[f"watched_by_{mode}"][0] == "success"
