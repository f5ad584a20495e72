"""DAGs of the end-to-end tests: any WDL workflow, in one task and in two."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_miniwdl_aws.operators import MiniwdlRunOperator, MiniwdlSubmitOperator
from airflow_provider_miniwdl_aws.sensors import MiniwdlRunSensor

PARAMS = {
    "wdl": Param(type="string"),
    "inputs": Param({}, type="object"),
    "publish_to": Param("s3://miniwdl-local/e2e", type="string"),
}

with DAG(dag_id="run_any_workflow", schedule=None, params=PARAMS):
    MiniwdlRunOperator(
        task_id="run",
        wdl="{{ params.wdl }}",
        inputs="{{ params.inputs | tojson }}",
        s3upload="{{ params.publish_to }}",
        exchange="s3://miniwdl-local/exchange",
        pool="e2e_run",
    )

with DAG(dag_id="submit_any_workflow", schedule=None, params=PARAMS):
    submit = MiniwdlSubmitOperator(
        task_id="submit", wdl="{{ params.wdl }}", inputs="{{ params.inputs | tojson }}"
    )
    submit >> MiniwdlRunSensor(task_id="wait", job_id="{{ ti.xcom_pull('submit') }}")
