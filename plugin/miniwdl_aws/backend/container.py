"""miniwdl's interface to the backend."""

import atexit
import copy
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from WDL._util import StructuredLogMessage as Message, TerminationSignalFlag, chmod_R_plus
from WDL.runtime.task_container import TaskContainer

from miniwdl_aws.backend import runtime
from miniwdl_aws.backend.adoption import find
from miniwdl_aws.backend.context import BackendContext, open_context
from miniwdl_aws.backend.definition import TaskDefinition
from miniwdl_aws.backend.failures import BackendMisconfigured, failure, failure_info
from miniwdl_aws.backend.files import AttemptFiles, link_inputs, point_work_at, set_work_aside
from miniwdl_aws.backend.identity import TASKS
from miniwdl_aws.backend.job_run import JobRun, submission_errors
from miniwdl_aws.backend.journal import Entry
from miniwdl_aws.backend.queues import MAX_MEMORY_BYTES, MAX_VCPUS
from miniwdl_aws.backend.request import TaskJob
from miniwdl_aws.backend.script import TaskScript, render
from miniwdl_aws.backend.settings import read_settings
from miniwdl_aws.backend.studio import in_studio
from miniwdl_aws.backend.task_plan import TaskPlan, split_environment
from miniwdl_aws.backend.turns import TURNS
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.failures import Rule, judge
from miniwdl_aws.status import JobStatus


class BatchJob(TaskContainer):
    """Runs each attempt of a WDL task as an AWS Batch job on a shared file system.

    The file system is mounted at the same path everywhere, so a task's directory inside its
    container is its run directory. An attempt has its own work directory and its own files for
    the command, standard output and standard error; ``work`` always stands for the latest.
    """

    call_key: str
    """What makes the call the same call under another head of the run (`calls.call_key`)."""

    cache_miss: Mapping[str, Any]
    """Why the call cache had no outputs of the call (`call_cache.Miss`)."""

    _efs: ClassVar[bool] = True
    """Whether the shared file system is EFS, which jobs mount; or the hosts have it."""

    _context: ClassVar[BackendContext]
    """What miniwdl's `global_init` leaves behind; the one place of its kind."""

    @classmethod
    def global_init(cls, cfg: Any, logger: logging.Logger) -> None:
        """Read the configuration and make what all tasks share."""
        try:
            environ = process_environment()
            studio = in_studio(cfg, environ) if cls._efs else None
            user = studio.user if studio else f"{os.geteuid()}:{os.getegid()}"
            settings = read_settings(studio or cfg, user=user, efs=cls._efs)
            cls._context = open_context(settings, environ)
        except MiniwdlAwsError as exc:
            raise BackendMisconfigured(str(exc)) from exc
        atexit.register(cls._context.details.close)
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
        """Give what no compute environment can exceed.

        miniwdl lowers a request to these limits. The limits of a task's own queue are looked at
        when its first job is planned: a request beyond them is refused, not lowered.
        """
        return {"cpu": MAX_VCPUS, "mem_bytes": MAX_MEMORY_BYTES}

    def __init__(self, cfg: Any, run_id: str, host_dir: str) -> None:
        super().__init__(cfg, run_id, host_dir)
        self.container_dir = self._own_dir = self.host_dir
        self.call_key = ""
        self.cache_miss = {}
        self._inputs_copied = False
        self._plan: TaskPlan | None = None
        self._first_plan: tuple[dict[str, Any], tuple[TaskJob, TaskDefinition]] | None = None
        """That of the first attempt, and what it was made of."""

        self._wait_seconds = 0.0
        self._final: Exception | None = None

    def process_runtime(self, logger: logging.Logger, runtime_eval: dict[str, Any]) -> None:
        """Read the task's runtime attributes."""
        runtime.refuse_inline_dockerfile(runtime_eval)
        super().process_runtime(logger, runtime_eval)
        self.runtime_values.setdefault("cpu", runtime.DEFAULT_CPU)
        self.runtime_values.setdefault("memory_reservation", runtime.DEFAULT_MEMORY_BYTES)
        self.runtime_values.update(runtime.accelerators(logger, runtime_eval))
        self._read_sizes(logger, runtime_eval)
        self._plan_task(logger)

    def _read_sizes(self, logger: logging.Logger, runtime_eval: dict[str, Any]) -> None:
        """Read what else than miniwdl's own attributes a container may be given."""
        if "docker_network" in runtime_eval:
            logger.warning("ignored runtime.docker_network: AWS Batch has none to choose")
        if shared_memory := runtime.shared_memory_bytes(runtime_eval):
            self.runtime_values["shared_memory"] = shared_memory
        if self._context.has_fargate and (disks := runtime.disk_gib(logger, runtime_eval)):
            self.runtime_values["disks"] = disks

    def _plan_task(self, logger: logging.Logger) -> None:
        """Merge attributes, policy and settings, and see that a job of this kind can be."""
        identity = TASKS.find(self.host_dir, self.run_id)
        self._plan = plan = TaskPlan(self._context, identity, self.runtime_values)
        with submission_errors(logger):
            planned = self._planned(logger)
        self.runtime_values["preemptible"] = plan.budgets.interruptions
        if plan.policy.max_retries is not None:
            self.runtime_values["maxRetries"] = plan.policy.max_retries
        self._first_plan = copy.deepcopy(self._asked), planned
        logger.info(Message("attempts beside maxRetries", **asdict(plan.budgets)))

    def copy_input_files(self, logger: logging.Logger) -> None:
        """Copy the inputs instead of linking them, for this attempt."""
        with TURNS.aside():
            super().copy_input_files(logger)
        self._inputs_copied = True

    def reset(self, logger: logging.Logger) -> None:
        """Wait as the failure demands, and give the next attempt a work directory of its own."""
        self._move_back()
        followed = self._context.journal.earlier(Path(self.host_dir), self.try_counter + 1)
        if self._wait_seconds and followed is None:
            logger.info(Message("waiting before the next attempt", seconds=self._wait_seconds))
            with TerminationSignalFlag(logger) as terminating:
                self._context.watch.sleep(self._wait_seconds, terminating)
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
        if self._final is not None:
            raise self._final
        run = JobRun(
            context=self._context,
            logger=logger,
            terminating=terminating,
            task_dir=Path(self._own_dir),
            running=self.task_running_context,
            stderr=self.poll_stderr_context,
        )
        queue, status = self._adopt(run) or self._submit(run, command)
        self._files.revalidate()
        return self._conclude(logger, run, queue, status)

    def _submit(self, run: JobRun, command: str) -> tuple[str, JobStatus]:
        """Run the attempt as a job of its own; gives its queue and its last status."""
        with submission_errors(run.logger):
            job, definition = self._prepare(run, command)
            entry = self._entry(job)
        return job.queue, run.to_its_end(job, definition, entry)

    def _adopt(self, run: JobRun) -> tuple[str, JobStatus] | None:
        """Wait for the job that an earlier head submitted for this attempt, if one did."""
        with submission_errors(run.logger):
            adoption = find(
                self._context, run.logger, run.task_dir, self.try_counter, self.call_key
            )
        if adoption is None:
            return None
        self._move_to(adoption.entry)
        status = run.adopt(adoption)
        if status is None:
            self._move_back()
            return None
        if status.succeeded:
            # What miniwdl does for the directory of this head: other users' tasks read the outputs.
            chmod_R_plus(self.host_dir, file_bits=0o660, dir_bits=0o770)
        return adoption.entry.job_queue, status

    def _move_to(self, entry: Entry) -> None:
        """Take files from where an adopted job has them; it names its inputs by its own paths."""
        self.host_dir = self.container_dir = entry.task_dir
        for container_path, host_path in entry.inputs.items():
            self.input_path_map_rev.setdefault(container_path, host_path)

    def _move_back(self) -> None:
        """Take files from this head's own directory again."""
        self.host_dir = self.container_dir = self._own_dir

    def _entry(self, job: TaskJob) -> Entry:
        return Entry(
            key=self.call_key,
            attempt=self.try_counter,
            task_dir=self.host_dir,
            job_name=job.name,
            job_queue=job.queue,
            submitted_at=time.time(),
            inputs=dict(self.input_path_map_rev),
            task=TASKS.find(self._own_dir, self.run_id).task,
            vcpus=job.vcpus,
            memory_mib=job.memory_mib,
            gpus=job.gpus,
            cache_miss=self.cache_miss,
        )

    def _prepare(self, run: JobRun, command: str) -> tuple[TaskJob, TaskDefinition]:
        """Write the attempt's files and plan its job."""
        files, settings = self._files, self._context.settings
        files.command.write_text(command)
        if not self._inputs_copied:
            link_inputs(self._input_links())
        planned, definition = self._planned_before(run.logger)
        job, environment = split_environment(planned)
        script = TaskScript(
            files=files,
            mailbox=run.mailbox(job.name),
            shell=settings.command_shell,
            environment=environment,
            sync=settings.container_sync,
            usage_period_seconds=settings.usage_period_seconds,
        )
        files.script.write_text(render(script))
        return job, definition

    def _planned(self, logger: logging.Logger) -> tuple[TaskJob, TaskDefinition]:
        job, definition = self._task_plan.job(
            logger,
            self.runtime_values,
            run_id=self.run_id,
            attempt=self.try_counter,
            command=("/bin/sh", str(self._files.script)),
        )
        return job, self._context.definitions.shared(definition)

    def _planned_before(self, logger: logging.Logger) -> tuple[TaskJob, TaskDefinition]:
        """Give what `process_runtime` has planned, unless a plugin or a failure changed it."""
        values, planned = self._first_plan or ({}, None)
        self._first_plan = None
        unchanged = self.try_counter == 1 and values == self._asked
        return planned if planned and unchanged else self._planned(logger)

    @property
    def _asked(self) -> dict[str, Any]:
        """What the task asks for; miniwdl adds its variables once it is about to run."""
        return {"env": {}, **self.runtime_values}

    @property
    def _task_plan(self) -> TaskPlan:
        if self._plan is None:
            raise AssertionError("miniwdl calls process_runtime before it runs a task")
        return self._plan

    @property
    def _files(self) -> AttemptFiles:
        return AttemptFiles(task_dir=Path(self.host_dir), attempt=self.try_counter)

    def _input_links(self) -> dict[Path, str]:
        return {
            Path(self.host_work_path(container_path.rstrip("/"))): host_path.rstrip("/")
            for host_path, container_path in self.input_path_map.items()
        }

    def _conclude(self, logger: logging.Logger, run: JobRun, queue: str, status: JobStatus) -> int:
        if status.succeeded:
            return 0
        rule = judge(status)
        verdict = self._task_plan.after(rule)
        self._wait_seconds = verdict.wait_seconds
        if status.is_lost:
            run.terminate(status.job_id, "lost by miniwdl")
        info = self._failure_info(queue, status, rule)
        exc = failure(
            rule,
            verdict,
            info,
            stderr_file=str(self._files.stderr),
            stdout_file=str(self._files.stdout),
        )
        if exc is None:
            self.failure_info = info
            return status.exit_code or 1
        if verdict.final:
            self._final = exc
            logger.error(Message("not to be tried again", category=rule.category, rule=rule.name))
        raise exc

    def _failure_info(self, queue: str, status: JobStatus, rule: Rule) -> dict[str, Any]:
        info = failure_info(status, queue, rule.category)
        if not self._files.stderr.exists() and rule.category in (
            "infrastructure",
            "command_failed",
        ):
            info["hint"] = (
                f"the job wrote nothing to {self.host_dir}: if it ran at all, its container may "
                f"have no /bin/sh, or not mount the file system at {self._context.settings.mount}"
            )
        return info


class BatchJobNoEfs(BatchJob):
    """The same on a shared file system that the hosts mount, such as FSx for Lustre; EC2 only."""

    _efs = False
