"""What only jobs in containers can do, and that none of them is left."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.local import LocalAws, LocalAwsSettings
from miniwdl_aws.local.execution import container_reaper
from miniwdl_aws.local.execution.container_request import STATE_LABEL
from tests.engines import containers_of, push_options

pytestmark = pytest.mark.container

Wait = Callable[[Callable[[], object]], None]


def test_an_image_has_a_command_a_directory_and_variables(boxed: Any) -> None:
    """Without a command the image's own runs, in its working directory, with its environment."""
    job_id = boxed.submit()
    assert boxed.lines(boxed.wait_for(job_id, "SUCCEEDED")) == ["the image says", "/srv"]
    job_id = boxed.shell("echo $OF_THE_IMAGE; id -u", container={"user": "ada"})
    assert boxed.lines(boxed.wait_for(job_id, "SUCCEEDED")) == ["1", "1234"]


def test_an_image_that_is_nowhere_fails_the_start(boxed: Any) -> None:
    """With ECS's reason, no exit code, and no log stream."""
    job_id = boxed.submit("true", container={"image": "127.0.0.1:9/no/such:1"})
    job = boxed.wait_for(job_id, "FAILED")
    assert "RUNNING" not in boxed.statuses(job_id)
    assert job["statusReason"] == "Task failed to start"
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")
    assert not {"exitCode", "logStreamName"} & set(job["container"])


@pytest.fixture
def elsewhere(engine: Any, busybox_image: str, registry: str, tmp_path: Path) -> Iterator[str]:
    """An image that only the registry has."""
    tag = f"{registry}/miniwdl-aws-test/elsewhere:1"
    (tmp_path / "Dockerfile").write_text(f"FROM {busybox_image}\nCOPY Dockerfile /srv/made-of\n")
    engine.call("build", *engine.build_options(), "--tag", tag, str(tmp_path))
    engine.call("push", *push_options(engine), tag)
    engine.call("image", "rm", tag)
    assert not engine.has_image(tag)
    yield tag
    engine.call("image", "rm", "--force", tag, check=False)


def test_an_image_is_pulled_from_its_registry(
    boxed: Any, engine: Any, elsewhere: str, busybox_image: str
) -> None:
    """As the first job needs it, once for all that start together; they run what is in it."""
    image = {"image": elsewhere}
    jobs = [boxed.submit("head", "-n", "1", "made-of", container=image) for _ in range(3)]
    for job_id in jobs:
        lines = boxed.lines(boxed.wait_for(job_id, "SUCCEEDED"))
        assert lines == [f"FROM {busybox_image}"]
    assert engine.has_image(elsewhere)


def test_an_image_that_its_registry_does_not_have_fails_the_start(
    boxed: Any, registry: str
) -> None:
    """With what the registry says."""
    image = f"{registry}/miniwdl-aws-test/missing:1"
    job = boxed.wait_for(boxed.submit("true", container={"image": image}), "FAILED")
    reason = job["container"]["reason"]
    assert reason.startswith("CannotPullContainerError: ")
    assert "manifest unknown" in reason or "not found" in reason


@pytest.mark.parametrize(
    ("script", "code"), [("exec sh -c '{}'", 137), ("sh -c '{}'; echo $?; exit 4", 4)]
)
def test_memory_is_enforced(boxed: Any, script: str, code: int) -> None:
    """A job that takes too much is killed, and says so, also where only a child of it was."""
    job = boxed.wait_for(boxed.shell(script.format("a=x; while :; do a=$a$a; done")), "FAILED")
    assert job["container"]["exitCode"] == code
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"


def test_output_may_be_closed_early(boxed: Any) -> None:
    """A job ends when its process does, not when its output does."""
    job_id = boxed.shell("exec >/dev/null 2>&1; sleep 0.3; touch /mnt/efs/late; exit 5")
    job = boxed.wait_for(job_id, "FAILED")
    assert job["container"]["exitCode"] == 5
    (boxed.aws.efs_dir / "late").unlink()


def test_a_container_that_somebody_removes_is_no_success(boxed: Any, engine: Any) -> None:
    """The job fails: with what the engine last said of it, or without an exit code."""
    job_id = boxed.submit("sleep", "300")
    job = boxed.wait_for(job_id, "RUNNING")
    task = job["container"]["taskArn"].rsplit("/", 1)[-1]
    engine.call("rm", "--force", f"miniwdl-aws-local-{task}")
    job = boxed.wait_for(job_id, "FAILED")
    assert job["container"].get("exitCode", 137) == 137


def test_ended_containers_are_removed(boxed: Any, eventually: Wait) -> None:
    """With the attempt's directory."""
    boxed.wait_for(boxed.submit("true"), "SUCCEEDED")
    eventually(lambda: not containers_of(boxed.aws))
    eventually(
        lambda: [each.name for each in (boxed.aws.root / "scratch").iterdir()] == [".staging"]
    )


def test_devices_and_swap_are_for_containers_alone(
    boxed: Any, local_aws: LocalAws, bench_of: Callable[..., Any]
) -> None:
    """A device is there; the executor of processes refuses it when the definition is registered."""
    linux = {"devices": [{"hostPath": "/dev/full", "containerPath": "/dev/mine"}], "maxSwap": 0}
    job_id = boxed.shell("test -c /dev/mine", container={"linuxParameters": linux})
    boxed.wait_for(job_id, "SUCCEEDED")
    with pytest.raises(ClientError, match="devices, maxSwap without --executor container"):
        bench_of(local_aws).register("true", container={"linuxParameters": linux})


def test_stop_leaves_no_container(docker_host: str, busybox_image: str, bench_of: Any) -> None:
    """Also of jobs that ignore SIGTERM, or that are just starting."""
    aws = LocalAws(LocalAwsSettings(executor="container", docker_host=docker_host))
    with aws:
        bench = bench_of(aws)
        bench.image = busybox_image
        job_id = bench.shell("trap '' TERM; while :; do sleep 1; done")
        bench.wait_for(job_id, "RUNNING")
        starting = bench.submit("sleep", "100")
        bench.wait_for(starting, "STARTING", "RUNNING")
    assert containers_of(aws) == []
    assert not aws.root.exists()


@pytest.fixture
def program(docker_host: str) -> Iterator[Callable[..., tuple[Any, dict[str, str]]]]:
    """Start ``miniwdl-aws-local`` with containers; return it with its environment."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[Any, dict[str, str]]:
        command = [sys.executable, "-m", "miniwdl_aws.local", "--executor", "container", "--json"]
        process = subprocess.Popen(
            [*command, "--docker-host", docker_host, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def sleep_on(environment: dict[str, str], image: str) -> None:
    """Submit a job that sleeps."""
    batch: Any = boto3.client(
        "batch",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - not a secret
    )
    batch.register_job_definition(
        jobDefinitionName="sleeper",
        type="container",
        containerProperties={
            "image": image,
            "command": ["sleep", "1000"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )
    batch.submit_job(jobName="s", jobQueue="miniwdl-task", jobDefinition="sleeper")


def test_a_crash_leaves_no_container(
    program: Callable[..., Any],
    docker_host: str,
    busybox_image: str,
    tmp_path: Path,
    eventually: Wait,
) -> None:
    """Killed, it cannot remove its containers; what waits for its end does."""
    label = f"{STATE_LABEL}={tmp_path}"
    process, environment = program("--root", str(tmp_path))
    assert environment["MINIWDL__AWS__WORKFLOW_IMAGE"] == "miniwdl-aws"
    sleep_on(environment, busybox_image)
    eventually(lambda: container_reaper.find(docker_host, label))
    process.send_signal(signal.SIGKILL)
    eventually(lambda: not container_reaper.find(docker_host, label))


def test_a_start_removes_what_is_left_and_only_its_own(
    engine: Any, docker_host: str, busybox_image: str, tmp_path: Path
) -> None:
    """By the label of its state directory."""
    ours, other = (f"{STATE_LABEL}={tmp_path / name}" for name in ("ours", "other"))
    for label in (ours, other):
        engine.call("create", "--network=host", "--label", label, busybox_image)
    settings = LocalAwsSettings(
        executor="container", docker_host=docker_host, root=tmp_path / "ours"
    )
    with LocalAws(settings):
        assert container_reaper.find(docker_host, ours) == []
        assert len(container_reaper.find(docker_host, other)) == 1
    container_reaper.remove_all(docker_host, other)


def test_jobs_on_a_bridge_reach_the_endpoint(
    docker_host: str, busybox_image: str, start_bench: Callable[..., Any]
) -> None:
    """Through this machine's address on it, where the local AWS listens on all."""
    bench = start_bench(
        executor="container",
        docker_host=docker_host,
        network="bridge",
        host="0.0.0.0",  # noqa: S104 - what a bridge needs
        allow_remote=True,
    )
    bench.image = busybox_image
    job_id = bench.shell(
        "wget -q -O - $AWS_ENDPOINT_URL/_miniwdl_aws_local/counters; env | grep URL"
    )
    lines = bench.lines(bench.wait_for(job_id, "SUCCEEDED"))
    assert "SubmitJob" in lines[0]
    assert lines[-1] != f"AWS_ENDPOINT_URL={bench.aws.endpoint_url}"
    with urllib.request.urlopen(f"{bench.aws.endpoint_url}/_miniwdl_aws_local/counters") as answer:  # noqa: S310 - the local AWS's own address
        assert b"SubmitJob" in answer.read()
