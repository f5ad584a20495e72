"""Assemble viral genomes against a reference on AWS Batch, in one task.

The workflow job publishes its own run directory to S3 and then deletes it, so that one operator
does what `viral_assembly` does in four tasks.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_miniwdl_aws.operators import MiniwdlRunOperator

FILE_PATTERN = "^(s3://[^/]+/|/).+"  # what a job can read: S3, or a path on the shared file system

# [START one_operator]
with DAG(
    dag_id="viral_assembly_one_operator",
    schedule=None,
    params={
        "sample": Param(type="string", pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$"),
        "reads": Param(
            type="array",
            items={"type": "string", "pattern": FILE_PATTERN},
            minItems=1,
            maxItems=2,
            description="One unaligned paired BAM, or the two FASTQ files of the pairs.",
        ),
        "reference": Param(type="string", pattern=FILE_PATTERN),
        "publish_to": Param(type="string", pattern="^s3://[^/]+(/.*)?$"),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    tags=["miniwdl", "example"],
    doc_md=__doc__,
) as dag:
    # Returns the workflow's outputs by name, its files as S3 URIs.
    MiniwdlRunOperator(
        task_id="assemble",
        wdl=Path(__file__).parent / "wdl" / "assemble_viral.wdl",
        inputs={name: dag.param(name) for name in ("sample", "reads", "reference")},
        run_name="{{ params.sample }}",
        tags={"sample": "{{ params.sample }}"},
        s3upload="{{ params.publish_to.rstrip('/') }}/{{ params.sample }}",
        delete_after="success",
    )
# [END one_operator]
