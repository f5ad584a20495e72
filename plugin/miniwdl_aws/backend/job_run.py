"""One job from its submission to its end: submitted, watched, and terminated with its run."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from WDL._util import VERBOSE_LEVEL, StructuredLogMessage as Message
from WDL.runtime.error import Terminated

from miniwdl_aws.backend import jobs
from miniwdl_aws.backend.adoption import Adoption, is_void
from miniwdl_aws.backend.context import BackendContext
from miniwdl_aws.backend.definition import TaskDefinition
from miniwdl_aws.backend.details import keep_detail
from miniwdl_aws.backend.events import JobEvents
from miniwdl_aws.backend.failures import TaskNotSubmitted
from miniwdl_aws.backend.files import AttemptFiles
from miniwdl_aws.backend.journal import Entry
from miniwdl_aws.backend.progress import JobProgress
from miniwdl_aws.backend.request import TaskJob, submit_request
from miniwdl_aws.backend.sentinel import Mailbox
from miniwdl_aws.backend.starting import StartingJob
from miniwdl_aws.backend.turns import TURNS
from miniwdl_aws.backend.waiting import JobWaiter
from miniwdl_aws.errors import AwsError, InvalidInputError
from miniwdl_aws.retry import Stopped
from miniwdl_aws.status import JobStatus

TERMINATION_SECONDS = 10.0
"""How long a terminated job is watched until it has ended. The workflow job has 30 s between
SIGTERM and SIGKILL, in which it also reports (`runner.process.KILL_AFTER_SECONDS`)."""

STDERR_PERIOD_SECONDS = 5.0
"""How often a running task's standard error is read, where ``--verbose`` shows it."""


@contextlib.contextmanager
def submission_errors(logger: logging.Logger) -> Iterator[None]:
    """Tell miniwdl what kept a job from being submitted.

    Raises:
        Terminated: the run is terminating.
        TaskNotSubmitted: AWS refused the request, or it cannot be made.
    """
    try:
        yield
    except Stopped:
        raise Terminated(quiet=True) from None
    except (AwsError, InvalidInputError, OSError) as exc:
        logger.error(Message("job not submitted", error=str(exc)))  # noqa: TRY400  (the error says it all)
        raise TaskNotSubmitted(str(exc)) from exc


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """Runs one job for a task.

    Attributes:
        context: what all tasks of the process share.
        logger: the task's logger.
        terminating: whether miniwdl terminates.
        task_dir: the call's run directory.
        running: opened while the job runs; it counts the task as running.
        stderr: opened while the job is waited for; gives what reads its standard error.
    """

    context: BackendContext
    logger: logging.Logger
    terminating: Callable[[], bool]
    task_dir: Path
    running: Callable[[], AbstractContextManager[None]]
    stderr: Callable[[logging.Logger], AbstractContextManager[Callable[[], None]]]

    def to_its_end(self, job: TaskJob, definition: TaskDefinition, entry: Entry) -> JobStatus:
        """Submit the job and wait until it has ended.

        Args:
            job: the job.
            definition: its job definition, registered if there is none like it.
            entry: what is written down of it, first without its id.

        Returns:
            Its last status, which is terminal.

        Raises:
            Terminated: the run terminates, and so was the job.
            TaskNotSubmitted: it could not be submitted.
        """
        progress = JobProgress(self.logger, self.task_dir, self.running)
        waiter = JobWaiter(progress.note)
        with self.context.watch.watching(self.terminating, waiter.wake):
            with submission_errors(self.logger):
                self.context.journal.record(self.task_dir, entry)
                with TURNS.aside():
                    job_id = self._submit(job, definition)
                self._record(dataclasses.replace(entry, job_id=job_id))
            with self._looking_after(job_id, job.queue, job.vcpus):
                return self._await(waiter, progress, job_id, self.mailbox(job.name))

    def adopt(self, adoption: Adoption) -> JobStatus | None:
        """Wait until a job of an earlier head has ended.

        Returns:
            Its last status; None if it had been ended or forgotten before, which says nothing of
            the call.

        Raises:
            Terminated: the run terminates, and so was the job.
        """
        entry = adoption.entry
        self._record(entry)
        if adoption.ended is not None:
            return adoption.ended
        progress = JobProgress(self.logger, self.task_dir, self.running)
        waiter = JobWaiter(progress.note)
        with self.context.watch.watching(self.terminating, waiter.wake):
            mailbox = self.mailbox(entry.job_name)
            with self._looking_after(entry.job_id, entry.job_queue):
                status = self._await(waiter, progress, entry.job_id, mailbox, adoption.files)
        return None if is_void(status) and waiter.first == status else status

    def mailbox(self, job_name: str) -> Mailbox:
        """Give the place where a job's shell leaves signs."""
        place = self.context.journal.place
        return Mailbox(folder=place.mailbox if place else self.task_dir, name=job_name)

    def terminate(self, job_id: str, reason: str) -> bool:
        """Ask Batch to end a job; whether it could be asked."""
        try:
            with TURNS.aside():
                jobs.terminate(self.context.clients, self.context.controlling, job_id, reason)
        except AwsError as exc:
            self.logger.critical(
                Message("job NOT terminated: end it by hand", jobId=job_id, error=str(exc))
            )
            return False
        return True

    def _looking_after(
        self, job_id: str, queue: str, vcpus: float = 0
    ) -> AbstractContextManager[None]:
        starting = StartingJob(job_id=job_id, queue=queue, vcpus=vcpus, logger=self.logger)
        return self.context.starts.watching(starting)

    def _record(self, entry: Entry) -> None:
        """Write down what has happened already: a failure to do so changes nothing now."""
        try:
            self.context.journal.record(self.task_dir, entry)
        except OSError as exc:
            self.logger.warning(
                Message("no later head will find the job", jobId=entry.job_id, error=str(exc))
            )

    def _submit(self, job: TaskJob, definition: TaskDefinition) -> str:
        try:
            job_id = self._submit_once(job, definition)
        except AwsError as exc:
            if definition.name not in exc.detail:
                raise
            # It was deregistered since it was looked up; register it anew.
            self.context.definitions.forget(definition.name)
            job_id = self._submit_once(job, definition)
        self.logger.info(
            Message("AWS Batch job submitted", jobId=job_id, jobName=job.name, jobQueue=job.queue)
        )
        return job_id

    def _submit_once(self, job: TaskJob, definition: TaskDefinition) -> str:
        context = self.context
        request = submit_request(job, context.definitions.ensure(definition))
        return jobs.submit(context.clients, context.submitting, request, stopping=self.terminating)

    def _await(
        self,
        waiter: JobWaiter,
        progress: JobProgress,
        job_id: str,
        mailbox: Mailbox,
        adopted: AttemptFiles | None = None,
    ) -> JobStatus:
        events = JobEvents(job_id, mailbox, self.context.describer, waiter)
        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(progress)
            cleanup.enter_context(self.context.describer.watching(job_id, events.described))
            cleanup.enter_context(
                self.context.signs.watching(mailbox, began=events.began, ended=events.ended)
            )
            if adopted is not None:
                self._catch_up(events, job_id, adopted)
            try:
                status = self._wait_for_end(waiter, events, progress)
            except BaseException:
                self.terminate(job_id, "the task's runner failed")
                raise
            if status is None:
                self._end(waiter, progress, job_id)
        mailbox.clear()
        if status is not None and status.succeeded and not status.log_stream:
            keep = functools.partial(keep_detail, self.task_dir)
            self.context.details.complete(status, keep)
        if status is None or (self.terminating() and not status.succeeded):
            raise Terminated(quiet=not progress.has_started)
        return status

    def _catch_up(self, events: JobEvents, job_id: str, adopted: AttemptFiles) -> None:
        """Learn what has happened to an adopted job while nobody watched it."""
        if adopted.exit.exists():
            events.ended(adopted.exit)
        self.context.describer.hasten(job_id)

    def _wait_for_end(
        self, waiter: JobWaiter, events: JobEvents, progress: JobProgress
    ) -> JobStatus | None:
        """Wait until the job has ended; None if miniwdl terminates first."""
        verbose = self.logger.isEnabledFor(VERBOSE_LEVEL)
        with self.stderr(self.logger) as poll_stderr:
            while True:
                patience = events.patience()
                status = waiter.wait(STDERR_PERIOD_SECONDS if verbose else patience)
                status = status or events.unconfirmed()
                if status is not None:
                    progress.note(status)
                    return status
                if self.terminating():
                    return None
                poll_stderr()

    def _end(self, waiter: JobWaiter, progress: JobProgress, job_id: str) -> None:
        """Terminate the job and see that it has ended."""
        if not self.terminate(job_id, "terminated by miniwdl"):
            return
        self.context.describer.press(job_id)
        clock = self.context.controlling.clock
        deadline = clock() + TERMINATION_SECONDS
        while (left := deadline - clock()) > 0:
            status = waiter.wait(left)
            if status is not None:
                progress.note(status)
                return
        self.logger.warning(
            Message(
                "job was asked to end but has not yet", jobId=job_id, seconds=TERMINATION_SECONDS
            )
        )
