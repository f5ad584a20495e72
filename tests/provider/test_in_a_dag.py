"""Tests of the operators and the sensor as parts of a DAG."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_miniwdl_aws.operators import (
    MiniwdlEfsCleanupOperator,
    MiniwdlRunOperator,
    MiniwdlS3UploadOperator,
    MiniwdlSubmitOperator,
)
from airflow_provider_miniwdl_aws.sensors import MiniwdlRunSensor

REQUIRED: dict[type, dict[str, Any]] = {
    MiniwdlRunOperator: {"wdl": "w.wdl"},
    MiniwdlSubmitOperator: {"wdl": Path("w.wdl")},
    MiniwdlRunSensor: {"job_id": "j"},
    MiniwdlS3UploadOperator: {"run_dir": "/mnt/efs/miniwdl_run/x"},
    MiniwdlEfsCleanupOperator: {"run_dir": "/mnt/efs/miniwdl_run/x"},
}


@pytest.mark.parametrize("cls", REQUIRED)
def test_a_dag_file_needs_no_more_than_the_essentials(cls: Any) -> None:
    """The constructor only assigns; every templated field is one of its arguments."""
    task = cls(task_id="t", **REQUIRED[cls])
    arguments = {
        name
        for base in cls.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base.__init__).parameters
    }
    assert set(task.template_fields) <= arguments
    for name in task.template_fields:
        assert hasattr(task, name)


@pytest.mark.parametrize("cls", REQUIRED)
def test_it_serializes_with_its_links(cls: Any) -> None:
    """Scheduler and api-server work with what is serialized; the buttons are in it."""
    with DAG("d", schedule=None) as dag:
        cls(task_id="t", **REQUIRED[cls])
    data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    (task,) = DagSerialization.from_dict(data).tasks
    assert {link.name for link in task.operator_extra_links} == {
        "AWS Batch job",
        "CloudWatch log",
        "Published outputs",
    }
    assert {link.xcom_key for link in task.operator_extra_links} == {
        "_link_MiniwdlJobLink",
        "_link_MiniwdlLogLink",
        "_link_MiniwdlOutputLink",
    }


def test_default_args_reach_settings() -> None:
    """What is the same for all tasks of a DAG is written once."""
    with DAG("d", schedule=None, default_args={"workflow_queue": "q", "deferrable": False}):
        run = MiniwdlRunOperator(task_id="run", wdl="w.wdl")
        cleanup = MiniwdlEfsCleanupOperator(task_id="clean", run_dir="/x")
    assert (run.workflow_queue, cleanup.workflow_queue) == ("q", "q")
    assert (run.deferrable, cleanup.deferrable) == (False, False)


def test_samples_are_mapped() -> None:
    """A thousand samples are one task in the DAG, and cost little more than their inputs."""
    samples = [{"inputs": {"sample": f"s{n}"}, "run_name": f"s{n}"} for n in range(1000)]
    with DAG("d", schedule=None) as dag:
        MiniwdlRunOperator.partial(
            task_id="run", wdl="w.wdl", map_index_template="{{ task.run_name }}"
        ).expand_kwargs(samples)
    assert len(json.dumps(DagSerialization.to_dict(dag))) < 120 * len(samples)


def test_unknown_arguments_are_refused_while_parsing() -> None:
    """A misspelled argument is not silently left alone."""
    with pytest.raises(TypeError, match="workflow_que"):
        MiniwdlRunOperator(task_id="run", wdl="w.wdl", workflow_que="q")
