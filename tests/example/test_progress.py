"""Progress is told once per change, under the right sample."""

from __future__ import annotations

from typing import Any, cast

from demo.dag_runs import DagRun
from demo.progress import Board, SampleRun, label, samples_of_jobs, show_tasks
from miniwdl_aws.names import PARENT_TAG, RUN_KEY_TAG, job_name, run_key_prefix, task_job_prefix
from miniwdl_aws.status import JobStatus

PARENT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


class FakeAirflow:
    """Answers like Airflow's REST interface."""

    def __init__(self, state: str, tasks: dict[str, str | None]) -> None:
        self.state = state
        self.tasks = tasks

    def rest(self, method: str, path: str, **options: Any) -> Any:
        """Give the run, or its task instances."""
        if path.endswith("/taskInstances"):
            tasks = [{"task_id": name, "state": state} for name, state in self.tasks.items()]
            return {"task_instances": tasks}
        return {"state": self.state}


def sample_run(airflow: FakeAirflow) -> SampleRun:
    """Give the DAG run of sample one."""
    run = DagRun(airflow=cast("Any", airflow), dag_id="viral", run_id="demo-one")
    return SampleRun(sample="one", run=run)


def board() -> tuple[Board, list[str]]:
    """Give a board at second 0 and the lines that it says."""
    lines: list[str] = []
    return Board(say=lines.append, clock=lambda: 0.0), lines


def test_a_state_is_said_once_until_it_changes() -> None:
    """Repeated looks at an unchanged state are silent."""
    told, lines = board()
    for state in ("RUNNABLE", "RUNNABLE", "RUNNING", "RUNNING", "RUNNABLE"):
        told.show("one", "job assemble", state)
    assert [line.split()[-1] for line in lines] == ["RUNNABLE", "RUNNING", "RUNNABLE"]


def test_tasks_without_a_state_are_not_shown() -> None:
    """Airflow gives no state to a task instance that waits for others."""
    told, lines = board()
    airflow = FakeAirflow("running", {"submit": "success", "wait": "deferred", "upload": None})
    states = show_tasks(told, [sample_run(airflow)])
    assert states == {"one": "running"}
    assert [line.split()[3:] for line in lines] == [
        ["task", "submit", "success"],
        ["task", "wait", "deferred"],
        ["DAG", "run", "running"],
    ]


def test_jobs_are_told_apart_by_their_tags() -> None:
    """A workflow job by its run key, a task job by its parent, a stranger's not at all."""
    parent = JobStatus(
        job_id=PARENT, status="RUNNING", tags={RUN_KEY_TAG: "viral/demo-one/submit/-1"}
    )
    child = JobStatus(job_id="child", status="RUNNING", tags={PARENT_TAG: PARENT})
    stranger = JobStatus(job_id="other", status="RUNNING", tags={RUN_KEY_TAG: "viral/manual"})
    runs = [sample_run(FakeAirflow("running", {}))]
    assert samples_of_jobs([child, stranger, parent], runs) == {PARENT: "one", "child": "one"}


def test_a_job_is_named_without_its_prefix() -> None:
    """People see the name that they know, not the hash by which a job is found."""
    name = run_key_prefix("viral/demo-one") + job_name("assemble_viral")
    assert label(JobStatus(job_id="a", status="RUNNING", job_name=name)) == "job assemble_viral"
    name = task_job_prefix(PARENT) + job_name("call-align_chunk-2")
    child = JobStatus(job_id="b", status="RUNNING", job_name=name, tags={PARENT_TAG: PARENT})
    assert label(child) == "call call-align_chunk-2"
