"""The one place that reads the process's environment."""

import contextlib
import os
from collections.abc import Iterator, Mapping


def process_environment() -> Mapping[str, str]:
    """Give a copy of the process's environment."""
    return dict(os.environ)


def current_job_id(environ: Mapping[str, str]) -> str | None:
    """Give the id of the Batch job that this process runs in, if it runs in one."""
    return environ.get("AWS_BATCH_JOB_ID") or None


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Take variables out of the process's environment for the length of the block."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def forget(*names: str) -> None:
    """Take variables out of the process's environment for good."""
    for name in names:
        os.environ.pop(name, None)
