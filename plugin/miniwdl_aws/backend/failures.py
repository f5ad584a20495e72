"""What miniwdl is told of a task job that failed."""

from typing import Any

import WDL
from WDL.runtime.error import CommandFailed, Interrupted

from miniwdl_aws.backend.retries import Verdict
from miniwdl_aws.failures import SIGKILL_EXIT_CODE, Rule
from miniwdl_aws.logs import LOG_GROUP
from miniwdl_aws.status import JobStatus


class TaskOutOfMemory(CommandFailed):
    """The task's container was killed for memory use."""


class TaskTimedOut(CommandFailed):
    """The task ran past the time-out of its job."""


class TaskPreempted(WDL.Error.RuntimeError):
    """The host of the task's job was reclaimed more often than ``preemptible`` allows."""


class TaskNotRun(WDL.Error.RuntimeError):
    """AWS could not run the task's job."""


class TaskImageUnusable(WDL.Error.RuntimeError):
    """The task's image cannot be pulled, or not be run."""


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
    "image": "the image of the AWS Batch job cannot be used; see runtime.docker",
    "out_of_memory": "the AWS Batch job was killed for memory use; raise runtime.memory",
    "timeout": "the AWS Batch job ran past its time-out, [aws] job_timeout",
    "cancelled": "the AWS Batch job was ended by somebody else",
    "lost": "the AWS Batch job is lost",
}

_ERRORS: dict[str, type[WDL.Error.RuntimeError]] = {
    "spot": TaskPreempted,
    "infrastructure": TaskNotRun,
    "image": TaskImageUnusable,
    "out_of_memory": TaskOutOfMemory,
    "timeout": TaskTimedOut,
    "cancelled": TaskCancelled,
    "lost": TaskLost,
}
"""The error of each category but ``command_failed``, of which miniwdl makes its own."""


def failure_info(status: JobStatus, queue: str, category: str) -> dict[str, Any]:
    """Give the fields about a failed job that go into miniwdl's log and ``error.json``."""
    info = {
        "jobId": status.job_id,
        "jobName": status.job_name,
        "jobQueue": queue,
        "category": category,
        "reason": status.reason,
        "exitCode": status.exit_code,
        "logStreamName": status.log_stream,
        "logGroupName": LOG_GROUP if status.log_stream else "",
    }
    return {key: value for key, value in info.items() if value not in ("", None)}


def failure(
    rule: Rule, verdict: Verdict, info: dict[str, Any], *, stderr_file: str, stdout_file: str
) -> Exception | None:
    """Choose the exception for a job that did not succeed.

    Args:
        rule: the row of the table about it.
        verdict: what follows from it.
        info: what is told of it; see `failure_info`.
        stderr_file: where the task's standard error is.
        stdout_file: where its standard output is.

    Returns:
        `Interrupted` if the failure's own budget pays another attempt; None if it is the command
        that failed, whose exit code may be one that the task expects.
    """
    if rule.category == "command_failed":
        return None
    message = _SENTENCES[rule.category]
    if reason := info.get("reason"):
        message += f" ({reason})"
    error = _ERRORS[rule.category]
    if not verdict.again and issubclass(error, CommandFailed):
        exit_code = info.get("exitCode") or SIGKILL_EXIT_CODE
        more = {**info, "message": message}
        return error(exit_code, stderr_file, stdout_file, message=message, more_info=more)
    more = {**info, "stderr_file": stderr_file, "stdout_file": stdout_file}
    return (Interrupted if verdict.again else error)(message, more_info=more)
