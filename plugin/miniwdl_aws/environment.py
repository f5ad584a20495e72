"""The one place that reads the process's environment."""

import os
from collections.abc import Mapping

PREFIX = "MINIWDL__"
"""Variables that configure miniwdl and travel into the workflow job."""


def process_environment() -> Mapping[str, str]:
    """Give a copy of the process's environment."""
    return dict(os.environ)


def current_job_id(environ: Mapping[str, str]) -> str | None:
    """Give the id of the Batch job that this process runs in, if it runs in one."""
    return environ.get("AWS_BATCH_JOB_ID") or None
