"""How fast the local AWS is by itself: it must not be what a benchmark of clients measures."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.judgement import Row
from benchmarks.served import served
from miniwdl_aws.local.settings import TASK_QUEUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_batch import BatchClient

    from benchmarks.served import Served

DESCRIBED_AT_ONCE = 100
"""The most ids that a call takes (AWS Batch API, "DescribeJobs")."""

SUBMITTING_THREADS = 8
DESCRIBING_THREADS = 4
START_SECONDS = 300
POLL_SECONDS = 0.25

NUMBER = 12
CPU_SECONDS = 10.0
MEGABYTES = 300.0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much the local AWS is given to do.

    Attributes:
        jobs: how many jobs are submitted, at least as many as a call describes.
        concurrent: how many of them run at once; the others wait.
        calls: how many DescribeJobs calls are made, each of as many ids as a call takes.
    """

    jobs: int = 5000
    concurrent: int = 1000
    calls: int = 1000


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What the local AWS needed.

    Attributes:
        sizes: for how much.
        submissions_per_second: how many jobs were submitted a second, by one client.
        submit_cpu_ms: its CPU time for each submission and start, in milliseconds.
        start_seconds: from the last submission until all that may run at once did.
        describe_cpu_seconds: its CPU time for all DescribeJobs calls.
        describe_seconds: how long they took, the client's own work included.
        rss_megabytes: its resident memory with all jobs in it, in MB.
    """

    sizes: Sizes
    submissions_per_second: float
    submit_cpu_ms: float
    start_seconds: float
    describe_cpu_seconds: float
    describe_seconds: float
    rss_megabytes: float


def measure(sizes: Sizes) -> Speed:
    """Submit jobs, wait until as many as may run do, and describe them all again and again.

    Raises:
        BenchmarkError: a job is missing, or does not run.
    """
    options = ("--max-vcpus", str(sizes.concurrent), "--stop-timeout", "2", "--rates", "none")
    with served(*options) as aws:
        batch = aws.batch(SUBMITTING_THREADS)
        _register(batch)
        cpu, begun = aws.cpu_seconds(), time.monotonic()
        jobs = _submit(batch, sizes.jobs)
        submitted = time.monotonic()
        _await_running(batch, sizes.concurrent)
        running, used = time.monotonic(), aws.cpu_seconds() - cpu
        describe_cpu, describe_seconds = _describe(aws, batch, jobs, sizes.calls)
        return Speed(
            sizes=sizes,
            submissions_per_second=sizes.jobs / (submitted - begun),
            submit_cpu_ms=1000 * used / sizes.jobs,
            start_seconds=running - submitted,
            describe_cpu_seconds=describe_cpu,
            describe_seconds=describe_seconds,
            rss_megabytes=aws.rss_megabytes(),
        )


def rows(speed: Speed) -> list[Row]:
    """Set what was measured beside what is aimed for."""
    sizes = speed.sizes
    described = f"{sizes.calls:,} DescribeJobs of {DESCRIBED_AT_ONCE} ids among {sizes.jobs:,} jobs"
    return [
        _row(f"{described}: CPU s", speed.describe_cpu_seconds, CPU_SECONDS),
        _row(f"{described}: s, with the client's work", speed.describe_seconds),
        _row(f"{sizes.jobs:,} jobs in it: RSS MB", speed.rss_megabytes, MEGABYTES),
        _row(f"last submission to {sizes.concurrent:,} jobs running, s", speed.start_seconds),
        _row("jobs submitted a second, by one client", speed.submissions_per_second),
        _row("CPU ms a submission, with its start", speed.submit_cpu_ms),
    ]


def _row(measure: str, ours: float, target: float | None = None) -> Row:
    return Row(
        benchmark=NUMBER,
        measure=f"local AWS: {measure}",
        peer="none",
        theirs=None,
        ours=ours,
        target=target,
    )


def _register(batch: BatchClient) -> None:
    batch.register_job_definition(
        jobDefinitionName="rest",
        type="container",
        containerProperties={
            "image": "any",
            "command": ["sleep", "3600"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )


def _submit(batch: BatchClient, count: int) -> list[str]:
    def submit(index: int) -> str:
        name = f"rest-{index}"
        return batch.submit_job(jobName=name, jobQueue=TASK_QUEUE, jobDefinition="rest")["jobId"]

    with ThreadPoolExecutor(SUBMITTING_THREADS) as pool:
        return list(pool.map(submit, range(count)))


def _await_running(batch: BatchClient, count: int) -> None:
    pages = batch.get_paginator("list_jobs")
    deadline = time.monotonic() + START_SECONDS
    running = 0
    while running < count:
        if time.monotonic() > deadline:
            raise BenchmarkError(
                f"local AWS: {running} of {count} jobs ran at once after {START_SECONDS} s"
            )
        time.sleep(POLL_SECONDS)
        found = pages.paginate(jobQueue=TASK_QUEUE, jobStatus="RUNNING")
        running = sum(len(page["jobSummaryList"]) for page in found)


def _describe(
    aws: Served, batch: BatchClient, jobs: Sequence[str], calls: int
) -> tuple[float, float]:
    """Describe stretches of the jobs, one after the other and around again.

    Returns:
        The CPU time of the local AWS, and how long it took, in seconds.
    """

    def describe(index: int) -> int:
        first = index * DESCRIBED_AT_ONCE
        ids = [jobs[(first + each) % len(jobs)] for each in range(DESCRIBED_AT_ONCE)]
        return len(batch.describe_jobs(jobs=ids)["jobs"])

    cpu, begun = aws.cpu_seconds(), time.monotonic()
    with ThreadPoolExecutor(DESCRIBING_THREADS) as pool:
        found = set(pool.map(describe, range(calls)))
    if found != {DESCRIBED_AT_ONCE}:
        raise BenchmarkError(f"local AWS: DescribeJobs left out some of its own jobs: {found}")
    return aws.cpu_seconds() - cpu, time.monotonic() - begun
