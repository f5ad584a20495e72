"""The two backends that are compared, and how each is started as a workflow job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miniwdl_aws import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUNNER = "miniwdl-run-s3upload"
"""The program of a workflow job; both backends have one of this name."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

AS_SHIPPED = {
    "MINIWDL__SCHEDULER__CONTAINER_BACKEND": "aws_batch_job",
    "MINIWDL__SCHEDULER__TASK_CONCURRENCY": "80",
    "MINIWDL__TASK_RUNTIME__DEFAULTS": '{"docker": "ubuntu:20.04", "preemptible": 2}',
    "MINIWDL__CALL_CACHE__DIR": "/mnt/efs/miniwdl_run/_CACHE/call",
    "MINIWDL__CALL_CACHE__GET": "true",
    "MINIWDL__CALL_CACHE__PUT": "true",
    "MINIWDL__AWS__DESCRIBE_PERIOD": "1",
    "MINIWDL__AWS__SUBMIT_PERIOD": "1",
}
"""What the configuration file in the reference's container image sets, where it matters here; the
file is not part of its distribution. (The thread pool is named ``call_concurrency`` there, which
miniwdl still understands.)"""

TUNED = {
    **AS_SHIPPED,
    "MINIWDL__SCHEDULER__TASK_CONCURRENCY": "1000",
    "MINIWDL__AWS__SUBMIT_PERIOD": "0.02",
}
"""As many threads as tasks, and a pause that would allow 50 submissions a second."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A backend in an environment of its own.

    Attributes:
        name: what people call it.
        is_ours: whether it is the one that has targets.
        bin_dir: holds its ``miniwdl-run-s3upload``.
        environment: its configuration, as variables.
    """

    name: str
    is_ours: bool
    bin_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def runner(self) -> str:
        """The path of the program that a workflow job runs."""
        return str(self.bin_dir / RUNNER)

    def variables(self) -> dict[str, str]:
        """Give the variables of its workflow job: its configuration, its programs first."""
        return {**self.environment, "PATH": f"{self.bin_dir}:{SYSTEM_PATH}"}


def ours(bin_dir: Path) -> Peer:
    """Give the backend of this repository, with the configuration that its workflow job has.

    Args:
        bin_dir: where its programs are installed.
    """
    return Peer(name=f"miniwdl-aws {__version__} (ours)", is_ours=True, bin_dir=bin_dir)


def reference(bin_dir: Path, version: str, *, tuned: bool = False) -> Peer:
    """Give the reference backend.

    Args:
        bin_dir: where its programs are installed.
        version: its version.
        tuned: whether with more threads and a shorter pause than it is shipped with.
    """
    return Peer(
        name=f"miniwdl-aws {version}{' tuned' if tuned else ''}",
        is_ours=False,
        bin_dir=bin_dir,
        environment=TUNED if tuned else AS_SHIPPED,
    )
