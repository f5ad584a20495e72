"""Inputs on S3, staged below the download cache on the shared file system.

`settings` reads what is asked for, `objects` and `places` say what lies where (pure), `store` asks
S3, `parts`, `transfer` and `checks` bring one object over, `stager` whole inputs. `downloads` and
`call_cache` are miniwdl's interface to all of that, `task_job` has large inputs staged by a task
job, in which the command `miniwdl-aws-stage` does the same.
"""

from miniwdl_aws.staging.stager import Stager, open_stager

__all__ = ["Stager", "open_stager"]
