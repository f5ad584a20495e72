"""Moves jobs through their lifecycle."""

import threading
import uuid

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.attempts import Attempt, retries
from miniwdl_aws.local.dependencies import Dependencies
from miniwdl_aws.local.jobs import Job
from miniwdl_aws.local.queues import JobQueue, Queues
from miniwdl_aws.local.reasons import DEPENDENCY_FAILED, TIMED_OUT, TOO_LARGE
from miniwdl_aws.local.runs import Run, TaskRunner
from miniwdl_aws.local.store import JobStore


class Scheduler:
    """Moves jobs through their lifecycle.

    Statuses change in the runner's thread, except that a job which has not started is cancelled at
    once; all under one lock, which readers of jobs take too.

    Args:
        store: all jobs.
        queues: all job queues.
        runner: runs the attempts.
        arns: makes the ARNs of tasks.
        start_delay_seconds: from RUNNABLE to RUNNING.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        queues: Queues,
        runner: TaskRunner,
        arns: Arns,
        start_delay_seconds: float,
    ) -> None:
        self.lock = threading.RLock()
        self._store = store
        self._queues = queues
        self._runner = runner
        self._arns = arns
        self._start_delay_seconds = start_delay_seconds
        self._dependencies = Dependencies()

    def submit(self, job: Job) -> None:
        """Take in a job."""
        with self.lock:
            self._store.add(job)
        self._runner.call_soon(self._admit, job)

    def cancel(self, job: Job, reason: str) -> None:
        """Cancel a job that has not reached STARTING; do nothing to another."""
        with self.lock:
            if job.status in {"SUBMITTED", "PENDING", "RUNNABLE"}:
                job.is_cancelled = True
                self._end(job, "FAILED", reason)
        self.reschedule()

    def terminate(self, job: Job, reason: str) -> None:
        """End a job, whatever it does."""
        with self.lock:
            if job.ended:
                return
            if job.status not in {"STARTING", "RUNNING"}:
                job.is_cancelled = True
            job.is_terminated = True
            job.touch()
            if job.stop_reason is None:
                job.stop_reason = reason
            if job.is_cancelled:
                self._end(job, "FAILED", reason)
        self._runner.call_soon(self._stop, job)
        self.reschedule()

    def reschedule(self) -> None:
        """Look again which jobs can start, after queues or compute environments changed."""
        self._runner.call_soon(self._schedule)

    def _admit(self, job: Job) -> None:
        with self.lock:
            if job.ended:
                return
            self._store.move(job, "PENDING")
            dependencies = [self._store.get(each["jobId"]) for each in job.request["dependsOn"]]
            if any(each and each.status == "FAILED" for each in dependencies):
                self._end(job, "FAILED", DEPENDENCY_FAILED)
            elif not self._dependencies.add(job, filter(None, dependencies)):
                self._make_runnable(job)

    def _make_runnable(self, job: Job) -> None:
        self._store.move(job, "RUNNABLE")
        job.queue.runnable.append(job)
        self._schedule()

    def _schedule(self) -> None:
        with self.lock:
            for queue in self._queues.by_priority():
                while queue.runnable and self._place(queue, queue.runnable[0]):
                    queue.runnable.popleft()

    def _place(self, queue: JobQueue, job: Job) -> bool:
        """Give the first job of a queue its vCPUs; return whether it no longer waits."""
        if job.status != "RUNNABLE":  # cancelled while it waited
            return True
        fitting = (each for each in queue.environments if each.fits(job.vcpus))
        environment = next(fitting, None)
        if environment is None:
            largest = max(each.resources["maxvCpus"] for each in queue.environments)
            if job.vcpus > largest and job.status_reason is None:
                job.status_reason = TOO_LARGE
                job.touch()
            return False
        environment.used_vcpus += job.vcpus
        job.environment = environment
        self._store.move(job, "STARTING")
        task_id = uuid.uuid4().hex
        job.attempt = Attempt(task_id, self._arns.task(task_id))
        job.timed_out = False
        job.touch()
        self._runner.call_later(self._start_delay_seconds, self._launch, job)
        return True

    def _launch(self, job: Job) -> None:
        run = Run(job, self, self._runner)
        with self.lock:
            attempt = _attempt(job)
            if job.stop_reason is not None:
                self.end_attempt(job, None, job.stop_reason)
                return
            stream = f"{job.definition.name}/default/{attempt.task_id}"
            self._runner.start(job, attempt.task_id, stream, run)

    def start_attempt(self, job: Job) -> None:
        """Note that a job's process runs."""
        with self.lock:
            attempt = _attempt(job)
            attempt.log_stream = f"{job.definition.name}/default/{attempt.task_id}"
            attempt.started_at = self._store.move(job, "RUNNING")
            job.touch()
            stop = job.stop_reason is not None
        if stop:
            self._stop(job)

    def _stop(self, job: Job) -> None:
        if job.status == "RUNNING" and job.attempt is not None:
            self._runner.stop(job.attempt.task_id)

    def timeout(self, job: Job) -> None:
        """Stop an attempt that takes too long."""
        with self.lock:
            job.timed_out = True
        self._stop(job)

    def end_attempt(
        self, job: Job, exit_code: int | None, status_reason: str, reason: str | None = None
    ) -> None:
        """Note how a job's attempt ended, and what becomes of the job."""
        with self.lock:
            attempt = _attempt(job)
            attempt.exit_code, attempt.reason = exit_code, reason
            attempt.status_reason = self._why(job, status_reason)
            attempt.stopped_at = self._store.clock()
            job.attempts.append(attempt)
            if job.environment is not None:
                job.environment.used_vcpus -= job.vcpus
                job.environment = None
            self._conclude(job, attempt)
            self._schedule()

    def _why(self, job: Job, status_reason: str) -> str:
        if job.stop_reason is not None:
            return job.stop_reason
        return TIMED_OUT if job.timed_out else status_reason

    def _conclude(self, job: Job, attempt: Attempt) -> None:
        stopped = job.stop_reason is not None or job.timed_out
        if attempt.exit_code == 0 and not stopped:
            self._end(job, "SUCCEEDED", attempt.status_reason)
        elif not stopped and retries(job.request["retryStrategy"], len(job.attempts), attempt):
            self._make_runnable(job)
        else:
            self._end(job, "FAILED", attempt.status_reason)

    def _end(self, job: Job, status: str, reason: str | None) -> None:
        self._store.move(job, status, reason)
        for dependent in self._dependencies.of(job):
            self._runner.call_soon(self._resolve, dependent, status)

    def _resolve(self, dependent: Job, status: str) -> None:
        with self.lock:
            if dependent.status != "PENDING":
                return
            if status == "FAILED":
                self._end(dependent, "FAILED", DEPENDENCY_FAILED)
            elif self._dependencies.met(dependent):
                self._make_runnable(dependent)


def _attempt(job: Job) -> Attempt:
    if job.attempt is None:
        raise ValueError(f"job {job.job_id} has no attempt")
    return job.attempt
