"""From a job that has ended to its outputs, or to the error that says why there are none."""

import time
from collections.abc import Callable
from dataclasses import replace

from miniwdl_aws import console, outcome
from miniwdl_aws.errors import JOB_ERRORS, JobError, JobFailure
from miniwdl_aws.failures import classify
from miniwdl_aws.logs import LogReader
from miniwdl_aws.outcome import Outcome
from miniwdl_aws.status import JobStatus

TAIL_LINES = 200
"""Lines at the end of a log among which the outcome is looked for first."""

LOG_DELAY_SECONDS = 15.0
"""How long the last lines of an ended job may take to be readable."""

_SUMMARIES = {
    "spot": "The job's host was reclaimed",
    "infrastructure": "AWS could not run the job",
    "image": "The job's image cannot be used",
    "out_of_memory": "The job ran out of memory",
    "command_failed": "A command failed",
    "workflow": "The workflow failed",
    "timeout": "The job ran past its time-out",
    "cancelled": "The job was cancelled",
    "lost": "Batch no longer knows the job",
}


def fetch_outcome(
    reader: LogReader,
    status: JobStatus,
    *,
    wait_seconds: float = LOG_DELAY_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Outcome | None:
    """Read from an ended job's log what its runner reported.

    Returns:
        The outcome; None if the job never ran, or its runner was killed before it could report.
    """
    if not status.log_stream:
        return None
    deadline = clock() + wait_seconds
    while True:
        found = outcome.decode(reader.tail(status.log_stream, TAIL_LINES))
        if found is not None or clock() >= deadline:
            return found
        sleep(1.0)


def job_error(status: JobStatus, found: Outcome | None, *, region: str) -> JobError:
    """Make the error for a job that did not succeed.

    What Batch did to the job comes first (time-out, spot, cancellation), then what its runner
    reported of the failed call.
    """
    category = classify(status)
    failure = JobFailure(
        job_id=status.job_id,
        job_name=status.job_name,
        reason=status.reason,
        exit_code=status.exit_code,
        log_stream=status.log_stream,
        log_url=console.log_url(region, status.log_stream) if status.log_stream else "",
    )
    cause = found.failure if found else None
    if cause is not None:
        failure = replace(
            failure,
            call=cause.run,
            call_exit_code=cause.exit_code,
            call_job_id=cause.job_id,
            call_log_stream=cause.log_stream,
            call_stderr=cause.stderr,
        )
    if category == "command_failed":
        # A newer runner may know a category that this reader does not.
        category = cause.category if cause and cause.category in JOB_ERRORS else "workflow"
    summary = f"{_SUMMARIES[category]}: job {status.job_id} ({status.job_name})"
    message = f"{summary}: {cause.message}" if cause and cause.message else summary
    return JOB_ERRORS[category](message, failure)
