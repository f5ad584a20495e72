"""Assemble viral genomes against a reference on AWS Batch, in four tasks.

`submit` hands the WDL workflow to AWS Batch, `wait` waits for it without holding a worker, `upload`
publishes its run directory to S3, and `cleanup` deletes the run directory from the shared file
system once everything is published.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_miniwdl_aws.operators import (
    MiniwdlEfsCleanupOperator,
    MiniwdlS3UploadOperator,
    MiniwdlSubmitOperator,
)
from airflow_provider_miniwdl_aws.sensors import MiniwdlRunSensor

# [START params]
FILE_PATTERN = "^(s3://[^/]+/|/).+"  # what a job can read: S3, or a path on the shared file system

PARAMS = {
    "sample": Param(
        type="string",
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$",
        title="Sample",
        description="Names the files and the consensus sequence.",
    ),
    "reads": Param(
        type="array",
        items={"type": "string", "pattern": FILE_PATTERN},
        minItems=1,
        maxItems=2,
        title="Reads",
        description="One unaligned paired BAM, or the two FASTQ files of the pairs.",
    ),
    "reference": Param(
        type="string",
        pattern=FILE_PATTERN,
        title="Reference",
        description="FASTA file; its first sequence is used.",
    ),
    "chunks": Param(
        4,
        type="integer",
        minimum=1,
        maximum=1000,
        title="Chunks",
        description="How many parts the reads are aligned in, each a job of its own.",
    ),
    "min_depth": Param(
        5,
        type="integer",
        minimum=1,
        title="Minimum depth",
        description="The consensus is N where fewer bases than this cover the reference.",
    ),
    "publish_to": Param(
        type="string",
        pattern="^s3://[^/]+(/.*)?$",
        title="Publish to",
        description="S3 folder; each run gets a folder of its own below SAMPLE/.",
    ),
}
# [END params]

# [START four_tasks]
with DAG(
    dag_id="viral_assembly",
    schedule=None,
    params=PARAMS,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    tags=["miniwdl", "example"],
    doc_md=__doc__,
) as dag:
    # Checks the WDL and the inputs, ships both, and submits the workflow job: its id is the result.
    submit = MiniwdlSubmitOperator(
        task_id="submit",
        wdl=Path(__file__).parent / "wdl" / "assemble_viral.wdl",
        # dag.param() keeps a Param's type: a list stays a list, a number a number.
        inputs={
            name: dag.param(name)
            for name in ("sample", "reads", "reference", "chunks", "min_depth")
        },
        run_name="{{ params.sample }}",
        tags={"sample": "{{ params.sample }}"},
        # The WDL files travel to the job through S3 when they are too large to travel inside it.
        exchange="{{ params.publish_to.rstrip('/') }}/exchange",
    )

    # Deferred until the workflow job has ended: the triggerer watches it and copies its log here.
    wait = MiniwdlRunSensor(task_id="wait", job_id="{{ ti.xcom_pull('submit') }}")

    # A small job on the workflow queue, since a worker does not mount the shared file system.
    upload = MiniwdlS3UploadOperator(
        task_id="upload",
        run_dir="{{ ti.xcom_pull('wait')['run_dir'] }}",
        s3upload="{{ params.publish_to.rstrip('/') }}/{{ params.sample }}",
    )

    # Refuses to delete what is not published completely.
    cleanup = MiniwdlEfsCleanupOperator(
        task_id="cleanup",
        run_dir="{{ ti.xcom_pull('wait')['run_dir'] }}",
        published="{{ ti.xcom_pull('upload')['published'] }}",
    )

    submit >> wait >> upload >> cleanup
# [END four_tasks]
