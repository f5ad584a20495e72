"""miniwdl's interface to the backend."""

import contextlib
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import WDL
from WDL._util import (
    VERBOSE_LEVEL,
    StructuredLogMessage as Message,
    TerminationSignalFlag,
)
from WDL.runtime.error import Interrupted, Terminated
from WDL.runtime.task_container import TaskContainer

from miniwdl_aws.backend import jobs
from miniwdl_aws.backend.context import BackendContext, open_context
from miniwdl_aws.backend.definition import TaskDefinition, task_definition
from miniwdl_aws.backend.failures import (
    BackendMisconfigured,
    TaskLost,
    TaskNotSubmitted,
    failure,
    failure_info,
)
from miniwdl_aws.backend.files import AttemptFiles, link_inputs, point_work_at, set_work_aside
from miniwdl_aws.backend.progress import JobProgress
from miniwdl_aws.backend.request import (
    TaskJob,
    fits,
    memory_mib,
    submit_request,
    task_job_name,
    task_tags,
)
from miniwdl_aws.backend.script import TaskScript, render
from miniwdl_aws.backend.settings import read_settings
from miniwdl_aws.backend.waiting import JobWaiter
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import AwsError, InvalidInputError, MiniwdlAwsError
from miniwdl_aws.status import JobStatus

RESOURCE_LIMITS = {"cpu": 1920, "mem_bytes": 32 * 2**40}
"""The largest instance that there is, u7inh-32tb.480xlarge (Amazon EC2 instance types, "High
memory instances"): what no compute environment can give."""

DEFAULT_IMAGE = "ubuntu:22.04"
DEFAULT_CPU = 1
DEFAULT_MEMORY_BYTES = 2**30

TERMINATION_SECONDS = 10.0
"""How long a terminated job is watched until it has ended. The workflow job has 30 s between
SIGTERM and SIGKILL, in which it also reports (`runner.process.KILL_AFTER_SECONDS`)."""

STDERR_PERIOD_SECONDS = 5.0
"""How often a running task's standard error is read, where ``--verbose`` shows it."""


class BatchJob(TaskContainer):
    """Runs each attempt of a WDL task as an AWS Batch job on a shared file system.

    The file system is mounted at the same path everywhere, so a task's directory inside its
    container is its run directory. An attempt has its own work directory and its own files for
    the command, standard output and standard error; ``work`` always stands for the latest.
    """

    _context: ClassVar[BackendContext]
    """What miniwdl's `global_init` leaves behind; the one place of its kind."""

    @classmethod
    def global_init(cls, cfg: Any, logger: logging.Logger) -> None:
        """Read the configuration and make what all tasks share."""
        try:
            settings = read_settings(cfg, user=f"{os.geteuid()}:{os.getegid()}")
            cls._context = open_context(settings, process_environment())
        except MiniwdlAwsError as exc:
            raise BackendMisconfigured(str(exc)) from exc
        settings = cls._context.settings
        logger.info(
            Message(
                "initialized AWS Batch backend",
                region=cls._context.clients.region,
                task_queue=settings.task_queue,
                task_queue_fallback=settings.task_queue_fallback,
                mount=settings.mount,
                fs=settings.fs,
                fsap=settings.fsap,
                parent_job_id=cls._context.parent_job_id,
            )
        )

    @classmethod
    def detect_resource_limits(cls, cfg: Any, logger: logging.Logger) -> dict[str, int]:  # noqa: ARG003  (miniwdl's signature)
        """Give the limits beyond which no job can be placed."""
        return dict(RESOURCE_LIMITS)

    def __init__(self, cfg: Any, run_id: str, host_dir: str) -> None:
        super().__init__(cfg, run_id, host_dir)
        self.container_dir = self.host_dir
        self._inputs_copied = False
        self._interruptions = 0

    def process_runtime(self, logger: logging.Logger, runtime_eval: dict[str, Any]) -> None:
        """Read the task's runtime attributes."""
        if "inlineDockerfile" in runtime_eval:
            raise WDL.Error.RuntimeError(
                "runtime.inlineDockerfile cannot be used on AWS Batch, which builds no images; "
                "build the image, push it to a registry and name it in runtime.docker"
            )
        super().process_runtime(logger, runtime_eval)
        self.runtime_values.setdefault("cpu", DEFAULT_CPU)
        self.runtime_values.setdefault("memory_reservation", DEFAULT_MEMORY_BYTES)
        accelerator = runtime_eval.get("acceleratorType")
        if accelerator is not None:
            if str(accelerator.coerce(WDL.Type.String()).value).startswith("nvidia"):
                self.runtime_values["gpu"] = True
                self.runtime_values["acceleratorType"] = accelerator.value
            else:
                logger.warning(
                    Message("ignored runtime.acceleratorType: not nvidia", value=accelerator.value)
                )
        if "docker_network" in runtime_eval:
            logger.warning("ignored runtime.docker_network: AWS Batch has none to choose")
        if "acceleratorCount" in runtime_eval:
            count = runtime_eval["acceleratorCount"].coerce(WDL.Type.Int()).value
            self.runtime_values["acceleratorCount"] = count

    def copy_input_files(self, logger: logging.Logger) -> None:
        """Copy the inputs instead of linking them, for this attempt."""
        super().copy_input_files(logger)
        self._inputs_copied = True

    def reset(self, logger: logging.Logger) -> None:
        """Wait as configured, and give the next attempt a work directory of its own."""
        seconds = self._context.settings.retry_wait_seconds
        logger.info(Message("waiting before the next attempt", seconds=seconds))
        with TerminationSignalFlag(logger) as terminating:
            self._context.watch.sleep(seconds, terminating)
        set_work_aside(Path(self.host_dir))
        super().reset(logger)
        self._inputs_copied = False
        point_work_at(self._files)

    def host_path(self, container_path: str, inputs_only: bool = False) -> str | None:  # noqa: FBT001, FBT002  (miniwdl's signature)
        """Find an output; a retried command may name it by its attempt's own directory."""
        own = f"{self._files.work_dir}/"
        if container_path.startswith(own):
            container_path = f"{self.container_dir}/work/{container_path.removeprefix(own)}"
        found: str | None = super().host_path(container_path, inputs_only)
        return found

    def _run(self, logger: logging.Logger, terminating: Callable[[], bool], command: str) -> int:
        waiter = JobWaiter()
        with self._context.watch.watching(terminating, waiter.wake):
            job, job_id = self._begin(logger, terminating, command)
            status = self._await(logger, terminating, waiter, job_id)
        self._files.revalidate()
        return self._conclude(logger, job, status)

    def _begin(
        self, logger: logging.Logger, terminating: Callable[[], bool], command: str
    ) -> tuple[TaskJob, str]:
        try:
            job = self._prepare(command)
            return job, self._submit(logger, terminating, job)
        except jobs.Stopped:
            raise Terminated(quiet=True) from None
        except (AwsError, InvalidInputError) as exc:
            logger.error(Message("job not submitted", error=str(exc)))  # noqa: TRY400  (the error says it all)
            raise TaskNotSubmitted(str(exc)) from exc

    def _prepare(self, command: str) -> TaskJob:
        """Write the attempt's files and plan its job."""
        files, settings = self._files, self._context.settings
        files.command.write_text(command)
        if not self._inputs_copied:
            link_inputs(self._input_links())
        arguments = ("/bin/sh", str(files.script))
        environment: dict[str, str] = dict(self.runtime_values.get("env", {}))
        in_request = fits(arguments, environment)
        script = TaskScript(
            files=files,
            shell=settings.command_shell,
            environment={} if in_request else environment,
            sync=settings.container_sync,
        )
        files.script.write_text(render(script))
        return self._job(arguments, environment if in_request else {})

    def _job(self, arguments: tuple[str, ...], environment: dict[str, str]) -> TaskJob:
        settings, parent = self._context.settings, self._context.parent_job_id
        return TaskJob(
            name=task_job_name(parent, self.run_id, self.try_counter, uuid.uuid4().hex[:8]),
            queue=self._queue(),
            command=arguments,
            environment=environment,
            vcpus=self.runtime_values["cpu"],
            memory_mib=memory_mib(
                self.runtime_values["memory_reservation"], settings.memory_delta_mib
            ),
            gpus=self._gpus(),
            timeout_seconds=settings.job_timeout_seconds,
            tags=task_tags(settings.job_tags, parent),
        )

    @property
    def _files(self) -> AttemptFiles:
        return AttemptFiles(task_dir=Path(self.host_dir), attempt=self.try_counter)

    def _input_links(self) -> dict[Path, str]:
        return {
            Path(self.host_work_path(container_path.rstrip("/"))): host_path.rstrip("/")
            for host_path, container_path in self.input_path_map.items()
        }

    def _queue(self) -> str:
        """Choose the queue: the fallback once the task's interruptions are used up."""
        settings = self._context.settings
        budget = self.runtime_values.get("preemptible", 1)
        if settings.task_queue_fallback and self._interruptions >= budget:
            return settings.task_queue_fallback
        return settings.task_queue

    def _gpus(self) -> int:
        if not self.runtime_values.get("gpu", False):
            return 0
        count = self.runtime_values.get("acceleratorCount", self._context.settings.gpu_count)
        return int(count)

    def _definition(self) -> TaskDefinition:
        return task_definition(
            self._context.settings,
            image=self.runtime_values.get("docker", DEFAULT_IMAGE),
            privileged=self.runtime_values.get("privileged", False),
        )

    def _submit(self, logger: logging.Logger, terminating: Callable[[], bool], job: TaskJob) -> str:
        definition = self._definition()
        try:
            job_id = self._submit_once(terminating, job, definition)
        except AwsError as exc:
            if definition.name not in exc.detail:
                raise
            # It was deregistered since it was looked up; register it anew.
            self._context.definitions.forget(definition.name)
            job_id = self._submit_once(terminating, job, definition)
        logger.info(
            Message("AWS Batch job submitted", jobId=job_id, jobName=job.name, jobQueue=job.queue)
        )
        return job_id

    def _submit_once(
        self, terminating: Callable[[], bool], job: TaskJob, definition: TaskDefinition
    ) -> str:
        context = self._context
        request = submit_request(job, context.definitions.ensure(definition))
        return jobs.submit(context.clients, context.submitting, request, stopping=terminating)

    def _await(
        self,
        logger: logging.Logger,
        terminating: Callable[[], bool],
        waiter: JobWaiter,
        job_id: str,
    ) -> JobStatus:
        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(self._context.describer.watching(job_id, waiter.observe))
            progress = cleanup.enter_context(
                JobProgress(logger, Path(self.host_dir), self.task_running_context)
            )
            try:
                status = self._wait_for_end(logger, terminating, waiter, progress)
            except BaseException:
                self._terminate(logger, job_id, "the task's runner failed")
                raise
            if status is None:
                self._end(logger, waiter, progress, job_id)
        if status is None or (terminating() and not status.succeeded):
            raise Terminated(quiet=not progress.has_started)
        return status

    def _wait_for_end(
        self,
        logger: logging.Logger,
        terminating: Callable[[], bool],
        waiter: JobWaiter,
        progress: JobProgress,
    ) -> JobStatus | None:
        """Wait until the job has ended; None if miniwdl terminates first."""
        verbose = logger.isEnabledFor(VERBOSE_LEVEL)
        with self.poll_stderr_context(logger) as poll_stderr:
            while True:
                status = waiter.wait(STDERR_PERIOD_SECONDS if verbose else None)
                if status is not None:
                    progress.note(status)
                    if status.is_terminal:
                        return status
                if terminating():
                    return None
                poll_stderr()

    def _terminate(self, logger: logging.Logger, job_id: str, reason: str) -> bool:
        try:
            jobs.terminate(self._context.clients, self._context.controlling, job_id, reason)
        except AwsError as exc:
            logger.critical(
                Message("job NOT terminated: end it by hand", jobId=job_id, error=str(exc))
            )
            return False
        return True

    def _end(
        self,
        logger: logging.Logger,
        waiter: JobWaiter,
        progress: JobProgress,
        job_id: str,
    ) -> None:
        """Terminate the job and see that it has ended."""
        if not self._terminate(logger, job_id, "terminated by miniwdl"):
            return
        deadline = self._context.controlling.clock() + TERMINATION_SECONDS
        while (left := deadline - self._context.controlling.clock()) > 0:
            status = waiter.wait(left)
            if status is not None:
                progress.note(status)
                if status.is_terminal:
                    return
        logger.warning(
            Message(
                "job was asked to end but has not yet", jobId=job_id, seconds=TERMINATION_SECONDS
            )
        )

    def _conclude(self, logger: logging.Logger, job: TaskJob, status: JobStatus) -> int:
        if status.succeeded:
            return 0
        info = failure_info(status, job.queue)
        if not self._files.stderr.exists():
            info["hint"] = (
                f"the job wrote nothing to {self.host_dir}: if it ran at all, its container may "
                f"have no /bin/sh, or not mount the file system at {self._context.settings.mount}"
            )
        exc = failure(
            status,
            info,
            stderr_file=str(self._files.stderr),
            stdout_file=str(self._files.stdout),
        )
        if isinstance(exc, Interrupted):
            self._interruptions += 1
        if isinstance(exc, TaskLost):
            self._terminate(logger, status.job_id, "lost by miniwdl")
        if exc is not None:
            raise exc
        self.failure_info = info
        return status.exit_code or 1
