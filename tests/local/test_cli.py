"""``miniwdl-aws-local``, as its users start it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import boto3
import psutil
import pytest

from miniwdl_aws.cli.local import main
from miniwdl_aws.environment import environment_for
from miniwdl_aws.local.faults import KINDS

OPTION = re.compile(r"(?<![-\w])--[a-z][-a-z]+")
PAGE = Path(__file__).parent.parent.parent / "docs" / "local-aws.md"
PROGRAM = [sys.executable, "-m", "miniwdl_aws.local"]
EXPECTED = {
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("MINIWDL__AWS__WORKFLOW_QUEUE", "MINIWDL__AWS__WORKFLOW_IMAGE"),
    *("MINIWDL_AWS_LOCAL_BUCKET", "MINIWDL_AWS_LOCAL_EFS_DIR", "MINIWDL_AWS_LOCAL_FSAP"),
}


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the program; kill it after the test if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def output(process: subprocess.Popen[str]) -> IO[str]:
    """Return a process's standard output."""
    assert process.stdout is not None
    return process.stdout


def run_sleepers(environment: dict[str, str], count: int) -> None:
    """Run jobs that ignore SIGTERM."""
    batch: Any = boto3.client(
        "batch",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    wanted = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
    batch.register_job_definition(
        jobDefinitionName="sleeper",
        type="container",
        containerProperties={
            "image": "none",
            "command": ["sh", "-c", "trap '' TERM; setsid sleep 1000 & wait; wait"],
            "resourceRequirements": wanted,
        },
    )
    request = {"jobName": "s", "jobQueue": "miniwdl-task", "jobDefinition": "sleeper"}
    ids = [batch.submit_job(**request)["jobId"] for _ in range(count)]
    deadline = time.monotonic() + 30
    while any(job["status"] != "RUNNING" for job in batch.describe_jobs(jobs=ids)["jobs"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def job_processes(server: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return all processes below a server's."""
    return psutil.Process(server.pid).children(recursive=True)


def wait_until_gone(processes: list[psutil.Process]) -> None:
    """Wait until processes have ended (reaped or not: their parent may be init)."""
    deadline = time.monotonic() + 20
    while [each for each in processes if _lives(each)]:
        assert time.monotonic() < deadline, [each for each in processes if _lives(each)]
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_json_is_one_line_with_the_whole_environment(start: Callable[..., Any]) -> None:
    """Standard output is for machines, standard error for people."""
    process = start("--json")
    environment = json.loads(output(process).readline())
    assert set(environment) == EXPECTED
    process.send_signal(signal.SIGTERM)
    rest, notes = process.communicate(timeout=30)
    assert rest == ""
    assert process.returncode == 0
    assert environment["AWS_ENDPOINT_URL"] in notes


def test_the_shell_can_evaluate_the_output(start: Callable[..., Any], tmp_path: Path) -> None:
    """``export`` lines, quoted, are the default, after what would mislead is unset."""
    root = str(tmp_path / "a 'root'")
    process = start("--root", root, "--mount-path", f"{root}/efs")
    lines = [output(process).readline() for _ in ("unset", *EXPECTED)]
    script = "AWS_PROFILE=old\n" + "".join(lines)
    script += 'printf "%s%s" "$MINIWDL_AWS_LOCAL_EFS_DIR" "$AWS_PROFILE"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.startswith(root)
    assert Path(told.stdout).is_dir()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert Path(told.stdout).is_dir()


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_outlives_the_server(start: Callable[..., Any], number: signal.Signals) -> None:
    """Stopped in order or killed, it leaves no process of any job."""
    process = start("--json")
    environment = json.loads(output(process).readline())
    run_sleepers(environment, 3)
    processes = job_processes(process)
    assert len(processes) >= 6
    process.send_signal(number)
    process.wait(timeout=30)
    wait_until_gone(processes)
    root = Path(environment["MINIWDL_AWS_LOCAL_EFS_DIR"]).parents[2]
    assert root.exists() == (number == signal.SIGKILL)
    if root.exists():
        subprocess.run(["rm", "-r", str(root)], check=True)


def test_run_gives_a_command_the_environment_and_returns_its_exit_code() -> None:
    """It sees the local AWS, and neither endpoints nor a profile that this machine lacks."""
    script = (
        "import boto3, sys; "
        "print(boto3.client('batch').describe_job_queues()['jobQueues'][0]['jobQueueName']); "
        "sys.exit(9)"
    )
    elsewhere = {"AWS_ENDPOINT_URL_BATCH": "http://127.0.0.1:1", "AWS_PROFILE": "no-such-profile"}
    environment = {**os.environ, **elsewhere}
    done = subprocess.run(
        [*PROGRAM, "run", "--", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 9, done.stderr
    assert done.stdout == "miniwdl-workflow\n"


def test_it_says_why_jobs_have_no_namespaces(tmp_path: Path) -> None:
    """Where the kernel refuses them, jobs are plain processes, unless namespaces are asked for."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("it takes root and setpriv to give up the right to mount")
    unprivileged = ["setpriv", "--bounding-set=-sys_admin", *PROGRAM, "--mount-path", str(tmp_path)]
    started = [
        subprocess.Popen(
            [*unprivileged, f"--isolation={isolation}", "run", "--", "true"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for isolation in ("auto", "namespace")
    ]
    notes = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 1]
    assert "jobs run in no namespaces: jobs are plain processes" in notes[0]
    assert all("clone3: " in each for each in notes), notes


def test_run_of_a_missing_command_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """It is 127, as in a shell."""
    assert main(["run", "--", "no-such-program"]) == 127
    assert "cannot run no-such-program" in capfd.readouterr().err


def test_an_address_that_others_reach_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """One sentence on standard error, nothing on standard output, exit code 1."""
    assert main(["--host", "192.0.2.1"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "--allow-remote" in err


def test_a_commands_environment_points_nowhere_else() -> None:
    """Profiles, sessions and endpoints of the caller are left out, proxies are passed by."""
    base = {
        "AWS_PROFILE": "p",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "u",
        "NO_PROXY": "example.org",
        "HOME": "/h",
        "AWS_REGION": "other",
    }
    assert environment_for(base, {"AWS_REGION": "r"}) == {
        "HOME": "/h",
        "AWS_REGION": "r",
        "NO_PROXY": "example.org,127.0.0.1",
        "no_proxy": "example.org,127.0.0.1",
    }


def test_faults_and_rates_come_from_the_command_line(tmp_path: Path) -> None:
    """Both sources of rules, the seed and the rates reach the local AWS."""
    rules = tmp_path / "faults.json"
    rules.write_text('["kill,job=a"]')
    script = (
        "import os, urllib.request as u;"
        "print(u.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_miniwdl_aws_local/faults')"
        ".read().decode())"
    )
    options = ["--fault", "throttle,times=1", "--faults", str(rules), "--seed", "7"]
    pace = ["--rates", "batch=9/9", "--latency-ms", "uniform:1-2"]
    done = subprocess.run(
        [*PROGRAM, *options, *pace, "run", "--", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["seed"] == 7
    assert [each["fault"] for each in answer["faults"]] == ["throttle,times=1", "kill,job=a"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "kil"], "fault 'kil' is no kind (did you mean 'kill'?)"),
        (["--fault", "kill,probability=2"], "fault kill: probability must be above 0"),
        (["--faults", "/nowhere"], "the file of faults /nowhere cannot be read"),
        (["--rates", "fast"], "rates 'fast': 'fast' names no rate"),
        (["--latency-ms", "slow"], "latency 'slow' is neither milliseconds"),
        (["--burst", "5"], "burst 5.0 is of no use without a rate"),
        (["--port", "65536"], "port 65536 (--port) must be from 1 to 65535, or 0"),
        (["--max-vcpus", "0"], "max_vcpus 0 (--max-vcpus) must be at least 1"),
        (["--mount-path", "efs"], "mount_path 'efs' (--mount-path) must be an absolute path"),
        (["--start-delay", "-1"], "start_delay_seconds must be 0 or more, got -1.0"),
        (["--stop-timeout", "nan"], "stop_timeout_seconds must be 0 or more, got nan"),
        (["--region", "us-west-9"], "region 'us-west-9' (--region, region) is no region of AWS"),
    ],
)
def test_misuse_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """It says what is wrong, and the exit code is not 0."""
    assert main(arguments) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_help_names_every_kind_of_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it does."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for name, kind in KINDS.items():
        assert f"  {name} " in text
        assert kind.summary in text


def test_the_page_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """And none that the program does not have."""
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(OPTION.findall(capsys.readouterr().out))
    page = PAGE.read_text()
    (table,) = re.findall(r"^\| option \|.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    listed = {each for row in table.splitlines() for each in OPTION.findall(row.split("|")[1])}
    assert listed == options - {"--help"}
