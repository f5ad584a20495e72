"""Sending a plan: adopt the run that is there already, or submit it, once."""

import base64
import hashlib
import logging
from dataclasses import dataclass

from miniwdl_aws import names
from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsNotFoundError
from miniwdl_aws.jobs import find_jobs, terminate
from miniwdl_aws.plan import Plan, Upload
from miniwdl_aws.s3 import stat_object, write_object
from miniwdl_aws.status import JobStatus

_IDENTITY = (names.GENERATION_TAG, names.CONTENT_TAG)
"""The tags that the jobs of one run key differ by."""

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


def submit(clients: AwsClients, plan: Plan) -> Submission:
    """Make sure that one job runs a plan, or has run it successfully.

    A live or succeeded job of the same run key, generation and content is adopted. Another live
    job of the run key is terminated first, since a newer one was asked for on purpose.

    Raises:
        AwsError: AWS refused; no job was submitted.
    """
    adopted = adopt(clients, plan)
    if adopted is not None:
        return adopted
    if plan.upload is not None:
        _put_once(clients, plan.upload)
    _ensure_definition(clients, plan)
    with aws_errors("SubmitJob", plan.job["jobName"]):
        answer = clients.batch.submit_job(**plan.job)
    _log.info("submitted job %s (%s)", answer["jobId"], answer["jobName"])
    return Submission(job_id=answer["jobId"], job_name=answer["jobName"], adopted=False)


def adopt(clients: AwsClients, plan: Plan) -> Submission | None:
    """Find the job that a plan asks for, and end others of its run key.

    Returns:
        The newest job of the plan's run key, generation and content that lives or has succeeded.
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
    newest = max(adoptable, key=lambda status: status.created_at or 0)
    _log.info("adopted job %s (%s)", newest.job_id, newest.status)
    return Submission(job_id=newest.job_id, job_name=newest.job_name, adopted=True)


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
