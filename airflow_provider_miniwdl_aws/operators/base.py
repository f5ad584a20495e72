"""What all operators share that submit a job to the workflow queue."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_miniwdl_aws.connected import ConnectedTask
from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import DEFAULT_CONNECTION, MiniwdlAwsHook
from airflow_provider_miniwdl_aws.identity import RunIdentity, identify
from airflow_provider_miniwdl_aws.links.aws import LINKS
from airflow_provider_miniwdl_aws.waiting import KILL_SECONDS
from miniwdl_aws.settings import SETTINGS, Layer, arguments_layer, environment_layer

if TYPE_CHECKING:
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.plan import Plan
    from miniwdl_aws.submit import Submission


class MiniwdlBatchOperator(ConnectedTask, BaseOperator):
    """Submits a job to the workflow queue, once for each time that somebody asks for it.

    Every setting can also stand in the environment, in the connection or in the tags of the
    workflow queue; an argument comes before all of them. None means that it stands elsewhere.

    Args:
        workflow_queue: the job queue of the job (Fargate).
        task_queue: the job queue of the workflow's task jobs.
        fsap: the EFS access point that all jobs mount, ``fsap-…``.
        efs: whether the shared file system is EFS; False where the hosts of EC2 compute
            environments mount another one.
        mount: where they mount it.
        dir: the folder of run directories, below ``mount``.
        workflow_role: the ARN of the job's role.
        image: the workflow image.
        cpu: vCPUs of the job.
        memory_gib: its memory in GiB; with ``cpu`` a pair that Fargate has.
        public_ip: whether the job gets a public address (needed in subnets without NAT).
        job_timeout_seconds: the time-out of each attempt of the job, 60 s to 14 days.
        workflow_attempts: how often the job is begun when its host fails.
        secrets: variables of the job by the ARNs of their values, in AWS Secrets Manager or SSM.
        tags: cost tags of the job and its task jobs, beside our own; ``{run}``, ``{workflow}``,
            ``{sample}`` and ``{owner}`` in their values stand for this run's.
        miniwdl_conn_id: the connection of type ``miniwdl_aws``; the default one may be missing.
        aws_conn_id: amazon's connection with the credentials; boto3's default chain if neither
            this nor the connection names one.
        region_name: the region; else the connection's, else boto3's.
    """

    template_fields: Sequence[str] = (
        "workflow_queue",
        "task_queue",
        "fsap",
        "efs",
        "mount",
        "dir",
        "workflow_role",
        "image",
        "cpu",
        "memory_gib",
        "public_ip",
        "job_timeout_seconds",
        "workflow_attempts",
        "secrets",
        "tags",
        "miniwdl_conn_id",
        "aws_conn_id",
        "region_name",
    )
    operator_extra_links = LINKS
    ui_color = "#dceaf7"

    _planned: "tuple[AwsClients, Plan, str] | None" = None
    _killed = False

    def __init__(  # noqa: PLR0913  (Airflow templates and maps constructor arguments one by one)
        self,
        *,
        workflow_queue: str | None = None,
        task_queue: str | None = None,
        fsap: str | None = None,
        efs: bool | str | None = None,
        mount: str | None = None,
        dir: str | None = None,  # noqa: A002  (the setting's name, as in miniwdl's --dir)
        workflow_role: str | None = None,
        image: str | None = None,
        cpu: float | str | None = None,
        memory_gib: float | str | None = None,
        public_ip: bool | str | None = None,
        job_timeout_seconds: int | str | None = None,
        workflow_attempts: int | str | None = None,
        secrets: Mapping[str, str] | str | None = None,
        tags: Mapping[str, str] | str | None = None,
        miniwdl_conn_id: str | None = DEFAULT_CONNECTION,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow_queue = workflow_queue
        self.task_queue = task_queue
        self.fsap = fsap
        self.efs = efs
        self.mount = mount
        self.dir = dir
        self.workflow_role = workflow_role
        self.image = image
        self.cpu = cpu
        self.memory_gib = memory_gib
        self.public_ip = public_ip
        self.job_timeout_seconds = job_timeout_seconds
        self.workflow_attempts = workflow_attempts
        self.secrets = secrets
        self.tags = tags
        self.miniwdl_conn_id = miniwdl_conn_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def make_plan(
        self,
        clients: "AwsClients",
        layers: Sequence[Layer],
        environ: Mapping[str, str],
        identity: RunIdentity,
    ) -> "Plan":
        """Check everything that can be checked before the job is submitted, and plan it."""
        raise NotImplementedError

    def submit_job(self, context: Mapping[str, Any], hook: MiniwdlAwsHook) -> "Submission":
        """Submit the job, or adopt the one that an earlier try submitted.

        Raises:
            ConfigurationError: a setting is missing, wrong, or names what does not exist.
            InvalidInputError: the WDL source or the inputs cannot be run.
            AwsError: AWS refused; no job was submitted.
        """
        from miniwdl_aws.environment import (  # noqa: PLC0415  (boto3 is not for parsing DAGs)
            process_environment,
        )
        from miniwdl_aws.submit import submit  # noqa: PLC0415  (as above)
        from miniwdl_aws.variables import doubtful_variables  # noqa: PLC0415  (as above)

        identity = identify(context)
        environ = process_environment()
        for sentence in [*doubtful_variables(environ), *hook.unknown_extra()]:
            self.log.warning("%s", sentence)
        layers = [self._arguments(), environment_layer(environ), hook.connection_layer()]
        plan = self.make_plan(hook.clients, layers, environ, identity)
        self._planned = (hook.clients, plan, identity.owner)
        submission = submit(hook.clients, plan)
        self.log.info(
            "job %s is for run key %s, generation %s",
            submission.job_id,
            plan.run_key,
            plan.generation,
        )
        if self._killed:
            self._end(submission.job_id)
        return submission

    def on_kill(self) -> None:
        """End the job that this try has submitted, even if its id is not known yet.

        Airflow calls this in the middle of whatever `submit_job` does. Batch may list the job
        already; if it does not, `submit_job` ends it as soon as SubmitJob has answered.
        """
        from miniwdl_aws.submit import adopt  # noqa: PLC0415  (as above)

        self._killed = True
        if self._planned is not None:
            found = adopt(*self._planned[:2])
            if found is not None:
                self._end(found.job_id)

    def _end(self, job_id: str) -> None:
        from miniwdl_aws.cancel import cancel_run  # noqa: PLC0415  (as above)

        if self._planned is not None:
            clients, _, owner = self._planned
            self.log.info("ending job %s and its task jobs", job_id)
            cancel_run(clients, job_id, f"{owner} was killed", wait_seconds=KILL_SECONDS)

    def _arguments(self) -> Layer:
        return arguments_layer({each.name: getattr(self, each.name, None) for each in SETTINGS})
