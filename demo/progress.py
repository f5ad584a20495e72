"""What changed since the last look: task instances in Airflow, jobs and calls in Batch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miniwdl_aws.jobs import find_jobs
from miniwdl_aws.names import PARENT_TAG, RUN_KEY_TAG, run_key_prefix, task_job_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from demo.dag_runs import DagRun
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.status import JobStatus


@dataclass(frozen=True, kw_only=True)
class SampleRun:
    """The DAG run of one sample.

    Attributes:
        sample: the sample's name.
        run: its DAG run, whose id is no part of another's.
    """

    sample: str
    run: DagRun


@dataclass(kw_only=True)
class Board:
    """The last state of everything; says a line when one changes.

    Attributes:
        say: prints a line.
        clock: gives monotonic seconds.
    """

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _states: dict[tuple[str, str], str] = field(default_factory=dict)
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def show(self, sample: str, thing: str, state: str) -> None:
        """Say the state of a thing unless it is what was said last.

        Args:
            sample: the sample that it belongs to.
            thing: a task instance, a job or a call.
            state: its state now.
        """
        if self._states.get((sample, thing)) != state:
            self._states[sample, thing] = state
            self.say(f"{self.clock() - self._start:6.1f} s  {sample:<12} {thing:<44} {state}")


def show_tasks(board: Board, runs: Iterable[SampleRun]) -> dict[str, str]:
    """Show the task instances of all runs.

    Args:
        board: where to.
        runs: the DAG runs.

    Returns:
        The state of each DAG run, by sample.
    """
    states = {}
    for each in runs:
        # The state of the run first: once that is final, so are those of its task instances.
        states[each.sample] = each.run.state()
        for task in each.run.task_instances():
            if task["state"]:
                board.show(each.sample, f"task {task['task_id']}", str(task["state"]))
        board.show(each.sample, "DAG run", states[each.sample])
    return states


def show_jobs(
    board: Board, clients: AwsClients, queues: Sequence[str], runs: Iterable[SampleRun]
) -> None:
    """Show the jobs of all runs: those on the workflow queue, and the calls that they made.

    Args:
        board: where to.
        clients: whom to ask.
        queues: the workflow queue first, then those of task jobs.
        runs: the DAG runs.
    """
    jobs = [job for queue in queues for job in find_jobs(clients, queue, "")]
    samples = samples_of_jobs(jobs, runs)
    for job in sorted(jobs, key=lambda job: job.created_at or 0):
        if job.job_id in samples:
            reason = f" ({job.reason})" if job.status == "FAILED" and job.reason else ""
            board.show(samples[job.job_id], label(job), job.status + reason)


def samples_of_jobs(jobs: Iterable[JobStatus], runs: Iterable[SampleRun]) -> Mapping[str, str]:
    """Find out whose jobs they are: by the run key's tag, or by that of the parent job.

    Args:
        jobs: jobs of any kind, parents among them.
        runs: the DAG runs.

    Returns:
        The sample of each job that belongs to one, by job id.
    """
    listed = list(jobs)
    by_run = {each.run.run_id: each.sample for each in runs}
    parents = {
        job.job_id: sample
        for job in listed
        for run_id, sample in by_run.items()
        if run_id in job.tags.get(RUN_KEY_TAG, "") and PARENT_TAG not in job.tags
    }
    children = {
        job.job_id: parents[job.tags[PARENT_TAG]]
        for job in listed
        if job.tags.get(PARENT_TAG) in parents
    }
    return parents | children


def label(job: JobStatus) -> str:
    """Name a job for people: without the prefix by which it is found.

    Args:
        job: a job of the workflow queue or of a task queue.

    Returns:
        `job NAME` or `call NAME`.
    """
    parent = job.tags.get(PARENT_TAG)
    if parent is not None:
        return f"call {job.job_name.removeprefix(task_job_prefix(parent))}"
    return f"job {job.job_name[len(run_key_prefix('')) :]}"
