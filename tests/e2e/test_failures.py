"""What a person reads when something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from demo.airflow_services import RestError
from miniwdl_aws.local.settings import WORKFLOW_QUEUE
from miniwdl_aws.submit import jobs_of_run_key

if TYPE_CHECKING:
    from tests.e2e.stage import Runs, Stage

pytestmark = pytest.mark.e2e


def test_a_failed_call_is_told_with_exit_code_standard_error_and_log(
    stage: Stage, runs: Runs
) -> None:
    """The Airflow log names the call, its exit code, its last words and where its log is."""
    run = runs.failing
    assert stage.finished(run) == "failed"
    log = "\n".join(run.log("run"))
    error = log[log.rindex("CommandFailedError") :]
    assert "failed call: call-complain" in error
    assert "exit code: 7" in error
    assert "the disk is full" in error
    job_id = run.xcom("run", "job_id")
    status = stage.job(job_id)
    assert status.exit_code
    assert status.log_stream.split("/")[-1] in error
    assert status.log_stream.split("/")[-1] in str(run.links("run")["CloudWatch log"])


def test_a_misspelled_input_fails_before_a_job_is_submitted(stage: Stage, runs: Runs) -> None:
    """The message has the wrong name and those that there are; Batch has never heard of it."""
    run = runs.misspelled
    assert stage.finished(run) == "failed"
    log = "\n".join(run.log("run"))
    assert "complain" in log
    assert "Did you mean complaint?" in log
    assert "Required inputs of failing: complaint" in log
    key = "run_any_workflow/e2e-misspelled/run/-1"
    assert jobs_of_run_key(stage.clients, WORKFLOW_QUEUE, key) == []
    (task,) = run.task_instances()
    assert task["try_number"] == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sample": "../elsewhere"}, "does not match"),
        ({"reads": []}, "non-empty"),
        ({"chunks": 0}, "less than the minimum"),
        ({"publish_to": "/here"}, "does not match"),
    ],
)
def test_a_param_that_does_not_fit_is_refused_when_the_dag_is_triggered(
    stage: Stage, changes: dict[str, Any], complaint: str
) -> None:
    """The form's schema holds over REST too: status 400, and no run."""
    with pytest.raises(RestError, match=complaint) as caught:
        stage.trigger("viral_assembly", "e2e-refused", **{**stage.assembly(0), **changes})
    assert caught.value.status == 400
