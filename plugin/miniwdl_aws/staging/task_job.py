"""Large inputs are staged by a task job, in the image of the workflow job."""

import functools
import logging
import shlex
from typing import Any

from WDL._util import StructuredLogMessage as Message

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.environment import current_job_id, process_environment
from miniwdl_aws.errors import AwsError
from miniwdl_aws.staging.objects import Folder, S3Object
from miniwdl_aws.staging.stager import Stager

PROGRAM = "miniwdl-aws-stage"

DENIED_EXIT_CODE = 77
"""Of the program, if S3 lets it not read the input: the workflow job may be let to."""

_WDL = """
task stage_from_s3 {
  input {
    String line
    String docker
  }
  command <<<
    ~{line}
  >>>
  runtime {
    docker: docker
    returnCodes: [0, %d]
  }
}
"""


def task_of(
    stager: Stager,
    content: S3Object | Folder,
    logger: logging.Logger,
    uri: str,
    *,
    directory: bool,
) -> dict[str, Any] | None:
    """Plan the task that stages an input, as miniwdl takes it of a downloader.

    Returns:
        The task's WDL and inputs; None if the input is not large, or no image is known.
    """
    settings = stager.settings
    if not 0 < settings.threshold_bytes < content.size:
        return None
    image = settings.image or _own_image(stager.clients)
    if not image:
        logger.info(
            Message(
                "no image is known for a task job: staging in the workflow job",
                uri=uri,
                set="[aws] s3_download_image",
            )
        )
        return None
    line = command_line(stager, uri, directory=directory)
    return {"task_wdl": _WDL % DENIED_EXIT_CODE, "inputs": {"line": line, "docker": image}}


def command_line(stager: Stager, uri: str, *, directory: bool) -> str:
    """Write the command that does what the stager would do, for a shell."""
    settings = stager.settings
    words = [PROGRAM, "--cache", str(settings.cache), "--region", stager.clients.region]
    words += ["--concurrency", str(settings.concurrency)]
    words += ["--directory"] if directory else []
    words += ["--requester-pays"] if settings.requester_pays else []
    return shlex.join([*words, "--", uri])


@functools.lru_cache(maxsize=1)
def _own_image(clients: AwsClients) -> str:
    """Ask Batch for the image of this workflow job; empty if it cannot be known."""
    job_id = current_job_id(process_environment())
    if job_id is None:
        return ""
    try:
        with aws_errors("DescribeJobs", job_id):
            found = clients.batch.describe_jobs(jobs=[job_id])["jobs"]
    except AwsError:
        return ""
    return found[0].get("container", {}).get("image", "") if found else ""
