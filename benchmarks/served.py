"""A local AWS in a process of its own, whose CPU time and memory can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import psutil
from botocore.config import Config

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_batch import BatchClient

END_SECONDS = 120
"""What the end of all of its jobs may take."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A local AWS that serves.

    Attributes:
        process: its process; the process that starts jobs is its child, the jobs are that one's.
        environment: what leads to it.
    """

    process: psutil.Process
    environment: Mapping[str, str]

    def cpu_seconds(self) -> float:
        """Give the CPU time that it has used so far, user and system, without that of jobs."""
        times = (each.cpu_times() for each in (self.process, *self.process.children()))
        return sum(each.user + each.system for each in times)

    def rss_megabytes(self) -> float:
        """Give its resident memory at this moment, in MB, without that of jobs."""
        each = (process.memory_info().rss for process in (self.process, *self.process.children()))
        return sum(each) / 1e6

    def batch(self, connections: int) -> BatchClient:
        """Make a client of AWS Batch.

        Args:
            connections: how many threads use it.
        """
        return boto3.client(
            "batch",
            region_name=self.environment["AWS_REGION"],
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(max_pool_connections=connections),
        )


@contextmanager
def served(*options: str) -> Iterator[Served]:
    """Start ``miniwdl-aws-local`` for the length of the block.

    Args:
        options: of its command line.

    Raises:
        BenchmarkError: it does not start, or does not end.
    """
    command = [sys.executable, "-m", "miniwdl_aws.local", "--json", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            yield Served(process=psutil.Process(program.pid), environment=_environment(program))
        finally:
            _end(program)


def _environment(program: subprocess.Popen[str]) -> dict[str, Any]:
    line = program.stdout.readline() if program.stdout else ""
    if not line:
        raise BenchmarkError(f"the local AWS did not start: {program.communicate()[1]}")
    environment: dict[str, Any] = json.loads(line)
    return environment


def _end(program: subprocess.Popen[str]) -> None:
    program.terminate()
    try:
        program.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        raise BenchmarkError(f"the local AWS did not end within {END_SECONDS} s") from None
