"""Sending a plan: adopt the run that is there already, or submit it, once."""

import base64
import dataclasses
import hashlib
import logging
from dataclasses import dataclass

from miniwdl_aws import names
from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsNotFoundError
from miniwdl_aws.jobs import find_jobs, terminate
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.plan import Plan, Upload
from miniwdl_aws.retry import Retry
from miniwdl_aws.s3 import stat_object, write_object
from miniwdl_aws.status import JobStatus

_IDENTITY = (names.GENERATION_TAG, names.CONTENT_TAG)
"""The tags that the jobs of one run key differ by."""

SUBMIT_RATE = 48.0
"""SubmitJob requests a second; an account has 50 (AWS Batch user guide, "Service quotas")."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job that does what was asked for.

    Attributes:
        job_id: its Batch id.
        job_name: its name.
        adopted: whether it was there before.
    """

    job_id: str
    job_name: str
    adopted: bool


def submit(clients: AwsClients, plan: Plan, retry: Retry | None = None) -> Submission:
    """Make sure that one job runs a plan, or has run it successfully.

    A live or succeeded job of the same run key, generation and content is adopted. Another live
    job of the run key is terminated first, since a newer one was asked for on purpose.

    Args:
        clients: where AWS is.
        plan: what to submit.
        retry: how SubmitJob is tried; at the account's rate, five times, if not given.

    Raises:
        AwsError: AWS refused; no job was submitted. If it did not answer (`AwsUnavailableError`),
            a job may have been made; submitting the same plan again adopts it then.
    """
    adopted = adopt(clients, plan)
    if adopted is not None:
        return adopted
    if plan.upload is not None:
        _put_once(clients, plan.upload)
    _ensure_definition(clients, plan)
    submission = _submit_once(clients, plan, retry or Retry(pacer=Pacer(SUBMIT_RATE)))
    _log.info("submitted job %s (%s)", submission.job_id, submission.job_name)
    return submission


def _submit_once(clients: AwsClients, plan: Plan, retry: Retry) -> Submission:
    """Send SubmitJob, which has no client token, such that it makes one job.

    After a failure that leaves open whether the job was made, it is looked for by its run key
    before the request is sent again.
    """

    def send() -> Submission:
        with aws_errors("SubmitJob", plan.job["jobName"]):
            answer = clients.batch_once.submit_job(**plan.job)
        return Submission(job_id=answer["jobId"], job_name=answer["jobName"], adopted=False)

    def look() -> Submission | None:
        found = adopt(clients, plan)
        return dataclasses.replace(found, adopted=False) if found else None

    return retry.call(send, before_retry=look)


def adopt(clients: AwsClients, plan: Plan) -> Submission | None:
    """Find the job that a plan asks for, and end others of its run key.

    Returns:
        The oldest job of the plan's run key, generation and content that lives or has succeeded:
        should there be two, that is the one whose head has the run directory.
    """
    adoptable: list[JobStatus] = []
    for status in jobs_of_run_key(clients, plan.job["jobQueue"], plan.run_key):
        same = all(status.tags.get(tag) == plan.job["tags"][tag] for tag in _IDENTITY)
        ending = status.is_terminated or status.is_cancelled
        if same and not ending and (status.succeeded or not status.is_terminal):
            adoptable.append(status)
        elif not same and not status.is_terminal:
            terminate(clients, status.job_id, _superseded(plan))
    if not adoptable:
        return None
    oldest = min(adoptable, key=lambda status: status.created_at or 0)
    _log.info("adopted job %s (%s)", oldest.job_id, oldest.status)
    return Submission(job_id=oldest.job_id, job_name=oldest.job_name, adopted=True)


def _superseded(plan: Plan) -> str:
    return f"superseded by generation {plan.generation} of the same run key"


def jobs_of_run_key(clients: AwsClients, queue: str, run_key: str) -> list[JobStatus]:
    """Find all jobs that Batch still knows of a run key, in any status."""
    return [
        status
        for status in find_jobs(clients, queue, names.run_key_prefix(run_key))
        if status.tags.get(names.RUN_KEY_TAG) == names.tag_value(run_key)
    ]


def _ensure_definition(clients: AwsClients, plan: Plan) -> None:
    name = plan.job_definition["jobDefinitionName"]
    with aws_errors("DescribeJobDefinitions", name):
        answer = clients.batch.describe_job_definitions(
            jobDefinitionName=name, status="ACTIVE", maxResults=1
        )
    if answer["jobDefinitions"]:
        return
    with aws_errors("RegisterJobDefinition", name):
        clients.batch.register_job_definition(**plan.job_definition)
    _log.info("registered job definition %s", name)


def _put_once(clients: AwsClients, upload: Upload) -> None:
    """Put a content-addressed object unless it is there, and holds what its name says.

    One that was damaged would fail this run and all later ones of the same content.
    """
    checksum = base64.b64encode(hashlib.sha256(upload.content).digest()).decode()
    try:
        there = stat_object(clients, upload.bucket, upload.key)
    except AwsNotFoundError:
        there = {}
    if there.get("ChecksumSHA256") != checksum:
        write_object(clients, upload.bucket, upload.key, upload.content)
