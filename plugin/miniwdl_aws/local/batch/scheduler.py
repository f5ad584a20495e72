"""Moves jobs through their lifecycle."""

import threading
import uuid

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch.arrays import outcome
from miniwdl_aws.local.batch.attempts import Attempt, retries
from miniwdl_aws.local.batch.blocked import BlockedHeads
from miniwdl_aws.local.batch.dependencies import Dependencies, of_child, of_job
from miniwdl_aws.local.batch.environments import ComputeEnvironment
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.limits import MAX_TAGS
from miniwdl_aws.local.batch.queues import JobQueue, Queues
from miniwdl_aws.local.batch.reasons import (
    DEPENDENCY_FAILED,
    TIMED_OUT,
    TOO_MANY_TAGS,
    time_limit_passed,
)
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.execution.runs import AtOnce, Placement, Run, TaskRunner


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
        placement: says when jobs may start that could.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        queues: Queues,
        runner: TaskRunner,
        arns: Arns,
        start_delay_seconds: float,
        placement: Placement | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self._store = store
        self._queues = queues
        self._runner = runner
        self._arns = arns
        self._start_delay_seconds = start_delay_seconds
        self._placement = placement or AtOnce()
        self._dependencies = Dependencies()
        self._heads = BlockedHeads(runner, store.clock, self._give_up)

    def submit(self, job: Job) -> None:
        """Take in a job, with its children if it is an array."""
        with self.lock:
            self._store.add(job)
            if job.children:
                self._store.move(job, "PENDING")
                for child in job.children.jobs:
                    self._store.add(child)
        self._runner.call_soon(self._admit, job)

    def cancel(self, job: Job, reason: str) -> None:
        """Cancel a job, or the children of an array, that have not reached STARTING.

        A PENDING job is cancelled once all that it depends on has ended (Batch API, "CancelJob").
        """
        with self.lock:
            if job.children and not job.ended:
                self._mark_cancelled(job, reason)
            if not (job.children and self._dependencies.waits(job)):
                for each in job.family:
                    self._cancel(each, reason)
        self.reschedule()

    def _cancel(self, job: Job, reason: str) -> None:
        if job.status not in {"SUBMITTED", "PENDING", "RUNNABLE"}:
            return
        self._mark_cancelled(job, reason)
        if not self._dependencies.waits(job):
            self._end(job, "FAILED", job.stop_reason)

    def _mark_cancelled(self, job: Job, reason: str) -> None:
        job.is_cancelled = True
        job.stop_reason = job.stop_reason or reason
        job.touch()

    def terminate(self, job: Job, reason: str) -> None:
        """End a job, or the children of an array, whatever they do."""
        with self.lock:
            if job.children and not job.ended:
                job.is_terminated = True
                job.stop_reason = job.stop_reason or reason
                job.touch()
            for each in job.family:
                self._terminate(each, reason)
        self.reschedule()

    def _terminate(self, job: Job, reason: str) -> None:
        if job.ended:
            return
        job.is_terminated = True
        job.stop_reason = job.stop_reason or reason
        job.touch()
        if job.status in {"STARTING", "RUNNING"}:
            self._runner.call_soon(self._stop, job)
        else:
            job.is_cancelled = True
            self._end(job, "FAILED", job.stop_reason)

    def reschedule(self) -> None:
        """Look again which jobs can start, after queues or compute environments changed."""
        self._runner.call_soon(self._schedule)

    def _admit(self, job: Job) -> None:
        with self.lock:
            if job.ended:
                return
            if not job.children:
                self._store.move(job, "PENDING")
            tags = {**job.definition.tags, **job.tags}
            if job.request["propagateTags"] and len(tags) > MAX_TAGS:
                self._fail(job, TOO_MANY_TAGS)
            else:
                self._wait_for(job, of_job(job, self._store.get))
            self._schedule()

    def _wait_for(self, job: Job, others: list[Job]) -> None:
        if any(each.status == "FAILED" for each in others):
            self._fail(job, DEPENDENCY_FAILED)
        elif not self._dependencies.add(job, others):
            self._go_on(job)

    def _go_on(self, job: Job) -> None:
        """Let a job go on that waits for nothing more, or the children of an array."""
        if not job.children:
            if job.is_cancelled:
                self._end(job, "FAILED", job.stop_reason)
            else:
                self._make_runnable(job)
            return
        for child in job.children.jobs:
            if child.status != "PENDING":  # terminated meanwhile
                continue
            if job.is_cancelled:
                self._cancel(child, job.stop_reason or "")
            else:
                self._wait_for(child, of_child(child, self._store.get))

    def _fail(self, job: Job, reason: str) -> None:
        """End a job that cannot run, or all children of an array."""
        if job.children:
            job.stop_reason = job.stop_reason or reason
        for each in job.family:
            if not each.ended:
                self._end(each, "FAILED", reason)

    def _make_runnable(self, job: Job) -> None:
        self._store.move(job, "RUNNABLE")
        job.queue.line.push(job)

    def _schedule(self) -> None:
        with self.lock:
            for queue in self._queues.by_priority():
                self._serve(queue)

    def _serve(self, queue: JobQueue) -> None:
        """Start the jobs at a queue's head, until one does not fit."""
        hold = None
        while (job := queue.line.head(queue.total_vcpus)) is not None:
            hold = self._placement.hold(job)
            environment = None if hold else queue.place(job.needs)
            if environment is None:
                break
            queue.line.placed(job)
            self._start(job, environment)
        reason = None
        if job:
            reason = hold.reason if hold else queue.obstacle(job.needs)
        if job and job.status_reason != reason:
            self._store.block(job, reason)
            if hold and hold.seconds is not None:
                self._runner.call_later(hold.seconds, self._schedule)
        self._heads.note(queue, job, reason)

    def _give_up(self, job: Job, reason: str) -> None:
        """Cancel a job that has blocked its queue for too long."""
        with self.lock:
            if job.status == "RUNNABLE":
                job.is_cancelled = True
                self._end(job, "FAILED", time_limit_passed(reason))
            self._schedule()

    def _start(self, job: Job, environment: ComputeEnvironment) -> None:
        environment.used += job.needs
        job.environment = environment
        task_id = uuid.uuid4().hex
        job.attempt = Attempt(task_id, self._arns.task(task_id))
        job.timed_out = False
        self._store.move(job, "STARTING")
        wait = self._start_delay_seconds + self._placement.launch_wait(environment)
        self._runner.call_later(wait, self._launch, job)

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
            attempt.started_at = self._store.clock()
            self._store.move(job, "RUNNING")
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
            attempt.status_reason = _why(job, status_reason)
            attempt.stopped_at = self._store.clock()
            job.attempts.append(attempt)
            self._release(job)
            self._conclude(job, attempt)
            self._schedule()

    def _release(self, job: Job) -> None:
        if job.environment is not None:
            job.environment.used -= job.needs
            job.environment = None
            job.queue.line.released(job)

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
        parent = job.parent
        if parent and parent.children and parent.children.ended:
            self._end(parent, *outcome(parent, parent.children))

    def _resolve(self, dependent: Job, status: str) -> None:
        """Let a job go on, one of whose dependencies has ended."""
        with self.lock:
            if dependent.status != "PENDING":
                return
            if status == "FAILED" and not dependent.is_cancelled:
                self._fail(dependent, DEPENDENCY_FAILED)
            elif self._dependencies.met(dependent):
                self._go_on(dependent)
            self._schedule()


def _why(job: Job, status_reason: str) -> str:
    if job.stop_reason is not None:
        return job.stop_reason
    return TIMED_OUT if job.timed_out else status_reason


def _attempt(job: Job) -> Attempt:
    if job.attempt is None:
        raise ValueError(f"job {job.job_id} has no attempt")
    return job.attempt
