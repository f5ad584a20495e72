"""Clients of the local AWS, and jobs to run on it."""

import itertools
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
import pytest

from miniwdl_aws.local import LocalAws, LocalAwsError, LocalAwsSettings

ENDED = {"SUCCEEDED", "FAILED"}


def client(aws: LocalAws, service: str) -> Any:
    """Return the client of a local AWS's service."""
    return _client(aws.endpoint_url, aws.region, service)


@cache
def _client(endpoint_url: str, region: str, service: str) -> Any:
    session: Any = boto3.Session()  # whose typed overloads want literal names of services
    return session.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id="AKIALOCALAWS00000000",
        aws_secret_access_key="local",  # noqa: S106 - not a secret
    )


@dataclass
class Bench:
    """A local AWS, a Batch client, and short ways to run jobs."""

    aws: LocalAws
    batch: Any
    prefix: str
    numbers: Iterator[int] = field(default_factory=itertools.count)
    image: str = "none"

    def name(self) -> str:
        """Return a name that no other test uses."""
        return f"{self.prefix}-{next(self.numbers)}"

    def volume(self) -> dict[str, Any]:
        """Return the volume of the ready access point."""
        return {
            "name": "efs",
            "efsVolumeConfiguration": {
                "fileSystemId": self.aws.file_system_id,
                "transitEncryption": "ENABLED",
                "authorizationConfig": {"accessPointId": self.aws.access_point_id},
            },
        }

    def container(self, *command: str, **members: Any) -> dict[str, Any]:
        """Return container properties that mount the file system at ``/mnt/efs``."""
        return {
            "image": self.image,
            "command": list(command),
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
            "volumes": [self.volume()],
            "mountPoints": [{"sourceVolume": "efs", "containerPath": "/mnt/efs"}],
            **members,
        }

    def register(
        self, *command: str, container: Mapping[str, Any] | None = None, **more: Any
    ) -> Any:
        """Register a job definition; return the answer."""
        return self.batch.register_job_definition(
            **{"jobDefinitionName": self.name(), "type": "container", **more},
            containerProperties=self.container(*command, **(container or {})),
        )

    def submit(self, *command: str, container: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Submit a job with a definition of its own to the task queue; return its id."""
        definition = self.register(*command, container=container)["jobDefinitionArn"]
        request = {"jobName": self.name(), "jobQueue": "miniwdl-task", "jobDefinition": definition}
        answer = self.batch.submit_job(**{**request, **more})
        return str(answer["jobId"])

    def shell(self, script: str, **more: Any) -> str:
        """Submit a job that runs a shell script; return its id."""
        return self.submit("sh", "-c", script, **more)

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return a job's description."""
        job: dict[str, Any] = self.batch.describe_jobs(jobs=[job_id])["jobs"][0]
        return job

    def wait_for(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a job has one of some statuses, or has ended; return its description."""
        wanted = set(statuses) or ENDED
        job = self.describe(job_id)
        deadline = time.monotonic() + 60
        while job["status"] not in wanted | ENDED:
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
            job = self.describe(job_id)
        assert job["status"] in wanted, job
        return job

    def lines(self, job: Mapping[str, Any]) -> list[str]:
        """Return the messages of a job's last log stream."""
        answer = client(self.aws, "logs").get_log_events(
            logGroupName="/aws/batch/job",
            logStreamName=job["container"]["logStreamName"],
            startFromHead=True,
        )
        return [event["message"] for event in answer["events"]]

    def statuses(self, job_id: str) -> list[str]:
        """Return every status that a job had."""
        return [status for status, _ in self.aws.job_history(job_id) or []]


def kernel_gives_namespaces() -> bool:
    """Tell whether a program that is not ours can mount something that no other process sees."""
    owner = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *owner, "--mount", "--pid", "--fork", "--propagation", "unchanged"]
    mount = ["mount", "-t", "proc", "proc", "/proc"]
    done = subprocess.run([*command, "--", *mount], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with the spawner's own reason, where jobs cannot have namespaces."""
    try:
        with LocalAws(LocalAwsSettings(isolation="namespace")):
            pass
    except LocalAwsError as error:
        if kernel_gives_namespaces():
            raise
        pytest.skip(str(error))


@pytest.fixture
def bench(local_aws: LocalAws, request: pytest.FixtureRequest) -> Bench:
    """The session's local AWS with names for this test."""
    prefix = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    # Without namespaces, files of an earlier session may still be there.
    unique = f"{prefix[:80].strip('-')}-{uuid.uuid4().hex[:8]}"
    return Bench(local_aws, client(local_aws, "batch"), unique)


@pytest.fixture
def boxed(bench: Bench, container_aws: LocalAws, busybox_image: str) -> Bench:
    """The same with the local AWS whose jobs are containers."""
    bench.aws, bench.image = container_aws, busybox_image
    bench.batch = client(container_aws, "batch")
    return bench


@pytest.fixture
def start_bench(request: pytest.FixtureRequest) -> Iterator[Callable[..., Bench]]:
    """Start further local AWSs with settings of their own; stop them after the test."""
    started: list[LocalAws] = []

    def start(**settings: Any) -> Bench:
        aws = LocalAws(LocalAwsSettings(**{"stop_timeout_seconds": 2, **settings}))
        aws.start()
        started.append(aws)
        return Bench(aws, client(aws, "batch"), "job")

    yield start
    for aws in started:
        aws.stop()


@pytest.fixture(scope="module")
def start_module_aws() -> Iterator[Callable[..., LocalAws]]:
    """Start local AWSs with settings of their own; stop them after the module's last test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            LocalAws(LocalAwsSettings(**{"stop_timeout_seconds": 2, **settings}))
        )


@pytest.fixture
def make_single_try_client() -> Callable[[LocalAws, str], Any]:
    """Make a client of its own that does not try again what fails."""

    def make(aws: LocalAws, service: str) -> Any:
        made = _client.__wrapped__(aws.endpoint_url, aws.region, service)
        name = made.meta.service_model.service_id.hyphenize()
        made.meta.events.unregister(f"needs-retry.{name}", unique_id=f"retry-config-{name}")
        return made

    return make


@pytest.fixture
def make_client() -> Callable[[LocalAws, str], Any]:
    """Make a client of a service of a local AWS."""
    return client


@pytest.fixture
def bench_of() -> Callable[[LocalAws], Bench]:
    """Make a bench of a local AWS that the test starts and stops itself."""
    return lambda aws: Bench(aws, client(aws, "batch"), "job")
