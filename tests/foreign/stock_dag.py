"""A DAG of the Amazon provider's own operators and sensors for AWS Batch.

As a program it makes Airflow's database, runs the DAG, triggers in line, and prints each task's
state and result as JSON.
"""

import json
import os
import sys
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.operators.batch import BatchOperator
from airflow.providers.amazon.aws.sensors.batch import BatchSensor
from airflow.sdk import DAG
from airflow.utils.db import initdb

SECOND = timedelta(seconds=1)


def batch(task_id: str, script: str, **more: Any) -> Any:
    return BatchOperator(
        task_id=task_id,
        job_name=task_id,
        job_queue="miniwdl-task",
        job_definition=os.environ["STOCK_JOB_DEFINITION"],
        container_overrides={"command": ["sh", "-c", script]},
        aws_conn_id=None,
        retries=0,
        **more,
    )


def watch(task_id: str, job_id: Any, **more: Any) -> Any:
    return BatchSensor(task_id=task_id, job_id=job_id, aws_conn_id=None, poke_interval=1, **more)


with DAG("stock", schedule=None) as dag:
    logs = {"awslogs_enabled": True, "awslogs_fetch_interval": SECOND}
    waited = batch("waited", "echo one; sleep 1; echo two", **logs)
    deferred = batch("deferred", "echo three; sleep 2; echo four", deferrable=True, poll_interval=1)
    failed = batch("failed", "echo five; exit 3", deferrable=True, poll_interval=1)
    for mode, deferrable in (("poke", False), ("trigger", True)):
        started = batch(f"started_for_{mode}", "sleep 4", wait_for_completion=False)
        watch(f"watched_by_{mode}", started.output, deferrable=deferrable)

if __name__ == "__main__":
    initdb()
    instances = dag.test().get_task_instances()
    report = {each.task_id: (each.state, each.xcom_pull(each.task_id)) for each in instances}
    sys.stdout.write(json.dumps(report) + "\n")
