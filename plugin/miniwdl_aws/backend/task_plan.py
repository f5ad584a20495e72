"""What the attempts of one task ask of Batch, and what follows from how each of them ended."""

import dataclasses
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from WDL._util import StructuredLogMessage as Message

from miniwdl_aws.backend.context import BackendContext
from miniwdl_aws.backend.definition import TaskDefinition, task_definition
from miniwdl_aws.backend.demand import Demand, Size, demand, size_on
from miniwdl_aws.backend.identity import TaskIdentity
from miniwdl_aws.backend.policies import TaskPolicy
from miniwdl_aws.backend.request import TaskJob, fits, task_job_name, task_tags
from miniwdl_aws.backend.retries import Retries, Verdict
from miniwdl_aws.backend.tags import fill
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.failures import Budget, Rule


class TaskPlan:
    """Plans the attempts of one task.

    Args:
        context: what all tasks of the process share.
        identity: the task's names.
        values: ``TaskContainer.runtime_values``, before they are changed for miniwdl.
    """

    def __init__(
        self, context: BackendContext, identity: TaskIdentity, values: Mapping[str, Any]
    ) -> None:
        self._context = context
        self._identity = identity
        accelerator_type = values.get("acceleratorType", "")
        self._policy = context.settings.task_policies.of(identity, accelerator_type)
        self._told: set[str] = set()
        task = self._demand(values)
        self._preemptible = (
            task.budgets.preemptible
            if "preemptible" in values or self._policy.preemptible is not None
            else 1
        )
        self.budgets = task.budgets
        self._retries = Retries(task.budgets, context.settings.retry_wait_seconds)

    @property
    def policy(self) -> TaskPolicy:
        """What rules say of the task."""
        return self._policy

    def job(
        self,
        logger: logging.Logger,
        values: Mapping[str, Any],
        *,
        run_id: str,
        attempt: int,
        command: tuple[str, ...],
    ) -> tuple[TaskJob, TaskDefinition]:
        """Plan an attempt.

        Args:
            logger: told of what is not as the task asks for it.
            values: ``TaskContainer.runtime_values``; plugins may have changed them.
            run_id: the call's run id.
            attempt: which attempt it is, from 1.
            command: what the container runs.

        Returns:
            The job, with all variables of the task, and its definition.

        Raises:
            InvalidInputError: no job can be what the task asks for; the message says why.
        """
        settings, context = self._context.settings, self._context
        task = self._demand(values)
        memory_bytes = task.escalation.memory_bytes(
            task.memory_bytes, self._retries.spent(Budget.MEMORY)
        )
        queue = self._queue(logger, task, memory_bytes)
        fargate = bool(context.queues.queue(queue).fargate)
        size = size_on(
            task.vcpus, memory_bytes, fargate=fargate, delta_mib=settings.memory_delta_mib
        )
        if fargate:
            self._tell_of_fargate(logger, task, memory_bytes, size)
        environment = dict(values.get("env", {}))
        _refuse_shadowed(environment, settings.task_secrets)
        nonce = uuid.uuid4().hex[:8]
        job = TaskJob(
            name=task_job_name(context.parent_job_id, run_id, attempt, nonce),
            queue=queue,
            command=command,
            environment=environment,
            vcpus=size.vcpus,
            memory_mib=size.memory_mib,
            gpus=task.gpus,
            timeout_seconds=task.timeout_seconds,
            tags=task_tags(self._tags(task, attempt), context.parent_job_id),
            propagate_tags=settings.propagate_tags,
        )
        definition = task_definition(
            settings, dataclasses.replace(task, queue=queue), fargate=fargate
        )
        return job, definition

    def after(self, rule: Rule) -> Verdict:
        """Count a failed attempt, and say what follows from it."""
        return self._retries.after(rule)

    def _demand(self, values: Mapping[str, Any]) -> Demand:
        """Give what the task asks for, its memory growing no further than its queues can give."""
        task = demand(values, self._context.settings, self._policy)
        if not task.budgets.memory:
            return task
        most = self._context.queues.most_memory_bytes(
            task.queues, task.vcpus, task.escalation.cap_bytes, task.gpus
        )
        return task.capped(most)

    def _queue(self, logger: logging.Logger, task: Demand, memory_bytes: int) -> str:
        """Choose the queue: the fallback for what the first one cannot run, or not any more."""
        wanted = list(task.queues)
        used_up = self._retries.spent(Budget.PREEMPTIBLE) >= self._preemptible
        if used_up or self._retries.spent(Budget.FALLBACK):
            wanted.reverse()
        reasons: list[str] = []
        for queue in wanted:
            limits = self._context.queues.limits(queue, task.vcpus, memory_bytes, task.gpus)
            if limits.fit(task.vcpus, memory_bytes, task.gpus):
                if reasons:
                    self._tell(logger, "job queue is too small for the task", why=reasons)
                return queue
            reasons.append(f"{queue} has at most {limits}")
        raise InvalidInputError(
            f"no job queue can run {task.vcpus} CPUs, {memory_bytes / 2**30:g} GiB and {task.gpus} "
            f"GPUs ({'; '.join(reasons)}); ask for less in runtime, or give the task a larger "
            "queue by [aws] task_policies"
        )

    def _tell_of_fargate(
        self, logger: logging.Logger, task: Demand, memory_bytes: int, size: Size
    ) -> None:
        if (size.vcpus, size.memory_mib * 2**20) != (task.vcpus, memory_bytes):
            self._tell(
                logger,
                "rounded up to a size that Fargate has",
                asked_cpu=task.vcpus,
                asked_memory=memory_bytes,
                cpu=size.vcpus,
                memory_mib=size.memory_mib,
            )
        if task.shared_memory_mib:
            self._tell(logger, "ignored the size of shared memory: Fargate has none to choose")

    def _tell(self, logger: logging.Logger, sentence: str, **fields: object) -> None:
        """Log what is not as the task asks for it, once for all of its attempts."""
        if (told := f"{sentence}{fields}") not in self._told:
            self._told.add(told)
            logger.warning(Message(sentence, **fields))

    def _tags(self, task: Demand, attempt: int) -> dict[str, str]:
        identity = self._identity
        values = {
            "run": identity.run,
            "run_key": self._context.run_key,
            "workflow": identity.workflow,
            "call": identity.call,
            "task": identity.task,
            "attempt": str(attempt),
            "owner": self._context.settings.owner,
        }
        if any("{sample}" in text for text in task.tags.values()):
            values["sample"] = identity.sample_of_run
        return fill(task.tags, values)


def split_environment(job: TaskJob) -> tuple[TaskJob, dict[str, str]]:
    """Take the variables out of a job that would not fit into its request.

    Returns:
        The job, and the variables that its script must set.

    Raises:
        InvalidInputError: it does not fit without them either.
    """
    if fits(job):
        return job, {}
    bare = dataclasses.replace(job, environment={})
    if not fits(bare):
        raise InvalidInputError(
            f"the request of job {job.name} is too large for AWS Batch without its variables; "
            "shorten job_tags in [aws] or the tags in its task_policies"
        )
    return bare, dict(job.environment)


def _refuse_shadowed(environment: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    both = sorted(environment.keys() & secrets.keys())
    if both:
        raise InvalidInputError(
            f"{', '.join(both)} is both a variable of the task and one of [aws] task_secrets; "
            "rename one of them"
        )
