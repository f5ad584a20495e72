"""Jobs that do not start: why, and when to give one up.

A job may wait in RUNNABLE for hours and be well: others are before it, or instances are being
started. So one is given up only if that is asked for, and if nothing speaks for waiting on.
"""

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from WDL._util import StructuredLogMessage as Message

from miniwdl_aws.backend.queues import ComputeEnvironment, JobQueue, Queues
from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.failures import NOT_STARTED
from miniwdl_aws.jobs import describe_all
from miniwdl_aws.retry import Retry
from miniwdl_aws.status import JobStatus

EXPLAIN_AFTER_SECONDS = 300.0
"""How long a job waits before the log says why."""

SCALE_UP_SECONDS = 900.0
"""How long instances may take to start; a job that waits for them is not given up before."""

PERIOD_SECONDS = 60.0

WAITING = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StartingJob:
    """A job that was submitted.

    Attributes:
        job_id: its id.
        queue: its job queue, as it is configured.
        vcpus: CPUs that it asks for; 0 if that is not known.
        logger: the task's logger.
    """

    job_id: str
    queue: str
    vcpus: float
    logger: logging.Logger


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a job does not start.

    Attributes:
        text: a clause.
        blocked: whether waiting on will not help.
        scaling: whether instances are there or being started.
    """

    text: str
    blocked: bool = False
    scaling: bool = False


def explain(
    status: JobStatus, vcpus: float, queue: JobQueue, environments: Sequence[ComputeEnvironment]
) -> Explanation:
    """Say why a job is still RUNNABLE.

    Args:
        status: what Batch says of it; its reason names what blocks the head of a queue (AWS Batch
            user guide, "Jobs stuck in a RUNNABLE status").
        vcpus: CPUs that it asks for.
        queue: its queue.
        environments: the compute environments of the queue; none if they are not known.
    """
    if status.reason.startswith("CAPACITY:"):
        return Explanation(text=f"AWS has no capacity for it ({status.reason})", blocked=True)
    if status.reason.startswith(("MISCONFIGURATION:", "ACTION_REQUIRED")):
        return Explanation(text=f"it cannot be placed ({status.reason})", blocked=True)
    if not environments:
        return Explanation(text=f"why is not known {status.reason}".rstrip())
    usable = [each for each in environments if each.enabled and each.valid]
    if not usable:
        said = "; ".join(f"{each.name}: {_state(each)}" for each in environments)
        return Explanation(
            text=f"no compute environment of job queue {queue.name} takes jobs ({said})",
            blocked=True,
        )
    most = max(each.max_vcpus for each in usable)
    if vcpus > most:
        return Explanation(
            text=f"it asks for {vcpus:g} CPUs, and no compute environment of job queue "
            f"{queue.name} has more than {most}",
            blocked=True,
        )
    return _waiting_for_room(status, queue, usable)


def _state(environment: ComputeEnvironment) -> str:
    if not environment.enabled:
        return "disabled"
    return f"invalid, {environment.status_reason}"


def _waiting_for_room(
    status: JobStatus, queue: JobQueue, usable: Sequence[ComputeEnvironment]
) -> Explanation:
    has = sum(each.desired_vcpus for each in usable)
    most = sum(each.max_vcpus for each in usable)
    note = "" if queue.enabled else f"; job queue {queue.name} is disabled, and takes no new jobs"
    if status.reason:
        note += f" ({status.reason})"
    if has >= most:
        return Explanation(text=f"all {most} CPUs of its queue are in use{note}", scaling=True)
    if has:
        return Explanation(
            text=f"its queue has {has} CPUs, in use or being started, of at most {most}{note}",
            scaling=True,
        )
    return Explanation(text=f"no instance has been started for its queue{note}")


@dataclass(frozen=True, kw_only=True)
class Wait:
    """How long a job has waited.

    Attributes:
        seconds: since its submission.
        idle_seconds: since something happened to any job of its queue, if that is less.
        queue_is_busy: whether other jobs of its queue are starting or running.
    """

    seconds: float
    idle_seconds: float
    queue_is_busy: bool = False


def is_given_up(wait: Wait, timeout_seconds: float, found: Explanation) -> bool:
    """Decide whether a job has waited in vain.

    A job that is blocked itself has, once its time is over. Any other may stand behind one that
    is: its time begins when something last happened to its queue.

    Args:
        wait: how long it has waited.
        timeout_seconds: ``[aws] runnable_timeout``; 0 for never.
        found: why it does not start.
    """
    if not timeout_seconds:
        return False
    if found.blocked:
        return wait.seconds >= timeout_seconds
    if wait.queue_is_busy or wait.idle_seconds < timeout_seconds:
        return False
    return not (found.scaling and wait.idle_seconds < SCALE_UP_SECONDS)


@dataclass
class _Watched:
    job: StartingJob
    since: float
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long jobs may wait.

    Attributes:
        timeout_seconds: after which one is given up that waits in vain; 0 for never.
        explain_after_seconds: after which the log says why one waits.
        period_seconds: how often that is looked at.
    """

    timeout_seconds: float = 0.0
    explain_after_seconds: float = EXPLAIN_AFTER_SECONDS
    period_seconds: float = PERIOD_SECONDS

    @classmethod
    def of(cls, timeout_seconds: float) -> Self:
        """Look often enough for a time-out, be it short."""
        period = min(PERIOD_SECONDS, timeout_seconds / 2 or PERIOD_SECONDS)
        return cls(timeout_seconds=timeout_seconds, period_seconds=period)

    @property
    def overdue_seconds(self) -> float:
        """After which a job is looked at."""
        return min(self.explain_after_seconds, self.timeout_seconds or self.explain_after_seconds)


@dataclass(frozen=True)
class StartWatch:
    """Looks after the jobs of a process that have not started; one thread for all.

    Attributes:
        clients: where to ask.
        queues: asks about queues.
        retry: how requests are tried.
        press: asked to look at a job that was given up.
        patience: how long they may wait.
        clock: a monotonic clock in seconds.
    """

    clients: AwsClients
    queues: Queues
    retry: Retry
    press: Callable[[str], object]
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = time.monotonic
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _watched: dict[str, _Watched] = field(default_factory=dict, init=False)
    _moved_at: dict[str, float] = field(default_factory=dict, init=False)
    """When something last happened to a job of each queue."""

    _threads: list[threading.Thread] = field(default_factory=list, init=False)

    @contextlib.contextmanager
    def watching(self, job: StartingJob) -> Iterator[None]:
        """Look after a job for the length of the block, or until it has started."""
        with self._changed:
            self._watched[job.job_id] = _Watched(job=job, since=self.clock())
            if not self._threads:
                thread = threading.Thread(
                    target=self._run, name="miniwdl-aws-starting", daemon=True
                )
                self._threads.append(thread)
                thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._let_go(job.job_id)
                if not self._watched:
                    self._changed.notify_all()

    def check(self) -> None:
        """Look once at the jobs that have waited long; what the thread does."""
        now, overdue = self.clock(), self.patience.overdue_seconds
        with self._changed:
            late = {
                job_id: each
                for job_id, each in self._watched.items()
                if now - each.since >= overdue
            }
        if not late:
            return
        statuses = self.retry.call(functools.partial(describe_all, self.clients, late))
        waiting = {each.job_id: each for each in statuses if each.status in WAITING}
        with self._changed:
            for job_id in late.keys() - waiting.keys():
                self._let_go(job_id)
        self._look_at([(late[job_id], status) for job_id, status in waiting.items()], now)

    def _let_go(self, job_id: str) -> None:
        """Look after a job no longer: it has started, or ended."""
        if (each := self._watched.pop(job_id, None)) is not None:
            self._moved_at[each.job.queue] = self.clock()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._watched, self.patience.period_seconds)
                if not self._watched:
                    self._threads.clear()
                    return
            try:
                self.check()
            except Exception as exc:  # noqa: BLE001  (whatever it is, jobs are looked at again)
                _log.warning("jobs that have not started are looked at later: %s", exc)

    def _look_at(self, waiting: list[tuple[_Watched, JobStatus]], now: float) -> None:
        known = {name: self.queues.now(name) for name in {each.job.queue for each, _ in waiting}}
        explained = [
            (each, explain(status, each.job.vcpus, *known[each.job.queue]))
            for each, status in waiting
            if status.status == "RUNNABLE"
        ]
        # Those that block their queue come first: the others may only stand behind them.
        for each, found in sorted(explained, key=lambda pair: not pair[1].blocked):
            self._tell(each, found, now)
            self._give_up_if_in_vain(each, found, now)

    def _tell(self, each: _Watched, found: Explanation, now: float) -> None:
        waited = now - each.since
        if waited >= self.patience.explain_after_seconds and found.text != each.told:
            each.told = found.text
            each.job.logger.warning(
                Message("job has not started", seconds=round(waited), why=found.text)
            )

    def _give_up_if_in_vain(self, each: _Watched, found: Explanation, now: float) -> None:
        queue, timeout = each.job.queue, self.patience.timeout_seconds
        idle_since = max(each.since, self._moved_at.get(queue, each.since))
        wait = Wait(seconds=now - each.since, idle_seconds=now - idle_since)
        # Whether the queue is busy costs requests: it is asked only if that is what matters.
        if not is_given_up(wait, timeout, found):
            return
        if not found.blocked and self._is_busy(queue):
            return
        reason = f"{NOT_STARTED} {timeout:g} s: {found.text}"
        each.job.logger.error(Message("job is given up", jobId=each.job.job_id, why=found.text))
        self.retry.call(functools.partial(self._cancel, each.job.job_id, reason[:1024]))
        with self._changed:
            self._moved_at[queue] = self.clock()
        self.press(each.job.job_id)

    def _is_busy(self, queue: str) -> bool:
        return any(
            self.retry.call(functools.partial(self._list_one, queue, status))
            for status in ("RUNNING", "STARTING")
        )

    def _list_one(self, queue: str, status: Any) -> bool:
        with aws_errors("ListJobs", queue):
            answer = self.clients.batch.list_jobs(jobQueue=queue, jobStatus=status, maxResults=1)
        return bool(answer["jobSummaryList"])

    def _cancel(self, job_id: str, reason: str) -> None:
        """End a job unless it has started: CancelJob leaves those alone, unlike TerminateJob."""
        with aws_errors("CancelJob", job_id):
            self.clients.batch.cancel_job(jobId=job_id, reason=reason)
