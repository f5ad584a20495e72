"""The container backends: every WDL task runs as an AWS Batch job.

`settings` reads miniwdl's configuration, `runtime` a task's attributes and `policies` what shall be
different for it; `demand` merges them, and `task_plan` plans each attempt. `definition`, `request`
and `script` make what is sent (pure), `jobs` sends it, `job_run` brings one job to its end,
`waiting` lets any number of threads wait without polling, `turns` few of them work at a time, and
`container` is miniwdl's interface to all of that. `identity` is a task plugin of miniwdl's beside
it.
"""
