"""Every error that the package raises on purpose.

::

    MiniwdlAwsError
    ├── ConfigurationError          a setting is missing, wrong or contradicts another
    ├── InvalidInputError           the WDL source or its inputs cannot be run
    ├── AwsError                    AWS refused or could not be asked
    │   ├── AwsCredentialsError     no credentials, or none that AWS accepts
    │   ├── AwsAccessDeniedError    a permission is missing
    │   ├── AwsNotFoundError        a named resource does not exist
    │   ├── AwsThrottledError       too many requests, after all retries
    │   └── AwsUnavailableError     the endpoint did not answer, or answered 5xx, after all retries
    ├── JobError                    a job ended, and not well
    │   ├── SpotInterruptedError    its host was reclaimed
    │   ├── InfrastructureError     mount, network, host or Docker failed it
    │   ├── ImageError              its image cannot be pulled, or not be run
    │   ├── OutOfMemoryError        its container was killed for memory
    │   ├── CommandFailedError      a WDL task's command returned an error
    │   ├── WorkflowError           the workflow failed outside any command
    │   ├── JobTimeoutError         an attempt ran past its time-out
    │   ├── JobCancelledError       somebody cancelled or terminated it
    │   └── JobLostError            Batch no longer knows it, or could not be asked for too long
    ├── StagingError                an input on S3 could not be brought to the shared file system
    ├── PublicationError            objects could not be published to S3, or do not match
    └── CleanupRefusedError         a directory may not be deleted
"""

from dataclasses import dataclass
from typing import Any, ClassVar


def _rebuild(cls: type["MiniwdlAwsError"], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def printable(text: str) -> str:
    r"""Show what is no UTF-8, as a file name may be, as escapes: no log and no JSON refuses them.

    >>> print(printable("a\udcff.txt"))
    a\udcff.txt
    """
    return text.encode(errors="backslashreplace").decode()


class MiniwdlAwsError(Exception):
    """The base of all errors of this package.

    Attributes:
        process_exit_code: what a command line ends with when nothing caught the error.
    """

    process_exit_code: ClassVar[int] = 1

    def __init__(self, *args: Any) -> None:
        super().__init__(*(printable(each) if isinstance(each, str) else each for each in args))

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep keyword data across pickling: triggers and process pools send errors around."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class ConfigurationError(MiniwdlAwsError):
    """A setting is missing, wrong or contradicts another.

    Args:
        field: the setting's name, as in ``SubmitSettings``.
        problem: what is wrong, as a clause ("does not exist in us-east-1").
        remedy: what to set instead, as a sentence.
        value: the offending value, if there is one.
        source: where the value came from ("environment variable MINIWDL__AWS__FSAP").
    """

    process_exit_code = 2

    def __init__(
        self, field: str, problem: str, *, remedy: str, value: object = None, source: str = ""
    ) -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        self.value = value
        self.source = source
        shown = "" if value is None else f" {value!r}"
        origin = f" (from {source})" if source else ""
        super().__init__(f"{field}{shown}{origin} {problem}. {remedy}")


class InvalidInputError(MiniwdlAwsError):
    """The WDL source or its inputs cannot be run; the message names the place and the mend."""

    process_exit_code = 2


class AwsError(MiniwdlAwsError):
    """AWS refused a request, or could not be asked.

    Args:
        operation: the API operation, such as ``SubmitJob``.
        code: AWS's error code, or the exception's class name where nothing answered.
        detail: AWS's own message.
        resource: what the request was about, if one thing was.
        request_id: AWS's request id, if it answered.
    """

    advice: ClassVar[str] = ""

    def __init__(
        self, operation: str, code: str, detail: str, *, resource: str = "", request_id: str = ""
    ) -> None:
        self.operation = operation
        self.code = code
        self.detail = detail
        self.resource = resource
        self.request_id = request_id
        about = f" of {resource}" if resource else ""
        advice = f" {self.advice}" if self.advice else ""
        super().__init__(f"{operation}{about} failed: {code}: {detail.rstrip('.')}.{advice}")


class AwsCredentialsError(AwsError):
    """No credentials were found, or AWS does not accept them."""

    advice = (
        "Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name an Airflow "
        "connection with credentials, or attach a role to this machine."
    )


class AwsAccessDeniedError(AwsError):
    """The credentials lack a permission."""

    advice = "Grant the operation to the role or user in use."


class AwsNotFoundError(AwsError):
    """A named resource does not exist in this account and region."""

    advice = "Check its name, the region and the account."


class AwsThrottledError(AwsError):
    """AWS still refused for rate after all retries."""

    advice = "Other clients of the account may use up its request rate; try again later."


class AwsUnavailableError(AwsError):
    """The endpoint did not answer, or answered with a server error, after all retries."""

    advice = "Check the network and AWS_ENDPOINT_URL, and try again."


@dataclass(frozen=True, kw_only=True)
class JobFailure:
    """What is known of a job that failed, for messages and for decisions.

    Attributes:
        job_id: the Batch job id of the workflow job.
        job_name: its name.
        reason: Batch's own words (status reason and container reason).
        exit_code: the exit code of its container, if it ran.
        log_stream: its stream in the log group ``/aws/batch/job``.
        call: the run id of the failed call, such as ``call-align-3``.
        call_exit_code: the exit code of the failed call's command.
        call_job_id: the Batch job id of the failed call's task job.
        call_log_stream: the log stream of that task job.
        call_stderr: the last lines of the failed call's standard error.
        log_url: the console's address of the log stream.
    """

    job_id: str
    job_name: str = ""
    reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    call: str = ""
    call_exit_code: int | None = None
    call_job_id: str = ""
    call_log_stream: str = ""
    call_stderr: tuple[str, ...] = ()
    log_url: str = ""


class JobError(MiniwdlAwsError):
    """A job ended, and not well.

    Args:
        summary: one sentence that says what happened.
        failure: all that is known of it.
    """

    category: ClassVar[str] = "unknown"

    def __init__(self, summary: str, failure: JobFailure) -> None:
        self.summary = summary
        self.failure = failure
        super().__init__("\n".join([summary, *_failure_lines(failure)]))


def _failure_lines(failure: JobFailure) -> list[str]:
    rows = [
        ("failed call", failure.call),
        ("exit code", failure.call_exit_code),
        ("task job", failure.call_job_id),
        ("task log stream", failure.call_log_stream),
        ("workflow job", failure.job_id),
        ("reason", failure.reason),
        ("workflow job exit code", failure.exit_code),
        ("workflow log", failure.log_url or failure.log_stream),
    ]
    lines = [f"  {label}: {value}" for label, value in rows if value not in ("", None)]
    if failure.call_stderr:
        lines.append("  last lines of its standard error:")
        lines.extend(f"    {line}" for line in failure.call_stderr)
    return lines


class SpotInterruptedError(JobError):
    """The host of the job was reclaimed (EC2 spot or Fargate spot)."""

    category = "spot"


class InfrastructureError(JobError):
    """Mount, network interface, host or Docker failed the job before or while it ran."""

    category = "infrastructure"


class ImageError(JobError):
    """The image of the job cannot be pulled, or has not what it takes to run."""

    category = "image"


class OutOfMemoryError(JobError):
    """The job's container was killed for memory use."""

    category = "out_of_memory"


class CommandFailedError(JobError):
    """The command of a WDL task returned an exit code that does not mean success."""

    category = "command_failed"


class WorkflowError(JobError):
    """The workflow failed outside any command: its inputs, an expression, a missing output."""

    category = "workflow"


class JobTimeoutError(JobError):
    """An attempt of the job ran past its time-out."""

    category = "timeout"


class JobCancelledError(JobError):
    """Somebody cancelled or terminated the job."""

    category = "cancelled"


class JobLostError(JobError):
    """Batch no longer knows the job, or could not be asked about it for too long."""

    category = "lost"


JOB_ERRORS: dict[str, type[JobError]] = {
    error.category: error
    for error in (
        SpotInterruptedError,
        InfrastructureError,
        ImageError,
        OutOfMemoryError,
        CommandFailedError,
        WorkflowError,
        JobTimeoutError,
        JobCancelledError,
        JobLostError,
    )
}
"""The error class of each failure category; `failures.classify` names no other category."""


class PublicationError(MiniwdlAwsError):
    """Objects could not be published to S3, or what lies there does not match the files.

    Args:
        message: what happened, with the target.
        failed: the object keys that are not there or do not match.
    """

    def __init__(self, message: str, failed: tuple[str, ...] = ()) -> None:
        self.failed = failed
        super().__init__(message)


class StagingError(MiniwdlAwsError):
    """An input on S3 could not be brought to the shared file system.

    Args:
        uri: the input.
        problem: what is wrong, as a clause.
        remedy: what to do, as a sentence.
        category: ``missing``, ``denied``, ``archived``, ``changed``, ``damaged``, ``no space``,
            ``ended`` or ``failed``.
    """

    def __init__(self, uri: str, problem: str, *, remedy: str, category: str) -> None:
        self.uri = uri
        self.problem = problem
        self.remedy = remedy
        self.category = category
        super().__init__(f"{uri} {problem}. {remedy}")


class CleanupRefusedError(MiniwdlAwsError):
    """A directory may not be deleted: outside the run root, not ours, or not yet published."""
