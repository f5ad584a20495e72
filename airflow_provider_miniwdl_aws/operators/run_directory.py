"""Publishing and deleting run directories, by small jobs of the workflow image.

An Airflow worker mounts no shared file system, so a job on the workflow queue does the work.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_miniwdl_aws.failures import what_no_retry_can_mend
from airflow_provider_miniwdl_aws.operators.base import MiniwdlBatchOperator
from airflow_provider_miniwdl_aws.waiting import JobWaiter
from airflow_provider_miniwdl_aws.xcoms import outcome_value
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.settings import is_below, require

if TYPE_CHECKING:
    from airflow_provider_miniwdl_aws.identity import RunIdentity
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.outcome import Outcome
    from miniwdl_aws.plan import Plan
    from miniwdl_aws.settings import Layer, SubmitSettings


class _RunDirectoryOperator(JobWaiter, MiniwdlBatchOperator):
    """Runs a small job on a run directory, and waits for it."""

    purpose: str

    def __init__(
        self,
        *,
        run_dir: str,
        deferrable: bool = True,
        stream_log: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_dir = run_dir
        self.deferrable = deferrable
        self.stream_log = stream_log

    def execute(self, context: Any) -> Any:
        """Submit the job and wait for it.

        Returns:
            What it reported: ``job_id``, ``run_dir``, ``outputs``, ``published``,
            ``object_count`` and ``deleted``.
        """
        with what_no_retry_can_mend():
            hook = self.make_hook()
            submission = self.submit_job(context, hook)
        return self.wait_for_job(context, submission.job_id, hook)

    def make_plan(
        self,
        clients: "AwsClients",
        layers: Sequence["Layer"],
        environ: Mapping[str, str],
        identity: "RunIdentity",
    ) -> "Plan":
        """Check the settings and the run directory, and plan the job."""
        from miniwdl_aws.discover import discover  # noqa: PLC0415  (boto3 is not for parsing DAGs)
        from miniwdl_aws.plan import JobRequest, plan  # noqa: PLC0415  (as above)

        settings = discover(clients, layers, environ)
        _refuse_outside(self.run_dir, settings.dir)
        request = JobRequest(
            name=self.purpose,
            command=tuple(self.command(settings)),
            run_key=identity.run_key,
            generation=identity.generation,
            facts={"owner": self.owner},
        )
        return plan(settings, request)

    def command(self, settings: "SubmitSettings") -> list[str]:
        """Give the job's command."""
        raise NotImplementedError

    def result(self, job_id: str, outcome: "Outcome") -> Any:
        """Give all that the job reported."""
        return outcome_value(job_id, outcome)


class MiniwdlS3UploadOperator(_RunDirectoryOperator):
    """Publishes a run directory to S3, every object verified, ``outputs.json`` last.

    It may be repeated: what lies on S3 already, with the same content, is left there.

    Returns:
        A dictionary with ``published`` (the ``s3://`` URI of the folder), ``outputs`` (with S3
        URIs), ``object_count``, ``run_dir`` and ``job_id``.

    Args:
        run_dir: the run directory on the shared file system, such as
            ``{{ ti.xcom_pull('wait')['run_dir'] }}``.
        s3upload: where it is published; its name is appended unless this ends in a slash.
        deferrable: whether the triggerer waits; else this worker does.
        stream_log: whether the job's log is copied into the task's.
        kwargs: the arguments of `MiniwdlBatchOperator` and of Airflow's ``BaseOperator``.
    """

    template_fields: Sequence[str] = (
        "run_dir",
        "s3upload",
        *MiniwdlBatchOperator.template_fields,
    )
    purpose = "publish"

    def __init__(self, *, run_dir: str, s3upload: str | None = None, **kwargs: Any) -> None:
        super().__init__(run_dir=run_dir, **kwargs)
        self.s3upload = s3upload

    def command(self, settings: "SubmitSettings") -> list[str]:
        """Give the job's command."""
        target = settings.s3upload or require({}, "s3upload")
        return [
            "miniwdl-aws-publish", self.run_dir, "--s3upload", target, "--run-root", settings.dir
        ]  # fmt: skip


class MiniwdlEfsCleanupOperator(_RunDirectoryOperator):
    """Deletes a run directory, once everything in it has been published.

    Only directories below the run root that bear our marker are deleted, and only if
    ``outputs.json`` lies where the run was published, unless forced.

    Returns:
        A dictionary with ``deleted``, ``run_dir``, ``published`` and ``job_id``.

    Args:
        run_dir: the run directory on the shared file system, such as
            ``{{ ti.xcom_pull('wait')['run_dir'] }}``.
        published: the ``s3://`` URI of the folder where it was published, such as
            ``{{ ti.xcom_pull('upload')['published'] }}``.
        force: whether to delete it though it was not published, or not completely.
        deferrable: whether the triggerer waits; else this worker does.
        stream_log: whether the job's log is copied into the task's.
        kwargs: the arguments of `MiniwdlBatchOperator` and of Airflow's ``BaseOperator``.
    """

    template_fields: Sequence[str] = (
        "run_dir",
        "published",
        *MiniwdlBatchOperator.template_fields,
    )
    purpose = "cleanup"

    def __init__(
        self, *, run_dir: str, published: str | None = None, force: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(run_dir=run_dir, **kwargs)
        self.published = published
        self.force = force

    def command(self, settings: "SubmitSettings") -> list[str]:
        """Give the job's command."""
        command = ["miniwdl-aws-clean", self.run_dir]
        if self.published:
            command += ["--published", self.published]
        if self.force:
            command.append("--force")
        return [*command, "--run-root", settings.dir]


def _refuse_outside(run_dir: str, root: str) -> None:
    if not run_dir or not is_below(run_dir, root) or is_below(root, run_dir):
        raise ConfigurationError(
            "run_dir",
            f"is not below the run root {root}",
            value=run_dir,
            source="argument run_dir",
            remedy="Give the run directory that the workflow job reported, and the dir that it "
            "was submitted with.",
        )
