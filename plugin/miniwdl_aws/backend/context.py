"""What all tasks of a process share."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miniwdl_aws.backend.details import LateDetails
from miniwdl_aws.backend.events import Backstop
from miniwdl_aws.backend.jobs import Definitions
from miniwdl_aws.backend.journal import Journal
from miniwdl_aws.backend.queues import Queues
from miniwdl_aws.backend.sentinel import SignWatcher
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.backend.starting import Patience, StartWatch
from miniwdl_aws.backend.waiting import TerminationWatch
from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.describer import Cadence, Describer, batch_describe_jobs
from miniwdl_aws.environment import current_job_id
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.heads import place_of
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.plan import RUN_KEY_VARIABLE
from miniwdl_aws.retry import Retry

SUBMIT_BURST = 50.0
"""SubmitJob requests that may go at once (AWS Batch user guide, "Service quotas")."""

SUBMIT_REST_SECONDS = 0.25
"""How long tasks that have to wait for their SubmitJob request wait at the least: twelve then go
one after another, in less CPU time than if the process woke for each."""

ACCOUNT_RATE = 50.0
"""Requests a second that an account has for an operation of AWS Batch. Documented for SubmitJob
(AWS Batch user guide, "Service quotas"); DescribeJobs is taken to have as many."""

BACKSTOP_PERIODS = (20.0, 60.0)
"""After how many describe periods Batch is asked of a job that gives no sign, first and later."""

CONTROL_RATE = 48.0
"""Other requests a second, most of them TerminateJob when a run is ended: as many as SubmitJob."""


@dataclass(frozen=True, kw_only=True)
class BackendContext:
    """What all tasks of a process share.

    Attributes:
        settings: the backend's settings, with the file system filled in.
        clients: the AWS clients, which do not retry by themselves.
        definitions: the job definitions known so far.
        submitting: how SubmitJob is tried.
        controlling: how other requests are tried.
        describer: asks Batch about all jobs.
        details: completes what is known of jobs that have succeeded.
        signs: sees what the jobs' own shells tell.
        journal: which call has which job.
        watch: sees termination.
        parent_job_id: the workflow job that this process runs in, if it does.
        run_key: what that job runs for; empty if it was not submitted by this package.
        queues: what is known of the job queues.
        starts: looks after jobs that do not start.
    """

    settings: BackendSettings
    clients: AwsClients
    definitions: Definitions
    submitting: Retry
    controlling: Retry
    describer: Describer
    details: LateDetails
    signs: SignWatcher
    journal: Journal
    watch: TerminationWatch
    parent_job_id: str | None
    run_key: str
    queues: Queues
    starts: StartWatch

    @property
    def has_fargate(self) -> bool:
        """Whether tasks may come to run on Fargate."""
        return any(self.queues.queue(name).fargate for name in self.settings.queues)


def open_context(
    settings: BackendSettings, environ: Mapping[str, str], clients: AwsClients | None = None
) -> BackendContext:
    """Make what all tasks share.

    Args:
        settings: the backend's settings.
        environ: the process's environment.
        clients: the AWS clients, if not the default ones.

    Raises:
        ConfigurationError: the access point or a job queue does not exist, no region is set, or a
            queue is on Fargate and the settings are not for it.
    """
    clients = clients or AwsClients(region=settings.region or None, max_attempts=1)
    controlling = Retry(pacer=Pacer(CONTROL_RATE, SUBMIT_BURST), max_attempts=settings.max_attempts)
    queues = Queues(clients, controlling)
    queues.load(settings.queues)
    _check_fargate(settings, queues)
    watch = TerminationWatch()
    submitting = Retry(
        pacer=Pacer(
            settings.submit_rate,
            _burst(settings.submit_rate),
            rest_seconds=SUBMIT_REST_SECONDS,
            sleep=watch.noticed.wait,
        ),
        max_attempts=settings.max_attempts,
        sleep=watch.noticed.wait,
    )
    describer = _describer(settings, clients)
    return BackendContext(
        settings=_with_file_system(settings, clients, controlling),
        clients=clients,
        definitions=Definitions(clients, controlling),
        submitting=submitting,
        controlling=controlling,
        describer=describer,
        details=LateDetails(describer),
        signs=SignWatcher(),
        journal=Journal(place=place_of(environ)),
        watch=watch,
        parent_job_id=current_job_id(environ),
        run_key=environ.get(RUN_KEY_VARIABLE, ""),
        queues=queues,
        starts=StartWatch(
            clients,
            queues,
            controlling,
            describer.press,
            Patience.of(settings.runnable_timeout_seconds),
        ),
    )


def _describer(settings: BackendSettings, clients: AwsClients) -> Describer:
    period = settings.describe_period_seconds
    cadence = Cadence(
        period_seconds=period, calls_per_second=settings.describe_share * ACCOUNT_RATE
    )
    first, later = BACKSTOP_PERIODS
    patience = Backstop(first_seconds=first * period, later_seconds=later * period)
    return Describer(batch_describe_jobs(clients), cadence, patience=patience)


def _check_fargate(settings: BackendSettings, queues: Queues) -> None:
    """Refuse at the start what would be refused for every task on a queue."""
    for name, option in settings.queues.items():
        if not queues.queue(name).fargate:
            continue
        if not settings.efs:
            raise ConfigurationError(
                option,
                "is on Fargate, which has no directories of hosts",
                value=name,
                remedy="Name a queue on EC2, or use the container backend aws_batch_job with EFS.",
            )
        if not settings.may_have_execution_role:
            raise ConfigurationError(
                option,
                "is on Fargate, which needs an execution role",
                value=name,
                remedy="Set [aws] execution_role (MINIWDL__AWS__EXECUTION_ROLE) to the ARN of a "
                "role that may pull images and write logs.",
            )


def _burst(rate: float) -> float:
    return max(1.0, min(SUBMIT_BURST, rate))


def _with_file_system(
    settings: BackendSettings, clients: AwsClients, retry: Retry
) -> BackendSettings:
    if settings.fs or not settings.efs:
        return settings
    found = retry.call(functools.partial(_describe_access_point, clients, settings.fsap))
    if not found:
        raise ConfigurationError(
            "[aws] fsap",
            f"does not exist in {clients.region}",
            value=settings.fsap,
            source="miniwdl's configuration file, or the variable MINIWDL__AWS__FSAP",
            remedy="Set it to an EFS access point of this region.",
        )
    return dataclasses.replace(settings, fs=found[0]["FileSystemId"])


def _describe_access_point(clients: AwsClients, access_point: str) -> list[Any]:
    with aws_errors("DescribeAccessPoints", access_point):
        answer = clients.efs.describe_access_points(AccessPointId=access_point)
    return list(answer["AccessPoints"])
