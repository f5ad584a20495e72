"""Tests of `airflow_provider_miniwdl_aws.identity`."""

import inspect
from types import SimpleNamespace

import pytest
from airflow.models.taskinstance import clear_task_instances
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_miniwdl_aws.identity import RunIdentity, identify


def identity(
    *, try_number: int, max_tries: int, retries: int, map_index: int | None = -1
) -> RunIdentity:
    ti = SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="group.task",
        map_index=map_index,
        try_number=try_number,
        max_tries=max_tries,
    )
    return identify({"ti": ti, "task": SimpleNamespace(retries=retries)})


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_share_a_generation_and_a_clear_begins_another(retries: int) -> None:
    """The generation is the first try since the last clear; so no two clears share one."""
    first = [identity(try_number=n, max_tries=retries, retries=retries) for n in range(1, 3)]
    assert {each.generation for each in first} == {"1"}
    cleared_after = 2
    later = [
        identity(try_number=n, max_tries=cleared_after + retries, retries=retries)
        for n in range(3, 5)
    ]
    assert {each.generation for each in later} == {"3"}


def test_airflow_counts_tries_as_the_generation_supposes() -> None:
    """Clearing sets ``max_tries`` so, and Airflow finds the first try of a clear so."""
    assert "ti.max_tries = ti.try_number + task.retries" in inspect.getsource(clear_task_instances)
    runner = inspect.getsource(RuntimeTaskInstance.get_first_reschedule_date)
    assert "max_tries - retries + 1" in runner


def test_map_indexes_are_runs_of_their_own() -> None:
    """Each expanded task instance has its job; one that is not expanded has index -1."""
    keys = {
        identity(try_number=1, max_tries=0, retries=0, map_index=index).run_key
        for index in (None, 0, 1)
    }
    assert keys == {"dag/run/group.task/-1", "dag/run/group.task/0", "dag/run/group.task/1"}


def test_people_read_who_owns_a_job() -> None:
    """The reason that Batch shows names the task instance and its try."""
    owner = identity(try_number=3, max_tries=2, retries=2).owner
    assert owner == "Airflow task dag/run/group.task/-1 (try 3)"
