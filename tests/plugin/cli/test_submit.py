"""Tests of the program ``miniwdl-aws-submit``, run as a person runs it."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsNotFoundError
from miniwdl_aws.jobs import describe_all, find_jobs
from miniwdl_aws.s3 import stat_object

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

PROGRAM = Path(sys.executable).parent / "miniwdl-aws-submit"
HELLO = Path(__file__).parent.parent.parent.parent / "docs" / "hello.wdl"
JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

FAILING = """version 1.1
task fail {
  command <<< echo working; echo "the reason why" >&2; exit 7 >>>
  output { }
  runtime { docker: "ubuntu:22.04" }
}
workflow failing { call fail }
"""

CTRL_C = b"\x03"

SLOW = FAILING.replace("exit 7", "sleep 600")


def run(environ: Mapping[str, str], *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(PROGRAM), *(str(argument) for argument in arguments)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def write(folder: Path, text: str) -> Path:
    path = folder / "w.wdl"
    path.write_text(text)
    return path


def test_following_a_run_shows_its_log_and_ends_with_its_code(
    environ: dict[str, str], local_aws: "LocalAws"
) -> None:
    """Standard output holds the job id alone; the log and all else is for people."""
    upload = f"s3://{local_aws.bucket}/cli/"
    done = run(environ, HELLO, "name=Ada", "--follow", "--s3upload", upload)
    assert done.returncode == 0, done.stderr
    assert JOB_ID.fullmatch(done.stdout.strip())
    assert "published" in done.stderr
    assert "SUCCEEDED" in done.stderr
    assert "::miniwdl-aws-outcome::" not in done.stderr


def test_waiting_for_a_failing_run_ends_with_its_code_and_says_why(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The code is miniwdl's, which is the command's; the message has call and standard error."""
    done = run(environ, write(tmp_path, FAILING), "--wait")
    assert done.returncode == 7, done.stderr
    assert JOB_ID.fullmatch(done.stdout.strip())
    for part in ("call-fail", "exit code: 7", "the reason why"):
        assert part in done.stderr


def test_a_run_key_is_submitted_once(environ: dict[str, str], tmp_path: Path) -> None:
    """A script that is run twice does not run the workflow twice."""
    arguments = (HELLO, "name=Ada", "--run-key", f"test/{tmp_path}")
    first, second = run(environ, *arguments), run(environ, *arguments)
    assert first.stdout == second.stdout
    assert "nothing was submitted" in second.stderr


def test_a_dry_run_prints_the_requests_and_sends_none(
    environ: dict[str, str], local_aws: "LocalAws", local_aws_environment: object
) -> None:
    """What is printed is JSON, and AWS has no job and no object of it."""
    exchange = f"s3://{local_aws.bucket}/dry"
    done = run(environ, HELLO, "name=Ada", "--dry-run", "--exchange", exchange, "--tag", "lab=vir")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert list(document) == ["PutObject", "RegisterJobDefinition", "SubmitJob"]
    put, job = document["PutObject"], document["SubmitJob"]
    assert put["Key"] == f"dry/{put['SHA256']}.zip"
    assert job["tags"]["lab"] == "vir"
    clients = AwsClients()
    with pytest.raises(AwsNotFoundError):
        stat_object(clients, put["Bucket"], put["Key"])
    assert find_jobs(clients, job["jobQueue"], job["jobName"]) == []


def write_large(folder: Path, size: int) -> Path:
    """Write a workflow whose imports, three folders deep, have so many bytes together."""
    count = max(1, size // 100_000)
    main = ["version 1.1", *(f'import "a/{n}/mid.wdl" as m{n}' for n in range(count))]
    calls = [f"  call m{n}.mid as leaf{n} {{ input: n = {n} }}" for n in (0, count - 1)][:count]
    for number in range(count):
        deep = folder / "a" / str(number) / "b" / "c"
        deep.mkdir(parents=True)
        (deep.parents[1] / "mid.wdl").write_text(
            'version 1.1\nimport "b/c/leaf.wdl" as l\n'
            "workflow mid { input { Int n } call l.leaf { input: n } "
            "output { String out = leaf.out } }\n"
        )
        # Noise, so that nothing compresses it away: a bundle is as large as its source.
        noise = random.Random(number).randbytes(size // count // 2).hex()  # noqa: S311  (no secret)
        lines = "\n".join("# " + noise[at : at + 78] for at in range(0, len(noise), 78))
        (deep / "leaf.wdl").write_text(f"version 1.1\n{lines}\n{LEAF}")
    body = "\n".join([*main, "workflow large {", *calls, "  output { String s = leaf0.out } }"])
    path = folder / "large.wdl"
    path.write_text(body)
    return path


LEAF = """task leaf {
  input { Int n }
  command <<< echo leaf ~{n} >>>
  output { String out = read_string(stdout()) }
  runtime { docker: "ubuntu:22.04" }
}
"""


@pytest.mark.parametrize("size", [40_000, 400_000, 5_000_000])
def test_a_workflow_of_any_size_is_submitted_and_runs(
    environ: dict[str, str], aws: "LocalAws", tmp_path: Path, size: int
) -> None:
    """The established program ships 36 kB, and ends with 123 beyond."""
    path = write_large(tmp_path, size)
    assert sum(each.stat().st_size for each in tmp_path.rglob("*.wdl")) >= size
    upload = f"s3://{aws.bucket}/large/{size}/"
    done = run(environ, path, "--wait", "--s3upload", upload)
    assert done.returncode == 0, done.stderr
    body = AwsClients().s3.get_object(Bucket=aws.bucket, Key=f"large/{size}/outputs.json")
    assert json.loads(body["Body"].read())["large.s"] == "leaf 0"


@pytest.mark.parametrize(
    ("arguments", "changes", "parts"),
    [
        (["nmae=Ada"], {}, ["No such input", "Did you mean name?"]),
        ([], {}, ["missing required inputs for hello: name"]),
        (["name=A", "--worfklow-queue", "x"], {},
         ["unrecognized arguments: --worfklow-queue", "did you mean --workflow-queue"]),
        (["name=A", "--workflow-queue", "miniwdl-workflo"], {},
         ["workflow_queue 'miniwdl-workflo'", "argument --workflow-queue",
          "Did you mean miniwdl-workflow?"]),
        (["name=A", "--dir", "/mnt/efs2/x"], {}, ["dir '/mnt/efs2/x'", "/mnt/efs"]),
        (["name=A", "--delete-after", "always"], {}, ["delete_after", "s3upload"]),
        (["name=A", "--s3upload", "s3://no-such-bucket-at-all/x"], {},
         ["s3upload", "does not exist"]),
        (["name=A"], {"MINIWDL__AWS__WORKFLOW_IMAGE": ""}, ["image is not set", "--image"]),
        (["name=A"], {"MINIWDL__AWS__WORKFLOW_QUEUE": ""},
         ["workflow_queue is not set", "MINIWDL__AWS__WORKFLOW_QUEUE"]),
        (["name=A"], {"MINIWDL__AWS__FSAP": "fsap-00000000"},
         ["fsap 'fsap-00000000'", "environment variable MINIWDL__AWS__FSAP"]),
        (["name=A"], {"AWS_DEFAULT_REGION": "", "AWS_REGION": ""}, ["region is not set"]),
    ],
)  # fmt: skip
def test_a_mistake_ends_in_one_message_and_nothing_is_submitted(
    environ: dict[str, str], arguments: list[str], changes: dict[str, str], parts: list[str]
) -> None:
    """The message names the field, the value, where it came from and what to set."""
    done = run({**environ, **changes}, HELLO, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_missing_credentials_end_in_one_message(environ: dict[str, str]) -> None:
    """It says where credentials are looked for."""
    without = {
        name: value
        for name, value in environ.items()
        if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    }
    done = run({**without, "AWS_EC2_METADATA_DISABLED": "true"}, HELLO, "name=A")
    assert done.returncode == 1
    assert "NoCredentialsError" in done.stderr
    assert "AWS_PROFILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_ctrl_c_ends_the_run(
    environ: dict[str, str],
    tmp_path: Path,
    aws: "LocalAws",
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    """At a terminal; the first one says that the run goes on and how to end it."""
    assert aws.bucket
    command = [str(PROGRAM), str(write(tmp_path, SLOW)), "--follow"]
    terminal = f"import pty, sys; sys.exit(pty.spawn({command!r}) >> 8)"
    log = tmp_path / "screen"
    with (
        log.open("wb") as screen,
        subprocess.Popen(
            [sys.executable, "-c", terminal],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=screen,
            stderr=subprocess.STDOUT,
        ) as program,
    ):
        assert program.stdin is not None
        eventually(lambda: "RUNNING" in log.read_text())
        found = JOB_ID.search(log.read_text())
        assert found is not None
        job_id = found[0]
        for _ in range(2):
            program.stdin.write(CTRL_C)
            program.stdin.flush()
            eventually(lambda: "The run goes on in AWS Batch" in log.read_text())
        assert program.wait(timeout=120) == 130
    assert f"ended job {job_id}" in log.read_text()
    (status,) = describe_all(AwsClients(), [job_id])
    assert status.is_terminal
    assert status.is_terminated
