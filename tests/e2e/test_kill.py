"""While a task is deferred it holds no worker, and killing it ends all of its jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from miniwdl_aws.marker import MARKER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from demo.dag_runs import DagRun
    from miniwdl_aws.status import JobStatus
    from tests.e2e.stage import Runs, Stage

pytestmark = pytest.mark.e2e

SLEEPERS = 2


def asleep(
    stage: Stage, run: DagRun, task_id: str, job_task_id: str
) -> tuple[str, list[JobStatus]]:
    """Wait until a task is deferred and the commands of all of its calls run."""
    stage.wait(
        lambda: run.task_state(task_id) == "deferred", f"{run.run_id} is never deferred", 120
    )
    job_id = run.xcom(job_task_id, "job_id")

    def all_running() -> bool:
        return [job.status for job in stage.task_jobs(job_id)] == ["RUNNING"] * SLEEPERS

    stage.wait(all_running, f"the calls of {run.run_id} do not run", 120)
    return job_id, stage.task_jobs(job_id)


def run_directory(stage: Stage, job_id: str) -> Path:
    """Find the run directory of a workflow job by its marker."""
    found: list[Path] = [
        marker.parent
        for marker in (stage.aws.efs_dir / "miniwdl_run").glob(f"*/{MARKER_FILE}")
        if job_id in marker.read_text()
    ]
    assert len(found) == 1, found
    return found[0]


def stopped(stage: Stage, job_id: str, calls: list[JobStatus]) -> None:
    """Wait until a workflow job and its task jobs have ended, and look at how."""
    ids = [job_id, *(call.job_id for call in calls)]
    stage.wait(
        lambda: all(stage.job(each).is_terminal for each in ids), "jobs outlive their task", 60
    )
    for each in ids:
        status = stage.job(each)
        assert status.status == "FAILED", status
        assert status.is_terminated or status.is_cancelled, status
    directory = run_directory(stage, job_id)
    assert json.loads((directory / MARKER_FILE).read_text())["state"] == "cancelled"
    assert not (directory / "outputs.json").exists()
    for index in range(SLEEPERS):
        call = directory / f"call-sleep_long-{index}"
        errors = "".join(path.read_text() for path in call.rglob("stderr*.txt"))
        outputs = "".join(path.read_text() for path in call.rglob("stdout*.txt"))
        assert f"sleeper {index} is asleep" in errors
        assert "woke up" not in outputs


def test_a_deferred_task_holds_no_worker_slot(stage: Stage, runs: Runs) -> None:
    """The pool counts it as deferred: neither as running nor as occupying a slot."""
    asleep(stage, runs.slow, "run", "run")
    for other in (runs.kept, runs.failing, runs.misspelled):
        stage.finished(other)
    pool = stage.airflow.rest("GET", "/pools/e2e_run")
    assert pool["deferred_slots"] == 1
    assert pool["running_slots"] == 0
    assert pool["occupied_slots"] == 0
    assert pool["open_slots"] == pool["slots"]
    record = stage.airflow.rest("GET", f"{runs.slow.path}/taskInstances/run")
    assert record["trigger"]["classpath"].endswith(".MiniwdlJobTrigger")


def test_links_show_while_a_task_is_deferred(stage: Stage, runs: Runs) -> None:
    """The job can be looked at before it has ended."""
    job_id, _ = asleep(stage, runs.slow, "run", "run")
    assert job_id in str(runs.slow.links("run")["AWS Batch job"])


def test_marking_a_deferred_task_failed_stops_all_its_jobs(stage: Stage, runs: Runs) -> None:
    """The workflow job and its task jobs are terminated, and the files say so."""
    run = runs.slow
    job_id, calls = asleep(stage, run, "run", "run")
    stage.airflow.rest("PATCH", f"{run.path}/taskInstances/run", json={"new_state": "failed"})
    stopped(stage, job_id, calls)
    assert "run_any_workflow/e2e-slow/run" in stage.job(job_id).reason


def test_marking_a_dag_run_failed_stops_the_job_that_its_sensor_waits_for(
    stage: Stage, runs: Runs
) -> None:
    """A sensor's kill ends the job that another task submitted."""
    run = runs.slow_pair
    job_id, calls = asleep(stage, run, "wait", "submit")
    stage.airflow.rest("PATCH", run.path, json={"state": "failed"})
    stopped(stage, job_id, calls)
