"""The submitter's variables: which pass into the workflow job, and which are in doubt."""

import difflib
import re
from collections.abc import Mapping

from miniwdl_aws.settings import SETTINGS

BACKEND_KEYS = (
    "region", "describe_period", "describe_share", "submit_period", "boto3_retries", "retry_wait",
    "infrastructure_retries", "oom_memory_factor", "oom_memory_cap", "job_timeout",
    "runnable_timeout", "job_tags", "owner", "propagate_tags", "task_policies", "job_role",
    "execution_role", "fargate_public_ip", "task_secrets", "shared_memory", "container_sync",
    "gpu_value", "container_properties", "memory_delta", "s3_download_threshold",
    "s3_download_concurrency", "s3_download_image", "s3_requester_pays", "submit_period_b",
    "submit_period_c",
)  # fmt: skip
"""Keys of the backend's section ``[aws]`` that are no settings of a submission."""

_BACKEND_VARIABLES = frozenset(f"MINIWDL__AWS__{key.upper()}" for key in BACKEND_KEYS)

_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)

_SECRET_VALUE = re.compile(
    r"""://[^/\s:@]+:[^/\s@]+@"""  # a URL with a password
    r"""|\bA(?:KIA|SIA)[0-9A-Z]{16}\b"""  # an access key's id
    r"""|"[^"]*(?:SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL)[^"]*"\s*:\s*"(?!arn:)""",  # in JSON
    re.IGNORECASE,
)


def speaks_of_secret(name: str, value: str = "") -> bool:
    """Tell whether a variable's name or value says that it holds a secret.

    Names of the backend's own keys say nothing: ``task_secrets`` holds references.

    >>> speaks_of_secret("MINIWDL__X__API_TOKEN")
    True
    >>> speaks_of_secret("MINIWDL__X__URL", "https://ada:pw@host/")
    True
    """
    by_name = name not in _BACKEND_VARIABLES and _SECRET.search(name)
    return bool(by_name or _SECRET_VALUE.search(value))


def travelling_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Choose the ``MINIWDL__*`` variables that pass into the workflow job as they are.

    Those that are settings of the submission do not: the job gets the merged value. Those that
    speak of a secret do not either: DescribeJobs shows a job's variables to many people.
    """
    settled = {name for setting in SETTINGS for name in setting.variables}
    return {
        name: value
        for name, value in sorted(environ.items())
        if name.startswith("MINIWDL__")
        and name not in settled
        and not speaks_of_secret(name, value)
    }


def doubtful_variables(environ: Mapping[str, str]) -> list[str]:
    """Say which ``MINIWDL__*`` variables nothing reads, or do not pass into the job, and why."""
    settled = {name for setting in SETTINGS for name in setting.variables}
    known = settled | _BACKEND_VARIABLES
    sentences = []
    for name, value in sorted(environ.items()):
        if name.startswith("MINIWDL__AWS__") and name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            sentences.append(f"environment variable {name} is not read by anything{hint}")
        if name.startswith("MINIWDL__") and name not in settled and speaks_of_secret(name, value):
            sentences.append(
                f"environment variable {name} is not passed into the job: it speaks of a secret, "
                "and a job's variables are readable for everyone who may describe it. Store it in "
                f"AWS Secrets Manager and pass --secret {name}=ARN"
            )
    return sentences
