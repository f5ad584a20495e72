"""Tests of `MiniwdlRunSensor` on the local AWS."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from structlog.testing import capture_logs

from airflow_provider_miniwdl_aws.operators import MiniwdlSubmitOperator
from airflow_provider_miniwdl_aws.sensors import MiniwdlRunSensor, run
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import JobCancelledError, JobLostError
from miniwdl_aws.jobs import describe_all, terminate

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def submitted(worker: Any, hello: Path) -> str:
    """A workflow job that another task has submitted."""
    submit = MiniwdlSubmitOperator(task_id="submit", wdl=hello, inputs={"name": "Ada"})
    return str(worker(submit).execute())


@pytest.fixture
def waiting(worker: Any, tmp_path: Path) -> str:
    """One that does not end by itself."""
    path = tmp_path / "w.wdl"
    path.write_text(
        'version 1.1\ntask t { command { sleep 600 } output {} runtime { docker: "u" } }\n'
        "workflow w { call t }\n"
    )
    return str(worker(MiniwdlSubmitOperator(task_id="submit", wdl=path)).execute())


def sensor(job_id: Any, **arguments: Any) -> MiniwdlRunSensor:
    return MiniwdlRunSensor(task_id="wait", job_id=job_id, **arguments)


def test_the_outcome_is_returned_after_a_deferral(
    worker: Any, triggerer: Any, submitted: str
) -> None:
    """Outputs, run directory and job id, for the tasks that publish and clean."""
    tries = worker(sensor(submitted))
    deferral = tries.execute()
    value = tries.resume(deferral, triggerer.run(deferral))
    assert value["outputs"] == {"hello.greeting": "Hello, Ada!"}
    assert value["run_dir"].startswith("/mnt/efs/miniwdl_run/")
    assert value["job_id"] == submitted
    assert value["published"] == ""


def test_poking_gives_the_same(worker: Any, submitted: str) -> None:
    """The synchronous mode of Airflow's sensors works too."""
    value = worker(sensor(submitted, deferrable=False, poke_interval=0.5)).execute()
    assert value["outputs"] == {"hello.greeting": "Hello, Ada!"}


def test_a_failed_job_fails_the_sensor(
    clients: AwsClients, worker: Any, triggerer: Any, waiting: str
) -> None:
    """With the error that says why."""
    tries = worker(sensor(waiting))
    deferral = tries.execute()
    terminate(clients, waiting, "enough")
    with pytest.raises(JobCancelledError, match="enough"):
        tries.resume(deferral, triggerer.run(deferral))


@pytest.mark.parametrize("mercy", ["soft_fail", "never_fail"])
def test_a_lenient_sensor_is_skipped(worker: Any, mercy: str) -> None:
    """As Airflow's sensors are where the failure is one of Airflow's own errors."""
    tries = worker(sensor(UNKNOWN, **{mercy: True}))
    deferral = tries.execute()
    with pytest.raises(AirflowSkipException), capture_logs() as logs:
        tries.resume(deferral, {"job_id": UNKNOWN, "status": "LOST", "reason": "gone"})
    assert any(UNKNOWN in entry["event"] for entry in logs)


def test_its_timeout_holds_while_deferred_and_ends_the_job(
    clients: AwsClients, worker: Any, waiting: str, eventually: Callable[..., None]
) -> None:
    """The shorter of the sensor's and the task's time-out counts."""
    tries = worker(sensor(waiting, timeout=90, execution_timeout=timedelta(seconds=60)))
    deferral = tries.execute()
    assert deferral.timeout == timedelta(seconds=60)
    with pytest.raises(AirflowSensorTimeout):
        tries.fail_deferral("Trigger timeout")
    eventually(lambda: describe_all(clients, [waiting])[0].is_terminal)


def test_a_sensor_that_only_watches_ends_nothing(
    clients: AwsClients, worker: Any, waiting: str
) -> None:
    """With ``cancel_on_kill=False`` neither a kill nor a time-out touches the job."""
    task = sensor(waiting, cancel_on_kill=False)
    tries = worker(task)
    deferral = tries.execute()
    assert deferral.arguments["cancel_on_kill"] is False
    task.on_kill()
    with pytest.raises(AirflowSensorTimeout):
        tries.fail_deferral("Trigger timeout")
    assert not describe_all(clients, [waiting])[0].is_terminal
    terminate(clients, waiting, "end of test")


def test_a_job_that_batch_does_not_know_is_lost(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poking ends after a few answers without it; it is not taken for a job that runs."""
    monkeypatch.setattr(run, "ASK_AGAIN_SECONDS", 0.0)
    with pytest.raises(JobLostError, match=UNKNOWN):
        worker(sensor(UNKNOWN, deferrable=False)).execute()


def test_a_lost_job_ends_the_deferral(worker: Any) -> None:
    """The watcher's word that a job is lost is checked once more, and believed."""
    tries = worker(sensor(UNKNOWN))
    deferral = tries.execute()
    event = {"job_id": UNKNOWN, "status": "LOST", "reason": "not known for 60 s"}
    with pytest.raises(JobLostError, match="not known for 60 s"):
        tries.resume(deferral, event)


@pytest.mark.parametrize("job_id", ["", "None", None])
def test_no_job_id_is_said(worker: Any, job_id: str | None) -> None:
    """As when the submitting task has pushed none."""
    with pytest.raises(AirflowFailException, match=r"job_id .*is not a job's id"):
        worker(sensor(job_id)).execute()
