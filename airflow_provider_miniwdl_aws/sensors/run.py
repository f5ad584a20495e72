"""Waiting for a workflow job that another task has submitted."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_miniwdl_aws.compat import AirflowSkipException
from airflow_provider_miniwdl_aws.failures import what_no_retry_can_mend
from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import DEFAULT_CONNECTION
from airflow_provider_miniwdl_aws.links.aws import LINKS
from airflow_provider_miniwdl_aws.waiting import JobWaiter
from airflow_provider_miniwdl_aws.xcoms import outcome_value
from miniwdl_aws.errors import ConfigurationError, JobError

if TYPE_CHECKING:
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.outcome import Outcome
    from miniwdl_aws.status import JobStatus

ASKED_BEFORE_LOST = 5
"""Successive answers without the job after which a poke counts it as lost."""

ASK_AGAIN_SECONDS = 3.0
"""Between those; DescribeJobs may lag behind SubmitJob for a moment."""


class MiniwdlRunSensor(JobWaiter, BaseSensorOperator):
    """Waits for a job of ours, and fails if the job does.

    Returns:
        A dictionary with ``job_id``, ``run_dir``, ``outputs``, ``published``, ``object_count``
        and ``deleted``.

    Args:
        job_id: the job, such as ``{{ ti.xcom_pull('submit') }}`` or the submitting operator's
            ``output``.
        miniwdl_conn_id: the connection of type ``miniwdl_aws``; the default one may be missing.
        aws_conn_id: amazon's connection with the credentials.
        region_name: the region.
        deferrable: whether the triggerer waits; else this worker pokes.
        stream_log: whether the job's log is copied into the task's, while deferred.
        cancel_on_kill: whether killing this task, or its time-out, ends the job. False is for a
            sensor that watches a job of somebody else's.
        kwargs: the arguments of Airflow's ``BaseSensorOperator``; ``timeout`` holds while
            deferred, too.
    """

    template_fields: Sequence[str] = ("job_id", "miniwdl_conn_id", "aws_conn_id", "region_name")
    operator_extra_links = LINKS
    ui_color = "#dceaf7"

    def __init__(
        self,
        *,
        job_id: str,
        miniwdl_conn_id: str | None = DEFAULT_CONNECTION,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        deferrable: bool = True,
        stream_log: bool = True,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.miniwdl_conn_id = miniwdl_conn_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.deferrable = deferrable
        self.stream_log = stream_log
        self.cancel_on_kill = cancel_on_kill

    def longest_wait(self) -> timedelta | None:
        """Give the shorter of the sensor's time-out and the task's."""
        timeout = timedelta(seconds=self.timeout)
        return min(timeout, self.execution_timeout) if self.execution_timeout else timeout

    def execute(self, context: Any) -> Any:
        """Wait for the job.

        Returns:
            Its outcome.
        """
        with what_no_retry_can_mend():
            _refuse_missing(self.job_id)
            hook = self.make_hook()
            self._hold(context, hook, self.job_id)
        if self.deferrable:
            return self.wait_for_job(context, self.job_id, hook)
        return super().execute(context)

    def poke(self, context: Any) -> PokeReturnValue:
        """Look once at the job, where a worker waits."""
        clients = self._hold(context, self.make_hook(), self.job_id)
        status = self._look(clients)
        if not status.is_terminal:
            self.log.info("job %s %s", self.job_id, status.status)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self.finish(context, clients, status))

    def finish(self, context: Any, clients: "AwsClients", status: "JobStatus") -> Any:
        """Give the outcome of a job that has ended, or raise its error, or skip the task.

        Raises:
            JobError: the job did not succeed.
            AirflowSkipException: likewise, with ``soft_fail`` or ``never_fail``; Airflow's own
                sensors see to that for Airflow's errors alone.
        """
        try:
            return super().finish(context, clients, status)
        except JobError as exc:
            if self.soft_fail or self.never_fail:
                self.log.warning("%s", exc)  # Airflow replaces the message of what is raised
                raise AirflowSkipException(str(exc)) from exc
            raise

    def result(self, job_id: str, outcome: "Outcome") -> Any:
        """Give all that the job reported."""
        return outcome_value(job_id, outcome)

    def _look(self, clients: "AwsClients") -> "JobStatus":
        from miniwdl_aws.jobs import describe_all  # noqa: PLC0415  (boto3 is not for parsing DAGs)
        from miniwdl_aws.status import lost  # noqa: PLC0415  (as above)

        for asked in range(ASKED_BEFORE_LOST):
            if asked:
                time.sleep(ASK_AGAIN_SECONDS)
            if found := describe_all(clients, [self.job_id]):
                return found[0]
        return lost(self.job_id, f"DescribeJobs has not known the job {ASKED_BEFORE_LOST} times")


def _refuse_missing(job_id: object) -> None:
    if not isinstance(job_id, str) or job_id in ("", "None"):
        raise ConfigurationError(
            "job_id",
            "is not a job's id",
            value=job_id,
            source="argument job_id",
            remedy="Give the return value of the submitting task; with do_xcom_push=False it has "
            "none, but the XCom job_id.",
        )
