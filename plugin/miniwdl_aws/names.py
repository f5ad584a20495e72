"""Names and tags that AWS Batch accepts, and the keys by which we find our jobs again."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

MAX_JOB_NAME = 128
"""Letters, digits, hyphens and underscores, the first alphanumeric (Batch API, "SubmitJob")."""

MAX_TAG_VALUE = 256
"""Characters of a tag's value (AWS Batch user guide, "Tag your AWS Batch resources")."""

TASK_DEFINITIONS = "miniwdl-task-"
"""How the names of task jobs' definitions begin; the hash of their content follows."""

PARENT_TAG = "AWS_BATCH_PARENT_JOB_ID"
"""On a task job: the id of the workflow job that submitted it."""

EARLIER_TAG = "miniwdl-aws:earlier-jobs"
"""On a workflow job that took over a run: the ids of the workflow jobs that had it before, whose
task jobs it may have adopted; separated by spaces, the latest first, as many as a tag holds."""

RUN_KEY_TAG = "miniwdl-aws:run-key"
"""On a workflow job: what it runs for, whatever the generation."""

GENERATION_TAG = "miniwdl-aws:generation"
"""On a workflow job: which of the deliberate repetitions of its run key it is."""

CONTENT_TAG = "miniwdl-aws:content"
"""On a workflow job: the hash of what it runs, so that another run is not taken for it."""

_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_TAG = re.compile(r"[^\w\s+\-=.:/@]", re.UNICODE)


def job_name(*parts: str, limit: int = MAX_JOB_NAME) -> str:
    """Join parts with hyphens into a legal job name; the first parts are cut if it is too long.

    >>> job_name("call-align 3", "a1b2")
    'call-align_3-a1b2'
    """
    cleaned = [_NOT_NAME.sub("_", part).strip("_-") for part in parts]
    kept = [part for part in cleaned if part] or ["job"]
    tail = "".join(f"-{part}" for part in kept[1:])
    head = kept[0][: max(1, limit - len(tail))]
    return f"{head}{tail}"[:limit]


def short_hash(value: str, length: int = 10) -> str:
    """Give the first hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(value.encode()).hexdigest()[:length]


def content_hash(content: Mapping[str, Any]) -> str:
    """Give a hash of a JSON value that does not depend on the order of its keys (16 digits)."""
    return short_hash(json.dumps(content, sort_keys=True, separators=(",", ":")), 16)


def run_key_prefix(run_key: str) -> str:
    """Begin the name of every job of a run key, so that ListJobs finds them by name."""
    return f"mw-{short_hash(run_key)}-"


def task_job_prefix(parent_job_id: str) -> str:
    """Begin the name of every task job of a workflow job, so that ListJobs finds them by name.

    >>> task_job_prefix("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
    't-0f1e2d3c4b5a-'
    """
    return f"t-{parent_job_id.replace('-', '')[:12]}-"


def tag_value(value: object) -> str:
    """Make any value a legal tag value of at most 256 characters."""
    return _NOT_TAG.sub("_", str(value))[:MAX_TAG_VALUE]
