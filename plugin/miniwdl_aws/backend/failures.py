"""What miniwdl is told of a task job that failed."""

from typing import Any

import WDL
from WDL.runtime.error import CommandFailed, Interrupted

from miniwdl_aws.failures import SIGKILL_EXIT_CODE, classify
from miniwdl_aws.logs import LOG_GROUP
from miniwdl_aws.status import JobStatus


class TaskOutOfMemory(CommandFailed):
    """The task's container was killed for memory use."""


class TaskTimedOut(CommandFailed):
    """The task ran past the time-out of its job."""


class TaskCancelled(WDL.Error.RuntimeError):
    """Somebody ended the task's job."""


class TaskLost(WDL.Error.RuntimeError):
    """Batch no longer knows the task's job, or could not be asked about it for too long."""


class TaskNotSubmitted(WDL.Error.RuntimeError):
    """The task's job could not be submitted."""


class BackendMisconfigured(WDL.Error.RuntimeError):
    """The backend's configuration is missing something or wrong."""


_SENTENCES = {
    "spot": "the host of the AWS Batch job was reclaimed",
    "infrastructure": "AWS could not run the AWS Batch job",
    "out_of_memory": "the AWS Batch job was killed for memory use; raise runtime.memory",
    "timeout": "the AWS Batch job ran past its time-out, [aws] job_timeout",
    "cancelled": "the AWS Batch job was ended by somebody else",
    "lost": "the AWS Batch job is lost",
}


def failure_info(status: JobStatus, queue: str) -> dict[str, Any]:
    """Give the fields about a failed job that go into miniwdl's log and ``error.json``."""
    info = {
        "jobId": status.job_id,
        "jobName": status.job_name,
        "jobQueue": queue,
        "category": classify(status),
        "reason": status.reason,
        "exitCode": status.exit_code,
        "logStreamName": status.log_stream,
        "logGroupName": LOG_GROUP if status.log_stream else "",
    }
    return {key: value for key, value in info.items() if value not in ("", None)}


def failure(
    status: JobStatus, info: dict[str, Any], *, stderr_file: str, stdout_file: str
) -> Exception | None:
    """Choose the exception for a job that did not succeed.

    Returns:
        None if it is the command that failed: its exit code may be one that the task expects.
    """
    category = info["category"]
    if category == "command_failed":
        return None
    message = _SENTENCES[category]
    if status.reason:
        message += f" ({status.reason})"
    if category in ("out_of_memory", "timeout"):
        kind = TaskOutOfMemory if category == "out_of_memory" else TaskTimedOut
        exit_code = status.exit_code or SIGKILL_EXIT_CODE
        more = {**info, "message": message}
        return kind(exit_code, stderr_file, stdout_file, message=message, more_info=more)
    more = {**info, "stderr_file": stderr_file, "stdout_file": stdout_file}
    kinds = {"cancelled": TaskCancelled, "lost": TaskLost}
    return kinds.get(category, Interrupted)(message, more_info=more)
