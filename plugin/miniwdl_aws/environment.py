"""The one place that reads the process's environment."""

import contextlib
import os
from collections.abc import Iterator, Mapping

MISLEADING = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
"""Variables that would turn a program away from the local AWS."""


def process_environment() -> Mapping[str, str]:
    """Give a copy of the process's environment."""
    return dict(os.environ)


def current_job_id(environ: Mapping[str, str]) -> str | None:
    """Give the id of the Batch job that this process runs in, if it runs in one."""
    return environ.get("AWS_BATCH_JOB_ID") or None


def current_attempt(environ: Mapping[str, str]) -> int:
    """Give which attempt of its Batch job this process is, from 1."""
    text = environ.get("AWS_BATCH_JOB_ATTEMPT", "")
    return int(text) if text.isdigit() else 1


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


def environment_for(base: Mapping[str, str], local: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command that is to use the local AWS and nothing else.

    Args:
        base: the environment that it would have.
        local: the local AWS's own variables, which win.
    """
    kept = {
        name: value
        for name, value in base.items()
        if name not in MISLEADING and not name.startswith("AWS_ENDPOINT_URL")
    }
    direct = [part for part in (kept.get("NO_PROXY", kept.get("no_proxy")), "127.0.0.1") if part]
    kept["NO_PROXY"] = kept["no_proxy"] = ",".join(direct)
    return {**kept, **local}
