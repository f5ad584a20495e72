"""The emulated AWS of one run, and a workflow job on it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks import head
from benchmarks.errors import BenchmarkError
from benchmarks.results import CrowdResult, RunResult, difference
from miniwdl_aws.local.local_aws import LocalAws
from miniwdl_aws.local.settings import TASK_QUEUE, WORKFLOW_QUEUE, LocalAwsSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_batch import BatchClient

    from benchmarks.peers import Peer
    from benchmarks.settings import BenchmarkSettings
    from benchmarks.workloads import Workload

MOUNT = "/mnt/efs"
MEMORY = Path("/dev/shm")  # noqa: S108  (a directory in it, made for this process alone)
MEMORY_BYTES = 2**30
"""The run directory of 1,000 tasks of ours takes 53 MiB."""

POLL_SECONDS = 0.25
TAIL_LINES = 30

HEAD_RESOURCES = ({"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "16384"})
"""A pair that Fargate has (AWS Batch API, "ResourceRequirement"); enough for either head."""

SERVER_THREADS = 128
"""Requests that are answered at once: a burst must not wait for another call's latency."""

FARGATE_LAUNCHES = 20.0
CROWD_SECONDS = 3600.0

ENDED = {"SUCCEEDED", "FAILED"}


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Time, for waiting.

    Attributes:
        now: a monotonic clock in seconds.
        sleep: what waits, in seconds.
        stopped: whether to give up.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    stopped: Callable[[], bool] = lambda: False


class Cloud:
    """An AWS that answers at a given pace.

    Args:
        aws: the local AWS, which runs.
        settings: how it was set up.
    """

    def __init__(self, aws: LocalAws, settings: BenchmarkSettings) -> None:
        self._aws = aws
        self._settings = settings
        names = {key: value for key, value in aws.environment.items() if key.startswith("AWS_")}
        self._batch: BatchClient = boto3.client(
            "batch",
            region_name=aws.region,
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=names["AWS_SECRET_ACCESS_KEY"],
        )

    def run(self, peer: Peer, workload: Workload, clock: Clock | None = None) -> RunResult:
        """Run a workload on a backend, as a workflow job.

        Args:
            peer: the backend.
            workload: what is run.
            clock: the time.

        Raises:
            BenchmarkError: the run failed, was stopped, took too long, or had other outputs or
                jobs than it should.
        """
        folder = self._lay_out(workload)
        job_id = self._submit(peer, workload, folder)
        before = self._aws.counters()
        self._wait(job_id, workload, folder, clock or Clock())
        after = self._aws.counters()
        usage = self._usage(peer, workload, folder)
        jobs = self._jobs(peer, workload)
        return RunResult(
            peer=peer.name,
            is_ours=peer.is_ours,
            workload=workload.name,
            task_count=workload.task_count,
            rounds=workload.rounds,
            job_seconds=workload.job_seconds(self._settings.start_delay_seconds),
            usage=usage,
            calls=difference(after["calls"], before["calls"]),
            throttled=difference(after["throttled"], before["throttled"]),
            submitted_at=[job["createdAt"] for job in jobs],
            stopped_at=[job["stoppedAt"] for job in jobs],
        )

    def crowd(
        self, peer: Peer, workloads: Sequence[Workload], clock: Clock | None = None
    ) -> CrowdResult:
        """Run many workloads at once, each as a workflow job of its own.

        They are submitted at the rate at which Fargate launches (20 a second: Amazon ECS developer
        guide, "Fargate throttling quotas"), and these submissions are not counted.

        Args:
            peer: the backend.
            workloads: what they run; no two of them may have a call that is the same, since the one
                that comes later would find it in the call cache.
            clock: the time.

        Raises:
            BenchmarkError: they took too long, were stopped, or succeeded with fewer task jobs than
                they have tasks.
        """
        time_ = clock or Clock()
        before, begun = self._aws.counters(), time_.now()
        jobs = {}
        for number, workload in enumerate(workloads):
            folder = self._lay_out(workload, f"benchmark{number}")
            jobs[self._submit(peer, workload, folder)] = (workload, folder)
            time_.sleep(1 / FARGATE_LAUNCHES)
        for job_id, (workload, folder) in jobs.items():
            self._wait(job_id, workload, folder, time_, limit=CROWD_SECONDS)
        after = self._aws.counters()
        own = {"SubmitJob": len(jobs), "RegisterJobDefinition": len(jobs)}
        calls = difference(difference(after["calls"], before["calls"]), own)
        ended = [json.loads((each / head.USAGE).read_text()) for _, each in jobs.values()]
        succeeded = sum(each["exit_code"] == 0 for each in ended)
        submitted, tasks = calls.get("SubmitJob", 0), sum(each.task_count for each in workloads)
        if succeeded == len(jobs) and submitted < tasks:
            raise BenchmarkError(f"{peer.name}: {submitted} task jobs for {tasks} tasks")
        return CrowdResult(
            peer=peer.name,
            is_ours=peer.is_ours,
            count=len(jobs),
            succeeded=succeeded,
            seconds=time_.now() - begun,
            calls=calls,
            throttled=difference(after["throttled"], before["throttled"]),
        )

    def _lay_out(self, workload: Workload, name: str = "benchmark") -> Path:
        """Put the workflow where the workflow job sees it; gives the folder on this machine."""
        folder = self._aws.efs_dir / name
        folder.mkdir(mode=0o777)
        (folder / "workflow.wdl").write_text(workload.wdl)
        return folder

    def _submit(self, peer: Peer, workload: Workload, folder: Path) -> str:
        seen = f"{MOUNT}/{folder.name}"
        command = [sys.executable, str(Path(head.__file__).resolve()), seen, peer.runner]
        command += [f"{seen}/workflow.wdl", *workload.arguments(), "--dir", f"{MOUNT}/miniwdl_run"]
        self._batch.register_job_definition(**head_definition("benchmark", self._aws))
        environment = {**self._variables(), **peer.variables()}
        job = self._batch.submit_job(
            jobName=workload.name,
            jobQueue=WORKFLOW_QUEUE,
            jobDefinition="benchmark",
            containerOverrides={
                "command": command,
                "environment": [{"name": k, "value": v} for k, v in environment.items()],
            },
        )
        return job["jobId"]

    def _variables(self) -> dict[str, str]:
        """What a submission tells the workflow job of where it is."""
        return {
            "MINIWDL__FILE_IO__ROOT": MOUNT,
            "MINIWDL__AWS__TASK_QUEUE": TASK_QUEUE,
            "MINIWDL__AWS__FS": self._aws.file_system_id,
            "MINIWDL__AWS__FSAP": self._aws.access_point_id,
        }

    def _wait(
        self,
        job_id: str,
        workload: Workload,
        folder: Path,
        clock: Clock,
        limit: float | None = None,
    ) -> None:
        """Wait for the workflow job without a call of AWS: only the head's are counted."""
        limit = limit or self._limit(workload)
        deadline = clock.now() + limit
        while (status := self._status(job_id)) not in ENDED:
            if clock.now() > deadline:
                raise BenchmarkError(
                    f"the workflow job was still {status} after {limit:.0f} s\n{_tail(folder)}"
                )
            if clock.stopped():
                raise BenchmarkError(f"{workload.name}: stopped before its end")
            clock.sleep(POLL_SECONDS)

    def _limit(self, workload: Workload) -> float:
        """Give ten times what one submission a second takes, and five minutes."""
        return (
            300
            + workload.job_seconds(self._settings.start_delay_seconds)
            + (10.0 * workload.task_count)
        )

    def _status(self, job_id: str) -> str:
        history = self._aws.job_history(job_id)
        return history[-1][0] if history else "SUBMITTED"

    def _usage(self, peer: Peer, workload: Workload, folder: Path) -> head.Usage:
        problem = f"{peer.name}, {workload.name}: "
        try:
            usage = head.Usage(**json.loads((folder / head.USAGE).read_text()))
        except FileNotFoundError:
            raise BenchmarkError(f"{problem}the head did not even start\n{_tail(folder)}") from None
        outputs = self._outputs()
        if usage.exit_code != 0 or outputs != workload.expected:
            raise BenchmarkError(
                f"{problem}exit code {usage.exit_code}, outputs {str(outputs)[:200]}\n"
                f"{_tail(folder)}"
            )
        return usage

    def _outputs(self) -> object:
        found = sorted((self._aws.efs_dir / "miniwdl_run").glob("*/outputs.json"))
        return json.loads(found[-1].read_text()) if found else None

    def _jobs(self, peer: Peer, workload: Workload) -> list[Any]:
        """Give the task jobs' summaries, once it is sure that each of them is there."""
        pages = self._batch.get_paginator("list_jobs").paginate(
            jobQueue=TASK_QUEUE, jobStatus="SUCCEEDED"
        )
        found = [job for page in pages for job in page["jobSummaryList"]]
        if len(found) != workload.task_count:
            raise BenchmarkError(
                f"{peer.name}, {workload.name}: {len(found)} task jobs succeeded, not "
                f"{workload.task_count}"
            )
        return found


def _tail(folder: Path) -> str:
    log = folder / head.LOG
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])


@contextmanager
def emulated(settings: BenchmarkSettings) -> Iterator[Cloud]:
    """Start a fresh AWS for the length of the block.

    Every run has one of its own, all alike: none finds another's jobs, definitions or cached calls.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=in_memory()) as root:
        yield from _served(settings, Path(root))


def in_memory() -> Path | None:
    """Give a place in memory for what stands for EFS; None where there is no room.

    A disk of this machine says nothing of EFS, and how it makes and deletes files takes the time
    of whoever writes to it.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        return MEMORY
    return None


def _served(settings: BenchmarkSettings, root: Path) -> Iterator[Cloud]:
    local = LocalAwsSettings(
        root=root,
        mount_path=MOUNT,
        latency_ms=settings.latency_ms,
        rate=settings.rate,
        burst=settings.burst,
        start_delay_seconds=settings.start_delay_seconds,
        stop_timeout_seconds=5.0,
        server_threads=SERVER_THREADS,
    )
    with LocalAws(local) as aws:
        yield Cloud(aws, settings)


def head_definition(name: str, aws: LocalAws) -> Any:
    """Give the RegisterJobDefinition request of workflow jobs on a local AWS.

    Args:
        name: the definition's name.
        aws: the local AWS, whose file system they mount.
    """
    efs = {
        "fileSystemId": aws.file_system_id,
        "transitEncryption": "ENABLED",
        "authorizationConfig": {"accessPointId": aws.access_point_id},
    }
    return {
        "jobDefinitionName": name,
        "type": "container",
        "platformCapabilities": ["FARGATE"],
        "containerProperties": {
            "image": "miniwdl-aws",
            "command": ["false"],
            "executionRoleArn": "arn:aws:iam::123456789012:role/miniwdl-local",
            "resourceRequirements": list(HEAD_RESOURCES),
            "mountPoints": [{"containerPath": MOUNT, "sourceVolume": "efs"}],
            "volumes": [{"name": "efs", "efsVolumeConfiguration": efs}],
        },
    }
