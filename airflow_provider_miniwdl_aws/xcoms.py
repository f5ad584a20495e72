"""What a task tells other tasks and its own page: XComs by name, and links."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_miniwdl_aws.links.aws import (
    MiniwdlJobLink,
    MiniwdlLogLink,
    MiniwdlOutputLink,
)

if TYPE_CHECKING:
    from miniwdl_aws.outcome import Outcome
    from miniwdl_aws.status import JobStatus

JOB_ID = "job_id"
"""The id of the task's job; the XCom outlives deferrals, not attempts."""

OUTCOME_KEYS = ("run_dir", "published")
"""What else is pushed by name, of runs that failed too: cleaning up may need it."""


def push_job(context: Mapping[str, Any], region: str, job_id: str) -> None:
    """Tell which job does the task's work."""
    from miniwdl_aws import console  # noqa: PLC0415  (boto3 is not for parsing DAGs)

    context["ti"].xcom_push(key=JOB_ID, value=job_id)
    MiniwdlJobLink().store(context, console.job_url(region, job_id))


def pull_job(context: Mapping[str, Any]) -> str | None:
    """Recall the job that this attempt of the task has told before it was deferred."""
    ti = context["ti"]
    found = ti.xcom_pull(task_ids=ti.task_id, key=JOB_ID, map_indexes=ti.map_index)
    return str(found) if found else None


def push_outcome(
    context: Mapping[str, Any], region: str, status: "JobStatus", outcome: "Outcome | None"
) -> None:
    """Tell where the log, the run directory and the published files of an ended job are."""
    from miniwdl_aws import console  # noqa: PLC0415  (as above)

    if status.log_stream:
        MiniwdlLogLink().store(context, console.log_url(region, status.log_stream))
    if outcome is None:
        return
    for key in OUTCOME_KEYS:
        if value := getattr(outcome, key):
            context["ti"].xcom_push(key=key, value=value)
    if outcome.published:
        MiniwdlOutputLink().store(context, console.s3_url(region, outcome.published))


def outcome_value(job_id: str, outcome: "Outcome") -> dict[str, Any]:
    """Give an outcome as the return value of a task that does not return outputs alone."""
    return {
        "job_id": job_id,
        "run_dir": outcome.run_dir,
        "outputs": dict(outcome.outputs or {}),
        "published": outcome.published,
        "object_count": outcome.object_count,
        "deleted": outcome.deleted,
    }
