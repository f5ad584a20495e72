"""Jobs that really run, seen through Batch's API."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

ORDER = ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"]


def processes_of(job_id: str) -> list[psutil.Process]:
    """Find the processes whose environment names a job."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AWS_BATCH_JOB_ID") == job_id:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_a_job_passes_through_every_status_in_order(bench: Any) -> None:
    """SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, with times that do not fall."""
    job_id = bench.shell("true")
    job = bench.wait_for(job_id, "SUCCEEDED")
    history = bench.aws.job_history(job_id)
    assert [status for status, _ in history] == [*ORDER, "SUCCEEDED"]
    assert [at for _, at in history] == sorted(at for _, at in history)
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]


def test_a_job_tells_how_it_ended(bench: Any) -> None:
    """The exit code, the reasons and the log stream are in the job and in its attempt."""
    job = bench.wait_for(bench.shell("exit 3"), "FAILED")
    assert job["statusReason"] == "Essential container in task exited"
    assert job["container"]["exitCode"] == 3
    assert len(job["attempts"]) == 1
    attempt = job["attempts"][0]
    assert attempt["container"]["exitCode"] == 3
    assert attempt["statusReason"] == job["statusReason"]
    assert attempt["container"]["logStreamName"] == job["container"]["logStreamName"]
    assert attempt["container"]["taskArn"] == job["container"]["taskArn"]
    assert (attempt["startedAt"], attempt["stoppedAt"]) <= (job["startedAt"], job["stoppedAt"])


def test_a_signal_is_128_and_its_number(bench: Any) -> None:
    """A job that a signal ends has the exit code that a container would have."""
    job = bench.wait_for(bench.submit("python3", "-c", "import os; os.abort()"), "FAILED")
    # The first process of a PID namespace survives its own SIGABRT's default, as in a container;
    # what abort() does then is die of SIGSEGV or SIGILL.
    assert job["container"]["exitCode"] > 128


def test_output_is_in_the_log_stream_line_by_line(bench: Any) -> None:
    """Standard output and error share one stream named after definition and task."""
    job = bench.wait_for(bench.shell("echo one; echo two >&2; echo; printf 'no end'"))
    assert bench.lines(job) == ["one", "two", " ", "no end"]
    name = job["jobDefinition"].rsplit("/", 1)[-1].partition(":")[0]
    task = job["container"]["taskArn"].rsplit("/", 1)[-1]
    assert job["container"]["logStreamName"] == f"{name}/default/{task}"
    assert re.fullmatch(r"[0-9a-f]{32}", task)


def test_output_is_readable_while_the_job_runs(bench: Any) -> None:
    """A line is in CloudWatch Logs long before its job ends."""
    job_id = bench.shell("echo early; sleep 60")
    job = bench.wait_for(job_id, "RUNNING")
    deadline = time.monotonic() + 20
    while bench.lines(job) != ["early"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    bench.batch.terminate_job(jobId=job_id, reason="seen")


def test_a_job_has_its_own_environment_and_no_other(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Besides its own variables a job has Batch's, credentials, region and an image's defaults."""
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    job_id = bench.submit(
        "env",
        container={"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        containerOverrides={"environment": [{"name": "B", "value": "x y"}, {"name": "C"}]},
    )
    job = bench.wait_for(job_id, "SUCCEEDED")
    environment = dict(line.partition("=")[::2] for line in bench.lines(job))
    assert set(environment) == {
        *("A", "B", "C", "PATH", "HOME", "TMPDIR", "LANG"),
        *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        *("AWS_BATCH_JOB_ID", "AWS_BATCH_JQ_NAME", "AWS_BATCH_CE_NAME", "AWS_BATCH_JOB_ATTEMPT"),
    }
    assert (environment["A"], environment["B"], environment["C"]) == ("1", "x y", "")
    assert environment["AWS_BATCH_JOB_ID"] == job_id
    assert environment["AWS_BATCH_JQ_NAME"] == "miniwdl-task"
    assert environment["AWS_BATCH_JOB_ATTEMPT"] == "1"
    assert environment["AWS_ENDPOINT_URL"] == bench.aws.endpoint_url


def test_the_file_system_is_at_its_container_path(bench: Any) -> None:
    """What a job writes below its mount point is in the access point's directory."""
    name = bench.name()
    job_id = bench.shell(f"echo $AWS_BATCH_JOB_ID > /mnt/efs/{name}")
    bench.wait_for(job_id, "SUCCEEDED")
    assert (bench.aws.efs_dir / name).read_text().strip() == job_id
    (bench.aws.efs_dir / name).unlink()


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("path", ["/mnt/efs", "/no-such-root/a/b", "/usr/share/no-such/x"])
def test_a_mount_point_exists_in_its_namespace_only(bench: Any, path: str) -> None:
    """A missing mount point is made for the job, hides nothing beside it, and leaves no trace."""
    existed = Path(path).exists()
    beside = {entry.name for entry in [*Path("/").iterdir(), *Path("/usr/share").iterdir()]}
    container = {"mountPoints": [{"sourceVolume": "efs", "containerPath": path}]}
    job_id = bench.shell(f"touch {path}/seen && ls -A / /usr/share", container=container)
    job = bench.wait_for(job_id, "SUCCEEDED")
    assert (bench.aws.efs_dir / "seen").exists()
    assert beside <= set(bench.lines(job))
    assert Path(path).exists() == existed
    (bench.aws.efs_dir / "seen").unlink()


@pytest.mark.usefixtures("namespaces")
def test_a_read_only_mount_cannot_be_written(bench: Any) -> None:
    """``readOnly`` holds for the job."""
    point = {"sourceVolume": "efs", "containerPath": "/mnt/efs", "readOnly": True}
    job_id = bench.shell("touch /mnt/efs/never", container={"mountPoints": [point]})
    assert bench.wait_for(job_id)["container"]["exitCode"] != 0
    assert not (bench.aws.efs_dir / "never").exists()


@pytest.mark.usefixtures("namespaces")
def test_volumes_without_efs_are_host_directories_or_empty(bench: Any, tmp_path: Path) -> None:
    """A host path is bound, and a volume without one is an empty directory of the job's own."""
    (tmp_path / "given").write_text("1")
    job_id = bench.shell(
        "cat /data/host/given && touch /data/empty/x && ls -A /data/empty",
        container={
            "volumes": [{"name": "h", "host": {"sourcePath": str(tmp_path)}}, {"name": "e"}],
            "mountPoints": [
                {"sourceVolume": "h", "containerPath": "/data/host"},
                {"sourceVolume": "e", "containerPath": "/data/empty"},
            ],
        },
    )
    assert bench.lines(bench.wait_for(job_id, "SUCCEEDED")) == ["1x"]


def test_a_missing_file_system_fails_the_start(bench: Any) -> None:
    """The job never runs, and its reason is ECS's for resources that cannot be had."""
    volume = {"name": "efs", "efsVolumeConfiguration": {"fileSystemId": "fs-00000000"}}
    job_id = bench.shell("true", container={"volumes": [volume]})
    job = bench.wait_for(job_id, "FAILED")
    assert "RUNNING" not in bench.statuses(job_id)
    assert job["statusReason"] == "Task failed to start"
    assert job["container"]["reason"].startswith("ResourceInitializationError: ")
    assert "fs-00000000" in job["container"]["reason"]
    assert "exitCode" not in job["container"]


def test_a_missing_command_fails_the_start_with_127(bench: Any) -> None:
    """The job never runs, and the container says what was not found."""
    job_id = bench.submit("no-such-program", "--help")
    job = bench.wait_for(job_id, "FAILED")
    assert "RUNNING" not in bench.statuses(job_id)
    assert job["container"]["exitCode"] == 127
    assert job["container"]["reason"].startswith("CannotStartContainerError: ")
    assert '"no-such-program": executable file not found' in job["container"]["reason"]


def test_parameters_replace_references_in_the_command(bench: Any) -> None:
    """A submission's parameters come before the definition's; unknown references stay."""
    definition = bench.register(
        "echo", "Ref::a", "Ref::b", "Ref::c", parameters={"a": "1", "b": "2"}
    )
    job_id = bench.batch.submit_job(
        jobName=bench.name(),
        jobQueue="miniwdl-task",
        jobDefinition=definition["jobDefinitionArn"],
        parameters={"b": "3"},
    )["jobId"]
    job = bench.wait_for(job_id, "SUCCEEDED")
    assert bench.lines(job) == ["1 3 Ref::c"]
    assert job["parameters"] == {"a": "1", "b": "3"}


def test_the_user_holds(bench: Any) -> None:
    """The container's user is the process's, and owns its home."""
    if os.getuid() != 0:
        pytest.skip("another user's identity takes root")
    script = "id -u; id -g; touch ~/mine && rm ~/mine"
    job_id = bench.shell(script, container={"user": "12345:54321"})
    assert bench.lines(bench.wait_for(job_id, "SUCCEEDED")) == ["12345", "54321"]


@pytest.mark.usefixtures("namespaces")
def test_limits_hold(bench: Any) -> None:
    """The container's ulimits are the process's, soft and hard."""
    limit = {"name": "nofile", "softLimit": 77, "hardLimit": 78}
    job_id = bench.shell("ulimit -Sn; ulimit -Hn", container={"ulimits": [limit]})
    assert bench.lines(bench.wait_for(job_id, "SUCCEEDED")) == ["77", "78"]


def test_an_init_process_stands_before_the_job_when_asked(bench: Any) -> None:
    """With ``initProcessEnabled`` the job is not process 1, and SIGTERM's default ends it."""
    container = {"linuxParameters": {"initProcessEnabled": True}}
    job_id = bench.shell("echo $$; exec sleep 300", container=container)
    bench.wait_for(job_id, "RUNNING")
    bench.batch.terminate_job(jobId=job_id, reason="enough")
    job = bench.wait_for(job_id, "FAILED")
    assert bench.lines(job) != ["1"]
    assert job["container"]["exitCode"] == 128 + signal.SIGTERM


@pytest.mark.usefixtures("namespaces")
def test_a_read_only_root_leaves_what_is_the_jobs_own_writable(bench: Any) -> None:
    """With ``readonlyRootFilesystem`` a job writes to its mounts and scratch, no more."""
    read_only = {"sourceVolume": "efs", "containerPath": "/mnt/ro", "readOnly": True}
    job_id = bench.shell(
        "for d in /mnt/efs ~ /dev/shm /data /tmp /etc /mnt/ro /usr; do"
        " if touch $d/seen 2>/dev/null; then echo $d; rm $d/seen; fi; done; echo 1 >/dev/null",
        container={
            "readonlyRootFilesystem": True,
            "linuxParameters": {"tmpfs": [{"containerPath": "/data", "size": 4}]},
            "mountPoints": [{"sourceVolume": "efs", "containerPath": "/mnt/efs"}, read_only],
        },
    )
    job = bench.wait_for(job_id, "SUCCEEDED")
    scratch = str(bench.aws.root / "scratch" / job["container"]["taskArn"].rsplit("/", 1)[-1])
    assert bench.lines(job) == ["/mnt/efs", scratch, "/dev/shm", "/data"]  # noqa: S108 - the job's


@pytest.mark.usefixtures("namespaces")
def test_memory_file_systems_have_their_sizes_and_options(bench: Any) -> None:
    """``tmpfs`` and ``sharedMemorySize`` are in MiB, and ``mountOptions`` hold."""
    linux = {
        "sharedMemorySize": 3,
        "tmpfs": [{"containerPath": "/data/mem", "size": 5, "mountOptions": ["mode=700", "exec"]}],
    }
    job_id = bench.shell(
        "df -m --output=size /dev/shm /data/mem; stat -c %a /data/mem; "
        "cp /bin/true /data/mem && /data/mem/true && echo runs",
        container={"linuxParameters": linux},
    )
    lines = bench.lines(bench.wait_for(job_id, "SUCCEEDED"))
    assert [line.strip() for line in lines[1:]] == ["3", "5", "700", "runs"]


def test_terminate_gives_a_job_time_to_end(bench: Any) -> None:
    """SIGTERM reaches the main process, whose last words are logged; the reason is ours."""
    job_id = bench.shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    job = bench.wait_for(job_id, "RUNNING")
    while bench.lines(job) != ["up"]:
        time.sleep(0.02)
    bench.batch.terminate_job(jobId=job_id, reason="changed my mind")
    job = bench.wait_for(job_id, "FAILED")
    assert bench.lines(job) == ["up", "bye"]
    assert job["statusReason"] == "changed my mind"
    assert job["container"]["exitCode"] == 5
    assert (job["isTerminated"], job["isCancelled"]) == (True, False)


def test_terminate_kills_what_does_not_end(start_bench: Callable[..., Any]) -> None:
    """After the stop time-out the whole job is killed, children too."""
    bench = start_bench(stop_timeout_seconds=0.3)
    job_id = bench.shell("trap '' TERM; sleep 1000 & sleep 1000 & wait; wait")
    bench.wait_for(job_id, "RUNNING")
    bench.batch.terminate_job(jobId=job_id, reason="now")
    job = bench.wait_for(job_id, "FAILED")
    assert job["container"]["exitCode"] == 128 + signal.SIGKILL
    assert processes_of(job_id) == []


@pytest.mark.usefixtures("namespaces")
def test_nothing_survives_the_main_process(bench: Any) -> None:
    """What a job left in the background ends with it."""
    job_id = bench.shell("setsid sleep 1000 & sleep 1000 & exit 0")
    bench.wait_for(job_id, "SUCCEEDED")
    assert processes_of(job_id) == []


def test_cancel_leaves_a_running_job_alone(bench: Any, tmp_path: Path) -> None:
    """CancelJob succeeds and does nothing once a job has started."""
    job_id = bench.shell(f"until test -e {tmp_path}/go; do sleep 0.05; done")
    bench.wait_for(job_id, "RUNNING")
    bench.batch.cancel_job(jobId=job_id, reason="too late")
    (tmp_path / "go").touch()
    job = bench.wait_for(job_id, "SUCCEEDED")
    assert (job["isCancelled"], job["isTerminated"]) == (False, False)


@pytest.mark.parametrize("call", ["cancel_job", "terminate_job"])
def test_a_waiting_job_can_be_cancelled_and_terminated(bench: Any, call: str) -> None:
    """It never runs: terminated it fails at once, cancelled as what it depends on has ended."""
    first = bench.shell("sleep 300")
    waiting = bench.shell("true", dependsOn=[{"jobId": first}])
    bench.wait_for(waiting, "PENDING")
    getattr(bench.batch, call)(jobId=waiting, reason="not needed")
    if call == "cancel_job":
        job = bench.describe(waiting)
        assert (job["status"], job["isCancelled"]) == ("PENDING", True)
        bench.batch.terminate_job(jobId=first, reason="done")
    job = bench.wait_for(waiting, "FAILED")
    assert job["statusReason"] == "not needed"
    assert job["isCancelled"]
    assert job["isTerminated"] == (call == "terminate_job")
    assert bench.statuses(waiting) == ["SUBMITTED", "PENDING", "FAILED"]
    bench.batch.terminate_job(jobId=first, reason="done")


def test_a_dependent_job_waits(bench: Any) -> None:
    """A job runs only after all that it depends on have succeeded."""
    name = bench.name()
    first = [bench.shell(f"sleep 0.2; touch /mnt/efs/{name}-{i}") for i in range(2)]
    second = bench.shell(
        f"ls /mnt/efs/{name}-0 /mnt/efs/{name}-1", dependsOn=[{"jobId": each} for each in first]
    )
    bench.wait_for(second, "SUCCEEDED")


def test_a_dependent_job_fails_with_its_dependency(bench: Any) -> None:
    """It never runs, down the whole chain."""
    first = bench.shell("sleep 0.2; exit 1")
    second = bench.shell("true", dependsOn=[{"jobId": first}])
    third = bench.shell("true", dependsOn=[{"jobId": second}])
    for job_id in (second, third):
        bench.wait_for(job_id, "FAILED")
        assert "RUNNABLE" not in bench.statuses(job_id)


def test_a_failed_attempt_is_tried_again(bench: Any) -> None:
    """Attempts are kept with a log stream each; the last one decides."""
    name = bench.name()
    script = f"echo try $AWS_BATCH_JOB_ATTEMPT; test -e /mnt/efs/{name} || ! touch /mnt/efs/{name}"
    job_id = bench.shell(script, retryStrategy={"attempts": 3})
    job = bench.wait_for(job_id, "SUCCEEDED")
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [1, 0]
    assert bench.lines(job) == ["try 2"]
    assert len({each["container"]["logStreamName"] for each in job["attempts"]}) == 2
    assert bench.statuses(job_id) == [*ORDER, *ORDER[2:], "SUCCEEDED"]


def test_conditions_decide_on_another_attempt(bench: Any) -> None:
    """The first ``evaluateOnExit`` condition that matches decides."""
    strategy = {
        "attempts": 5,
        "evaluateOnExit": [
            {"onExitCode": "4*", "action": "RETRY"},
            {"onExitCode": "*", "action": "EXIT"},
        ],
    }
    script = "test $AWS_BATCH_JOB_ATTEMPT = 3 && exit 7; exit 42"
    job = bench.wait_for(bench.shell(script, retryStrategy=strategy), "FAILED")
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [42, 42, 7]


def test_jobs_wait_for_vcpus_in_order(start_bench: Callable[..., Any], tmp_path: Path) -> None:
    """A full compute environment leaves jobs RUNNABLE; the oldest starts first."""
    bench = start_bench(max_vcpus=2)
    jobs = [bench.shell(f"until test -e {tmp_path}/go; do sleep 0.05; done") for _ in range(5)]
    bench.wait_for(jobs[1], "RUNNING")
    assert bench.wait_for(jobs[4], "RUNNABLE")["startedAt"] == 0
    (tmp_path / "go").touch()
    for job_id in jobs:
        bench.wait_for(job_id, "SUCCEEDED")
    starts = [bench.describe(job_id)["startedAt"] for job_id in jobs]
    assert starts == sorted(starts)


def test_a_job_that_fits_nowhere_says_so(start_bench: Callable[..., Any]) -> None:
    """It stays RUNNABLE with Batch's reason, and can be cancelled."""
    bench = start_bench(max_vcpus=2)
    wanted = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "64"}]
    job_id = bench.shell("true", container={"resourceRequirements": wanted})
    job = bench.wait_for(job_id, "RUNNABLE")
    while "statusReason" not in job:
        job = bench.describe(job_id)
    assert job["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")
    behind = bench.shell("true")
    bench.batch.cancel_job(jobId=job_id, reason="too large")
    bench.wait_for(behind, "SUCCEEDED")


def test_a_start_delay_is_waited_out(start_bench: Callable[..., Any]) -> None:
    """``start_delay_seconds`` lies between RUNNABLE and RUNNING."""
    bench = start_bench(start_delay_seconds=0.3)
    job_id = bench.shell("true")
    bench.wait_for(job_id, "SUCCEEDED")
    at = dict(bench.aws.job_history(job_id))
    assert at["RUNNING"] - at["RUNNABLE"] >= 300


def test_a_hundred_jobs_run_at_once(bench: Any) -> None:
    """Many jobs, each with its own output, and few threads for all of them."""
    definition = bench.register("sh", "-c", "echo $MARK; sleep 0.3")["jobDefinitionArn"]
    threads = psutil.Process().num_threads()
    jobs = {}
    for number in range(100):
        answer = bench.batch.submit_job(
            jobName=bench.name(),
            jobQueue="miniwdl-task",
            jobDefinition=definition,
            containerOverrides={"environment": [{"name": "MARK", "value": f"mark {number}"}]},
        )
        jobs[answer["jobId"]] = f"mark {number}"
    assert psutil.Process().num_threads() <= threads + 2
    for job_id, mark in jobs.items():
        assert bench.lines(bench.wait_for(job_id, "SUCCEEDED")) == [mark]


def test_without_namespaces_the_mount_path_is_the_directory(
    start_bench: Callable[..., Any], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """Jobs run as plain processes, what they leave is killed, and other paths are refused."""
    mount_path = str(tmp_path / "efs")
    bench = start_bench(isolation="none", mount_path=mount_path)
    assert "no namespaces" in bench.aws.isolation
    assert bench.aws.efs_dir == Path(mount_path)
    points = [{"sourceVolume": "efs", "containerPath": mount_path}]
    job_id = bench.shell(
        f"echo 1 > {mount_path}/x; sleep 1000 & exit 4", container={"mountPoints": points}
    )
    assert bench.wait_for(job_id, "FAILED")["container"]["exitCode"] == 4
    assert (tmp_path / "efs" / "x").read_text() == "1\n"
    eventually(lambda: processes_of(job_id) == [])
    elsewhere = bench.wait_for(bench.shell("true"), "FAILED")
    assert "must be the directory" in elsewhere["container"]["reason"]
    stopped = bench.submit("sleep", "1000", container={"mountPoints": points})
    bench.wait_for(stopped, "RUNNING")
    bench.batch.terminate_job(jobId=stopped, reason="enough")
    assert bench.wait_for(stopped, "FAILED")["container"]["exitCode"] == 128 + signal.SIGTERM
    missing = bench.wait_for(
        bench.submit("no-such-program", container={"mountPoints": points}), "FAILED"
    )
    assert missing["container"]["exitCode"] == 127


def test_programs_of_an_image_come_first(start_bench: Callable[..., Any], tmp_path: Path) -> None:
    """Directories that stand for an image's are searched before this machine's."""
    program = tmp_path / "date"
    program.write_text("#!/bin/sh\necho from the image\n")
    program.chmod(0o755)
    bench = start_bench(program_dirs=(tmp_path,))
    assert bench.lines(bench.wait_for(bench.submit("date"), "SUCCEEDED")) == ["from the image"]
