"""What holds for a job whatever runs it, a process or a container."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONTAINERS = pytest.param("container", marks=pytest.mark.container)
Wait = Callable[[Callable[[], object]], None]


@pytest.fixture(params=["process", CONTAINERS])
def either(request: pytest.FixtureRequest, bench: Any) -> Any:
    """A bench of each executor."""
    if request.param == "process":
        request.getfixturevalue("namespaces")
        return bench
    bench.image = request.getfixturevalue("busybox_image")
    bench.aws = request.getfixturevalue("container_aws")
    bench.batch = request.getfixturevalue("make_client")(bench.aws, "batch")
    return bench


def test_a_job_tells_how_it_ended(either: Any) -> None:
    """Exit code, reason and the whole output, in order, the last line without an end."""
    script = (
        "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done;"
        " echo error >&2; printf 'no end'; exit 3"
    )
    job_id = either.shell(script)
    job = either.wait_for(job_id, "FAILED")
    assert job["statusReason"] == "Essential container in task exited"
    assert job["container"]["exitCode"] == job["attempts"][0]["container"]["exitCode"] == 3
    lines = either.lines(job)
    lines.remove("error")  # two streams have no order among each other
    assert lines == [*map(str, range(3000)), "no end"]
    statuses = ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "FAILED"]
    assert either.statuses(job_id) == statuses


def test_output_is_readable_while_the_job_runs_and_sigterm_ends_it(
    either: Any, eventually: Wait
) -> None:
    """SIGTERM reaches the main process, whose last words are logged."""
    job_id = either.shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    job = either.wait_for(job_id, "RUNNING")
    eventually(lambda: either.lines(job) == ["up"])
    either.batch.terminate_job(jobId=job_id, reason="changed my mind")
    job = either.wait_for(job_id, "FAILED")
    assert either.lines(job) == ["up", "bye"]
    assert (job["container"]["exitCode"], job["statusReason"]) == (5, "changed my mind")


def test_sigkill_ends_what_does_not_end(either: Any, eventually: Wait) -> None:
    """After the stop time-out."""
    job_id = either.shell("trap '' TERM; echo up; while :; do sleep 1; done")
    job = either.wait_for(job_id, "RUNNING")
    eventually(lambda: either.lines(job) == ["up"])
    either.batch.terminate_job(jobId=job_id, reason="now")
    job = either.wait_for(job_id, "FAILED")
    assert job["container"]["exitCode"] == 128 + signal.SIGKILL
    assert "reason" not in job["container"]


def test_an_attempt_that_takes_too_long_is_stopped(either: Any) -> None:
    """With Batch's reason; the time-out itself is the scheduler's."""
    container = {"linuxParameters": {"initProcessEnabled": True}}
    job_id = either.submit("sleep", "300", container=container)
    either.wait_for(job_id, "RUNNING")
    scheduler, store = either.aws._scheduler, either.aws._store
    scheduler._runner.call_soon(scheduler.timeout, store.get(job_id))
    job = either.wait_for(job_id, "FAILED")
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert job["container"]["exitCode"] == 128 + signal.SIGTERM


def test_a_job_has_its_own_environment(either: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variables, Batch's and the endpoint's, and none of this machine's."""
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    environment = [{"name": "A", "value": "x y=z"}]
    job_id = either.submit("env", container={"environment": environment})
    job = either.wait_for(job_id, "SUCCEEDED")
    variables = dict(line.partition("=")[::2] for line in either.lines(job))
    assert variables["A"] == "x y=z"
    assert variables["AWS_BATCH_JOB_ID"] == job_id
    assert variables["AWS_BATCH_JOB_ATTEMPT"] == "1"
    assert variables["AWS_ENDPOINT_URL"] == either.aws.endpoint_url
    assert "SECRET_OF_THE_HOST" not in variables


def test_volumes_are_where_they_are_mounted(either: Any, tmp_path: Path) -> None:
    """The file system, read-only too; a host directory; an empty directory for any user."""
    (tmp_path / "given").write_text("1")
    name = either.name()
    job_id = either.shell(
        f"id -u >/mnt/efs/{name} && cat /data/host/given && touch /data/empty/x && ls /data/empty"
        f"; touch /mnt/ro/no 2>/dev/null; cat /mnt/ro/{name}",
        container={
            "volumes": [
                either.volume(),
                {"name": "h", "host": {"sourcePath": str(tmp_path)}},
                {"name": "e"},
            ],
            "mountPoints": [
                {"sourceVolume": "efs", "containerPath": "/mnt/efs"},
                {"sourceVolume": "efs", "containerPath": "/mnt/ro", "readOnly": True},
                {"sourceVolume": "h", "containerPath": "/data/host"},
                {"sourceVolume": "e", "containerPath": "/data/empty"},
            ],
        },
    )
    assert either.lines(either.wait_for(job_id, "SUCCEEDED")) == ["1x", str(os.getuid())]
    assert (either.aws.efs_dir / name).read_text().strip() == str(os.getuid())
    assert not (either.aws.efs_dir / "no").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="another user's identity takes root")
def test_user_and_limits_hold(either: Any) -> None:
    """By numbers."""
    limit = {"name": "nofile", "softLimit": 77, "hardLimit": 78}
    container = {"user": "12345:54321", "ulimits": [limit]}
    job_id = either.shell("id -u; id -g; ulimit -n", container=container)
    assert either.lines(either.wait_for(job_id, "SUCCEEDED")) == ["12345", "54321", "77"]


def test_file_systems_in_memory_and_a_read_only_root(either: Any) -> None:
    """``readonlyRootFilesystem`` spares mounts, ``tmpfs`` and shared memory, of the sizes given."""
    linux = {"sharedMemorySize": 3, "tmpfs": [{"containerPath": "/data", "size": 5}]}
    job_id = either.shell(
        "for d in /mnt/efs /dev/shm /data /etc /bin; do"
        " if touch $d/seen 2>/dev/null; then echo $d; rm $d/seen; fi; done;"
        " for d in /dev/shm /data; do df -k $d | tail -n 1 | awk '{print $2}'; done",
        container={"readonlyRootFilesystem": True, "linuxParameters": linux},
    )
    lines = either.lines(either.wait_for(job_id, "SUCCEEDED"))
    assert lines == ["/mnt/efs", "/dev/shm", "/data", "3072", "5120"]  # noqa: S108 - the job's


def test_secrets_are_variables(either: Any, make_client: Callable[..., Any]) -> None:
    """Read as the attempt starts; what cannot be read fails the start."""
    name = f"/{either.name()}"
    make_client(either.aws, "ssm").put_parameter(Name=name, Value="p w", Type="SecureString")
    container = {"secrets": [{"name": "S", "valueFrom": name}], "executionRoleArn": "role"}
    job_id = either.shell("echo $S", container=container)
    assert either.lines(either.wait_for(job_id, "SUCCEEDED")) == ["p w"]
    missing = {"secrets": [{"name": "S", "valueFrom": "/no/such"}], "executionRoleArn": "role"}
    reason = either.wait_for(either.shell("true", container=missing))["container"]["reason"]
    assert reason.startswith("ResourceInitializationError: unable to pull secrets")


def test_a_missing_command_fails_the_start_with_127(either: Any) -> None:
    """The job never runs, and the container says what was not found."""
    job_id = either.submit("no-such-program", "--help")
    job = either.wait_for(job_id, "FAILED")
    assert "RUNNING" not in either.statuses(job_id)
    assert (job["statusReason"], job["container"]["exitCode"]) == ("Task failed to start", 127)
    assert job["container"]["reason"].startswith("CannotStartContainerError: ")
    assert '"no-such-program": executable file not found' in job["container"]["reason"]


def test_an_init_process_stands_before_the_job_when_asked(either: Any) -> None:
    """With ``initProcessEnabled`` the job is not process 1."""
    container = {"linuxParameters": {"initProcessEnabled": True}}
    job_id = either.shell("echo $$; exit 0", container=container)
    assert either.lines(either.wait_for(job_id, "SUCCEEDED")) != ["1"]


def test_many_jobs_run_at_once_on_few_threads(either: Any) -> None:
    """Each with its own output."""
    threads = threading.active_count()
    jobs = {either.shell(f"echo mark {number}; sleep 1"): number for number in range(12)}
    for job_id in jobs:
        either.wait_for(job_id, "RUNNING", "SUCCEEDED")
    assert threading.active_count() <= threads + 8
    for job_id, number in jobs.items():
        assert either.lines(either.wait_for(job_id, "SUCCEEDED")) == [f"mark {number}"]
