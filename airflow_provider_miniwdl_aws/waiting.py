"""Waiting for a job: deferred or in the worker, for operators and the sensor alike."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_miniwdl_aws import xcoms
from airflow_provider_miniwdl_aws.connected import ConnectedTask
from airflow_provider_miniwdl_aws.identity import identify

if TYPE_CHECKING:
    from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import MiniwdlAwsHook
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.outcome import Outcome
    from miniwdl_aws.status import JobStatus

FAILED_DEFERRAL = "__fail__"
"""Airflow's name of the method that a task resumes with when its trigger did not succeed."""

TRIGGER_TIMEOUT = "Trigger timeout"
"""Airflow's word for a deferral that has lasted longer than it may."""

KILL_SECONDS = 3.0
"""How long a killed worker watches its jobs end; Airflow gives it 5 s before SIGKILL."""


class JobWaiter(ConnectedTask):
    """A task that waits for a job; mixed into operators, before their base class.

    Attributes:
        deferrable: whether the triggerer waits, and not a worker.
        stream_log: whether the job's log is copied into the task's.
        cancel_on_kill: whether the job and its task jobs are ended when the task is killed.
    """

    deferrable: bool
    stream_log: bool
    cancel_on_kill: bool = True
    execution_timeout: timedelta | None
    log: Any

    _waited: "tuple[AwsClients, str, str] | None" = None

    def result(self, job_id: str, outcome: "Outcome") -> Any:
        """Make the task's return value of the outcome of a job that succeeded."""
        raise NotImplementedError

    def longest_wait(self) -> timedelta | None:
        """Give the longest time that the task may stay deferred."""
        return self.execution_timeout

    def wait_for_job(self, context: Mapping[str, Any], job_id: str, hook: "MiniwdlAwsHook") -> Any:
        """Wait for a job, and give the task's return value or raise the job's error.

        A job that has ended is never deferred for: a trigger that fires at once can meet the
        scheduler before it has written down the deferral, and fail the task.

        Raises:
            TaskDeferred: the job has not ended, and the triggerer shall wait for it.
            JobError: it ended, and not well.
        """
        clients = self._hold(context, hook, job_id)
        status = _describe(clients, job_id)
        if status is None or not status.is_terminal:
            if self.deferrable:
                self._defer(context, job_id, clients.region)
            status = self._wait_here(clients, job_id)
        return self.finish(context, clients, status)

    def execute_complete(
        self,
        context: Mapping[str, Any],
        event: Mapping[str, Any] | None = None,
        job_id: str | None = None,
    ) -> Any:
        """Go on after the deferral: read how the job ended.

        The event only wakes the task. What it says may be old, so Batch is asked again; only a
        job that Batch has not known for the watcher's grace, and does not know now, is lost.
        """
        from miniwdl_aws.status import LOST, lost  # noqa: PLC0415  (boto3 is not for parsing DAGs)

        told = event or {}
        job_id = job_id or str(told["job_id"])
        hook = self.make_hook()
        if told.get("status") == LOST and _describe(hook.clients, job_id) is None:
            clients = self._hold(context, hook, job_id)
            return self.finish(context, clients, lost(job_id, str(told.get("reason", ""))))
        return self.wait_for_job(context, job_id, hook)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """Go on after a deferral, however it ended.

        A deferral that took too long ends the job: Airflow calls no ``on_kill`` then. A trigger
        that broke leaves the job alone; the worker waits for it in the trigger's place.
        """
        self.resumed = True
        job_id = xcoms.pull_job(context) if next_method == FAILED_DEFERRAL else None
        if job_id is None:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        told = next_kwargs or {}
        clients = self._hold(context, self.make_hook(), job_id)
        if told.get("error") == TRIGGER_TIMEOUT:
            self._end(f"{identify(context).owner} was deferred for longer than it may be")
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        self.log.warning(
            "the trigger failed; this worker waits for job %s instead\n%s",
            job_id,
            "\n".join(told.get("traceback") or []),
        )
        return self.finish(context, clients, self._wait_here(clients, job_id))

    def on_kill(self) -> None:
        """End the job and its task jobs, when the task is killed while a worker runs it."""
        if self._waited is None:
            super().on_kill()  # type: ignore[misc]
        else:
            self._end(f"{self._waited[2]} was killed")

    def finish(self, context: Mapping[str, Any], clients: "AwsClients", status: "JobStatus") -> Any:
        """Give the task's return value for a job that has ended, or raise its error.

        Raises:
            JobError: it did not succeed, or nobody can say what its outputs are.
        """
        from miniwdl_aws.errors import JobFailure, JobLostError  # noqa: PLC0415  (as above)
        from miniwdl_aws.result import job_error  # noqa: PLC0415  (as above)

        outcome = self._read_outcome(clients, status)
        xcoms.push_outcome(context, clients.region, status, outcome)
        if not status.succeeded:
            raise job_error(status, outcome, region=clients.region)
        if outcome is None:
            raise JobLostError(
                f"Job {status.job_id} succeeded, but its log does not tell its outcome",
                JobFailure(job_id=status.job_id, log_stream=status.log_stream),
            )
        return self.result(status.job_id, outcome)

    def _hold(
        self, context: Mapping[str, Any], hook: "MiniwdlAwsHook", job_id: str
    ) -> "AwsClients":
        """Note the job: for whoever kills the task, for its page, and for a resumption."""
        clients = hook.clients
        self._waited = (clients, job_id, identify(context).owner)
        xcoms.push_job(context, clients.region, job_id)
        return clients

    def _defer(self, context: Mapping[str, Any], job_id: str, region: str) -> None:
        from airflow_provider_miniwdl_aws.triggers.job import (  # noqa: PLC0415  (as above)
            MiniwdlJobTrigger,
        )

        hook = self.make_hook()
        self.defer(  # type: ignore[attr-defined]
            trigger=MiniwdlJobTrigger(
                job_id=job_id,
                miniwdl_conn_id=hook.miniwdl_conn_id,
                aws_conn_id=hook.aws_conn_id,
                region_name=region,
                stream_log=self.stream_log,
                cancel_on_kill=self.cancel_on_kill,
                owner=identify(context).owner,
                deferred_at=time.time(),
            ),
            method_name="execute_complete",
            kwargs={"job_id": job_id},
            timeout=self.longest_wait(),
        )

    def _wait_here(self, clients: "AwsClients", job_id: str) -> "JobStatus":
        from miniwdl_aws.follow import Follower  # noqa: PLC0415  (as above)

        def show(status: "JobStatus") -> None:
            self.log.info("job %s %s %s", job_id, status.status, status.reason)

        def copy(line: str) -> None:
            self.log.info("%s", line)

        follower = Follower(
            clients, job_id, on_line=copy if self.stream_log else None, on_status=show
        )
        return follower.wait()[0]

    def _read_outcome(self, clients: "AwsClients", status: "JobStatus") -> "Outcome | None":
        from miniwdl_aws.errors import AwsError  # noqa: PLC0415  (as above)
        from miniwdl_aws.logs import LogReader  # noqa: PLC0415  (as above)
        from miniwdl_aws.result import fetch_outcome  # noqa: PLC0415  (as above)

        try:
            return fetch_outcome(LogReader(clients), status)
        except AwsError as exc:
            if status.succeeded:
                raise
            self.log.warning("the log of job %s cannot be read: %s", status.job_id, exc)
            return None

    def _end(self, reason: str) -> None:
        from miniwdl_aws.cancel import cancel_run  # noqa: PLC0415  (as above)

        if self._waited is None or not self.cancel_on_kill:
            return
        clients, job_id, _ = self._waited
        self.log.info("ending job %s and its task jobs: %s", job_id, reason)
        ended = cancel_run(clients, job_id, reason, wait_seconds=KILL_SECONDS)
        if ended.alive:
            self.log.warning("still ending: %s", ", ".join(ended.alive))


def _describe(clients: "AwsClients", job_id: str) -> "JobStatus | None":
    """Ask Batch about a job; None for one that it does not know, or not yet."""
    from miniwdl_aws.jobs import describe_all  # noqa: PLC0415  (as above)

    found = describe_all(clients, [job_id])
    return found[0] if found else None
