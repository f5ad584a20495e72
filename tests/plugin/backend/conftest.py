"""A Batch that runs jobs as processes of this machine, or lets them end as it is told."""

import fnmatch
import itertools
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import WDL
from botocore.exceptions import ClientError
from WDL.runtime.config import Loader

from miniwdl_aws.backend.container import BatchJob, BatchJobNoEfs
from miniwdl_aws.backend.context import BackendContext
from miniwdl_aws.backend.details import LateDetails
from miniwdl_aws.backend.events import Backstop
from miniwdl_aws.backend.jobs import Definitions
from miniwdl_aws.backend.journal import Journal
from miniwdl_aws.backend.queues import Queues
from miniwdl_aws.backend.sentinel import Pace, SignWatcher
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.backend.starting import Patience, StartWatch
from miniwdl_aws.backend.waiting import TerminationWatch
from miniwdl_aws.describer import Cadence, Describer, batch_describe_jobs
from miniwdl_aws.heads import RunPlace
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.retry import Retry

PARENT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


@dataclass
class FakeJob:
    """One job as the fake Batch knows it."""

    request: dict[str, Any]
    process: "subprocess.Popen[bytes] | None" = None
    description: dict[str, Any] = field(default_factory=dict)


class FakeBatch:
    """The Batch client; also the only member that is used of the set of clients."""

    region = "us-east-1"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.definitions: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, FakeJob] = {}
        self.endings: list[dict[str, Any]] = []
        """How the next jobs end without running, first to last."""
        self.errors: dict[str, list[Exception]] = {}
        """What the next calls of an operation raise."""
        self.lost: set[str] = set()
        """Jobs that Batch takes, never runs, and does not know."""
        self.queues: dict[str, dict[str, Any]] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.instance_types = [
            {
                "InstanceType": name,
                "VCpuInfo": {"DefaultVCpus": vcpus},
                "MemoryInfo": {"SizeInMiB": gib * 1024},
            }
            for name, vcpus, gib in (
                ("m5.large", 2, 8),
                ("m5.24xlarge", 96, 384),
                ("r5.large", 2, 16),
            )
        ]
        for name in ("spot", "on-demand"):
            self.add_queue(name)
        self.hold = False
        """Whether jobs stay RUNNABLE."""
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def batch(self) -> "FakeBatch":
        return self

    @property
    def ec2(self) -> "FakeBatch":
        return self

    def describe_job_queues(self, *, jobQueues: list[str]) -> Any:  # noqa: N803
        self._called("DescribeJobQueues")
        wanted = {name.rpartition("/")[2] for name in jobQueues}
        return {"jobQueues": [queue for name, queue in self.queues.items() if name in wanted]}

    def describe_compute_environments(self, *, computeEnvironments: list[str]) -> Any:  # noqa: N803
        self._called("DescribeComputeEnvironments")
        return {"computeEnvironments": [self.environments[name] for name in computeEnvironments]}

    def get_paginator(self, operation: str) -> "FakeBatch":
        self._called(operation)
        return self

    def paginate(self, *, Filters: Any) -> Any:  # noqa: N803
        (wanted,) = Filters
        found = [
            each
            for each in self.instance_types
            if any(fnmatch.fnmatchcase(each["InstanceType"], name) for name in wanted["Values"])
        ]
        return [{"InstanceTypes": found}]

    def add_queue(self, name: str, kind: str = "EC2", **resources: Any) -> None:
        """Make a job queue with one compute environment."""
        environment = f"{name}-environment"
        self.queues[name] = {
            "jobQueueName": name,
            "jobQueueArn": f"arn:aws:batch:us-east-1:1:job-queue/{name}",
            "state": "ENABLED",
            "jobQueueType": "ECS_FARGATE" if kind.startswith("FARGATE") else "ECS",
            "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": environment}],
        }
        self.environments[environment] = {
            "computeEnvironmentName": environment,
            "state": "ENABLED",
            "status": "VALID",
            "computeResources": {"type": kind, "maxvCpus": 1000, **resources},
        }

    def fail(self, operation: str, code: str, message: str = "no", status: int = 400) -> None:
        response = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        error = ClientError(response, operation)  # type: ignore[arg-type]
        self.errors.setdefault(operation, []).append(error)

    def _called(self, operation: str) -> None:
        with self._lock:
            self.calls.append(operation)
            waiting = self.errors.get(operation)
        if waiting:
            raise waiting.pop(0)

    def describe_job_definitions(self, *, jobDefinitionName: str, status: str) -> Any:  # noqa: N803
        self._called("DescribeJobDefinitions")
        assert status == "ACTIVE"
        time.sleep(0.02)
        found = (
            [self.definitions[jobDefinitionName]] if jobDefinitionName in self.definitions else []
        )
        return {"jobDefinitions": found}

    def register_job_definition(self, **request: Any) -> Any:
        self._called("RegisterJobDefinition")
        name = request["jobDefinitionName"]
        arn = f"arn:aws:batch:us-east-1:1:job-definition/{name}:1"
        self.definitions[name] = {**request, "revision": 1, "jobDefinitionArn": arn}
        return {"jobDefinitionArn": arn}

    def submit_job(self, **request: Any) -> Any:
        job_id = f"job-{next(self._ids)}"
        job = FakeJob(request)
        job.description = {"jobId": job_id, "jobName": request["jobName"], "status": "RUNNABLE"}
        self._called("SubmitJob")
        self.jobs[job_id] = job
        if self.endings:
            job.description.update(self.endings.pop(0))
        elif not self.hold and job_id not in self.lost:
            self._start(job)
        return {"jobId": job_id}

    def _start(self, job: FakeJob) -> None:
        overrides = job.request["containerOverrides"]
        given = {each["name"]: each["value"] for each in overrides["environment"]}
        job.process = subprocess.Popen(  # (a task's script)
            overrides["command"],
            env={
                "PATH": os.environ["PATH"],
                "AWS_BATCH_JOB_ID": job.description["jobId"],
                **given,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        job.description.update(status="RUNNING", startedAt=int(time.time() * 1000))
        job.description["container"] = {"logStreamName": f"stream/{job.request['jobName']}"}

    def describe_jobs(self, *, jobs: list[str]) -> Any:
        self._called("DescribeJobs")
        return {"jobs": [self._describe(job_id) for job_id in jobs if job_id not in self.lost]}

    def _describe(self, job_id: str) -> dict[str, Any]:
        job = self.jobs[job_id]
        if job.process is not None and (code := job.process.poll()) is not None:
            code = code if code >= 0 else 128 - code
            job.description["status"] = "SUCCEEDED" if code == 0 else "FAILED"
            job.description["container"]["exitCode"] = code
            job.description.setdefault("stoppedAt", int(time.time() * 1000))
            if code:
                job.description["statusReason"] = "Essential container in task exited"
        return dict(job.description)

    def terminate_job(self, *, jobId: str, reason: str) -> Any:  # noqa: N803
        self._called("TerminateJob")
        job = self.jobs[jobId]
        if job.process is not None:
            job.process.terminate()
        else:
            job.description.update(status="FAILED", statusReason=reason)
        job.description["isTerminated"] = True
        return {}

    def cancel_job(self, *, jobId: str, reason: str) -> Any:  # noqa: N803
        self._called("CancelJob")
        job = self.jobs[jobId]
        if job.process is None:
            job.description.update(status="FAILED", statusReason=reason, isCancelled=True)
        return {}

    def list_jobs(
        self,
        *,
        jobQueue: str,  # noqa: N803
        filters: Any = (),
        jobStatus: str = "",  # noqa: N803
        maxResults: int = 0,  # noqa: N803
    ) -> Any:
        self._called("ListJobs")
        if jobStatus:
            busy = [job_id for job_id in self.jobs if self._describe(job_id)["status"] == jobStatus]
            return {"jobSummaryList": [{"jobId": job_id} for job_id in busy[:maxResults]]}
        wanted = filters[0]["values"][0]
        return {
            "jobSummaryList": [
                {"jobId": job_id, "jobName": wanted}
                for job_id, job in self.jobs.items()
                if job.request["jobName"] == wanted
            ]
        }


@pytest.fixture
def batch() -> Iterator[FakeBatch]:
    fake = FakeBatch()
    yield fake
    for job in fake.jobs.values():
        if job.process is not None:
            job.process.kill()
            job.process.wait()


@pytest.fixture
def retry() -> Retry:
    return Retry(pacer=Pacer(1000.0, 100.0), max_attempts=3, sleep=lambda _: None)


@pytest.fixture
def open_backend(
    batch: FakeBatch, retry: Retry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., BackendContext]:
    """Make the backend's context of this process, with any settings."""

    def make(place: RunPlace | None = None, **settings: Any) -> BackendContext:
        given = {
            "task_queue": "spot",
            "fs": "fs-1",
            "fsap": "fsap-1",
            "mount": str(tmp_path),
            "retry_wait_seconds": 0.0,
            **settings,
        }
        clients: Any = batch
        backstop = Backstop(first_seconds=0.05, later_seconds=0.05)
        backend_settings = BackendSettings(**given)
        queues = Queues(clients, retry)
        queues.load(backend_settings.queues)
        cadence = Cadence(period_seconds=0.02, calls_per_second=100, lost_grace_seconds=0.1)
        describer = Describer(batch_describe_jobs(clients), cadence, patience=backstop)
        context = BackendContext(
            settings=backend_settings,
            clients=clients,
            definitions=Definitions(clients, retry),
            submitting=retry,
            controlling=retry,
            describer=describer,
            details=LateDetails(describer, delay_seconds=0.05),
            signs=SignWatcher(Pace(shortest_seconds=0.02)),
            journal=Journal(place=place),
            watch=TerminationWatch(0.02),
            parent_job_id=PARENT,
            run_key="dag/run",
            queues=queues,
            starts=StartWatch(
                clients,
                queues,
                retry,
                describer.press,
                Patience(
                    timeout_seconds=backend_settings.runnable_timeout_seconds,
                    explain_after_seconds=0.05,
                    period_seconds=0.05,
                ),
            ),
        )
        monkeypatch.setattr(BatchJob, "_context", context, raising=False)
        for backend in (BatchJob, BatchJobNoEfs):
            monkeypatch.setattr(backend, "_global_init", True, raising=False)
        return context

    return make


@pytest.fixture
def run_wdl(tmp_path: Path) -> Callable[..., Any]:
    """Run WDL source with miniwdl in this process; gives run directory and outputs."""

    def run(
        source: str,
        inputs: dict[str, Any] | None = None,
        plugins: Sequence[Callable[..., Any]] = (),
        **options: Any,
    ) -> Any:
        path = tmp_path / "main.wdl"
        path.write_text(source)
        overrides: dict[str, dict[str, Any]] = {
            "scheduler": {"container_backend": "aws_batch_job", "task_concurrency": 100},
            "file_io": {"root": str(tmp_path)},
        }
        for name, value in options.items():
            section, key = name.split("__")
            overrides.setdefault(section, {})[key] = value
        cfg = Loader(logging.getLogger("test"), filenames=[], overrides=overrides)
        document = WDL.load(str(path))
        target = document.workflow or document.tasks[0]
        values = WDL.values_from_json(inputs or {}, target.available_inputs, target.required_inputs)
        options_of_run: Any = {"run_dir": f"{tmp_path}/runs/a run/."}
        if plugins:
            options_of_run["_plugins"] = list(plugins)
        run_dir, outputs = WDL.runtime.run(cfg, target, values, **options_of_run)
        return Path(run_dir), WDL.values_to_json(outputs)

    return run
