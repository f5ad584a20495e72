"""Clients of the local AWS whose every answer is checked, and jobs to run on it."""

import itertools
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from miniwdl_aws.local import LocalAws, LocalAwsError, LocalAwsSettings

ENDED = {"SUCCEEDED", "FAILED"}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


def violations(value: Any, shape: Shape, where: str = "answer") -> Iterator[str]:
    """Yield all that a JSON value has against a shape of the service model."""
    if isinstance(shape, StructureShape):
        yield from _structure_violations(value, shape, where)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{where} is no list: {value!r}"
            return
        for position, entry in enumerate(value):
            yield from violations(entry, shape.member, f"{where}[{position}]")
    elif isinstance(shape, MapShape):
        for key, entry in value.items():
            yield from violations(entry, shape.value, f"{where}[{key!r}]")
    else:
        yield from _scalar_violations(value, shape, where)


def _structure_violations(value: Any, shape: StructureShape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no structure: {value!r}"
        return
    for name in set(shape.required_members) - set(value):
        yield f"{where}.{name} is required"
    for name, entry in value.items():
        if name in shape.members:
            yield from violations(entry, shape.members[name], f"{where}.{name}")
        else:
            yield f"{where}.{name} is unknown"


def _scalar_violations(value: Any, shape: Shape, where: str) -> Iterator[str]:
    allowed = _TYPES[shape.type_name]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        yield f"{where} is no {shape.type_name}: {value!r}"
    elif shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        yield f"{where} is none of {shape.metadata['enum']}: {value!r}"


def check_answer(model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Hold a raw answer against the service model, before botocore forgives anything."""
    if response_dict["status_code"] == 200:
        assert model.output_shape is not None
        found = list(violations(json.loads(response_dict["body"]), model.output_shape))
        assert not found, found


def client(aws: LocalAws, service: str) -> Any:
    """Make a client of a local AWS."""
    session: Any = boto3.Session()  # whose typed overloads want literal names of services
    return session.client(
        service,
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id="AKIALOCALAWS00000000",
        aws_secret_access_key="local",  # noqa: S106 - not a secret
    )


def batch_client(aws: LocalAws) -> Any:
    """Make a Batch client whose every successful answer is held against the service model."""
    made = client(aws, "batch")
    made.meta.events.register(
        "before-parse.batch",
        lambda operation_model, response_dict, **_: check_answer(operation_model, response_dict),
    )
    return made


@dataclass
class Bench:
    """A local AWS, a checked Batch client, and short ways to run jobs."""

    aws: LocalAws
    batch: Any
    prefix: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

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
            "image": "none",
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
    return Bench(local_aws, batch_client(local_aws), unique)


@pytest.fixture
def start_bench(request: pytest.FixtureRequest) -> Iterator[Callable[..., Bench]]:
    """Start further local AWSs with settings of their own; stop them after the test."""
    started: list[LocalAws] = []

    def start(**settings: Any) -> Bench:
        aws = LocalAws(LocalAwsSettings(**{"stop_timeout_seconds": 2, **settings}))
        aws.start()
        started.append(aws)
        return Bench(aws, batch_client(aws), "job")

    yield start
    for aws in started:
        aws.stop()


@pytest.fixture
def make_client() -> Callable[[LocalAws, str], Any]:
    """Make a client of a service of a local AWS."""
    return client


@pytest.fixture
def bench_of() -> Callable[[LocalAws], Bench]:
    """Make a bench of a local AWS that the test starts and stops itself."""
    return lambda aws: Bench(aws, batch_client(aws), "job")


@pytest.fixture
def find_violations() -> Callable[[Any, Shape], list[str]]:
    """Hold a JSON value against a shape of the service model."""
    return lambda value, shape: list(violations(value, shape))
