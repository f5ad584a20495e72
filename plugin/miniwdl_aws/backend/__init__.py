"""The container backend ``aws_batch_job``: every WDL task runs as an AWS Batch job.

`settings` reads miniwdl's configuration and `runtime` a task's attributes; `definition`, `request`
and `script` make what is sent (pure), `jobs` sends it, `job_run` brings one job to its end,
`waiting` lets any number of threads wait without polling, and `container` is miniwdl's interface
to all of that.
"""

from miniwdl_aws.backend.container import BatchJob

__all__ = ["BatchJob"]
