"""Tests of the links to the AWS console."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.xcom import XCom

from airflow_provider_miniwdl_aws.links.aws import LINKS, MiniwdlJobLink, MiniwdlOutputLink
from airflow_provider_miniwdl_aws.sensors import MiniwdlRunSensor


@contextmanager
def xcoms(found: str | None) -> Iterator[list[str]]:
    """Airflow's XComs, with one answer for all."""
    asked: list[str] = []

    def get_value(*, ti_key: Any, key: str) -> str | None:
        asked.append(key)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(XCom, "get_value", get_value)
        yield asked


def answers(task: MiniwdlRunSensor) -> dict[str, str]:
    ti: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="wait", map_index=-1)
    return {link.name: link.get_link(task, ti_key=ti) for link in LINKS}


def test_what_is_not_known_is_not_asked_for() -> None:
    """A task that has just begun has stored nothing, and Airflow's log shows no vain requests."""
    with xcoms(None) as asked:
        assert set(answers(MiniwdlRunSensor(task_id="wait", job_id="j")).values()) == {""}
    assert asked == []


def test_what_this_process_has_stored_is_answered() -> None:
    """And is an XCom of its own, whatever ``do_xcom_push`` says."""
    task = MiniwdlRunSensor(task_id="wait", job_id="j", do_xcom_push=False)
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    MiniwdlJobLink().store({"task": task, "ti": ti}, "https://job")
    assert pushed == {"_link_MiniwdlJobLink": "https://job"}
    with xcoms(None):
        assert answers(task)["AWS Batch job"] == "https://job"


def test_what_an_earlier_stage_has_stored_is_kept() -> None:
    """A resumed task that fails at once still has its links to the job and its log."""
    task = MiniwdlRunSensor(task_id="wait", job_id="j")
    task.resumed = True
    with xcoms("https://stored") as asked:
        found = answers(task)
    assert found["AWS Batch job"] == found["CloudWatch log"] == "https://stored"
    assert found[MiniwdlOutputLink().name] == ""
    assert "_link_MiniwdlOutputLink" not in asked
