"""Tests of ``miniwdl-aws-submit status|logs|cancel``, and of the self-test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miniwdl_aws.cli.runs import is_about_a_run
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.jobs import describe_all

if TYPE_CHECKING:
    import subprocess

    from miniwdl_aws.local import LocalAws

Submit = Callable[..., "subprocess.CompletedProcess[str]"]

JOB = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

TWO_CALLS = """version 1.1
task speak {
  input { Int n }
  command <<< echo "said ~{n}" >&2; [ ~{n} -lt 1 ] || exit 7 >>>
  output { }
  runtime { docker: "ubuntu:22.04" }
}
workflow two {
  call speak as first { input: n = 0 }
  call speak as second after first { input: n = 1 }
}
"""

SLOW = """version 1.1
task sleep {
  command <<< echo asleep >&2; sleep 600 >>>
  output { }
  runtime { docker: "ubuntu:22.04" }
}
workflow slow { scatter (i in range(2)) { call sleep } }
"""


def test_a_word_is_a_command_unless_it_is_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WDL file called status can be submitted, and runs are looked after beside it."""
    monkeypatch.chdir(tmp_path)
    assert is_about_a_run(["status", JOB])
    assert is_about_a_run(["logs", "--help"])
    assert not is_about_a_run(["w.wdl", "status=1"])
    assert not is_about_a_run([])
    (tmp_path / "logs").mkdir()
    assert is_about_a_run(["logs", "--call", "x", JOB])
    (tmp_path / "status").write_text("version 1.1\n")
    assert not is_about_a_run(["status", "name=Ada"])
    assert is_about_a_run(["status", JOB])


def test_a_run_is_shown_call_by_call(submit: Submit, tmp_path: Path) -> None:
    """States, times, exit codes and logs of its task jobs, for people and for machines."""
    wdl = tmp_path / "two.wdl"
    wdl.write_text(TWO_CALLS)
    job_id = submit(wdl, "--wait").stdout.strip()

    shown = submit("status", job_id)
    assert shown.returncode == 0, shown.stderr
    assert f"job {job_id}" in shown.stdout.splitlines()[0]
    assert "FAILED" in shown.stdout.splitlines()[0]

    document = json.loads(submit("status", "--json", job_id).stdout)
    assert document["job"]["status"] == "FAILED"
    first, second = document["calls"]
    assert (first["name"], first["status"], first["exit_code"]) == ("first", "SUCCEEDED", 0)
    assert (second["name"], second["status"], second["exit_code"]) == ("second", "FAILED", 7)
    assert first["queue_seconds"] >= 0
    assert first["run_seconds"] >= 0
    assert first["log_url"].startswith("https://")
    assert second["job_id"] in shown.stdout

    log = submit("logs", job_id)
    assert "call-second" in log.stdout
    assert "::miniwdl-aws-outcome::" not in log.stdout
    (line,) = submit("logs", job_id, "--call", "call-first").stdout.splitlines()
    assert line == "said 0"
    missing = submit("logs", job_id, "--call", "third")
    assert missing.returncode == 2
    assert "status" in missing.stderr
    ended = submit("cancel", job_id)
    assert ended.returncode == 0
    assert "has ended already: FAILED" in ended.stderr


def test_a_run_is_cancelled_with_all_of_its_jobs(
    submit: Submit,
    tmp_path: Path,
    aws: "LocalAws",
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """The program ends when they have ended."""
    assert aws.bucket
    wdl = tmp_path / "slow.wdl"
    wdl.write_text(SLOW)
    job_id = submit(wdl).stdout.strip()

    def running() -> bool:
        calls = json.loads(submit("status", "--json", job_id).stdout)["calls"]
        return [call["status"] for call in calls] == ["RUNNING", "RUNNING"]

    eventually(running)
    done = submit("cancel", job_id, "--reason", "no longer wanted")
    assert done.returncode == 0, done.stderr
    assert f"ended job {job_id}" in done.stderr
    document = json.loads(submit("status", "--json", job_id).stdout)
    assert {call["status"] for call in document["calls"]} == {"FAILED"}
    (job,) = describe_all(AwsClients(), [job_id])
    assert job.is_terminal
    assert "no longer wanted" in job.reason


def test_an_unknown_job_is_said_to_be_unknown(submit: Submit) -> None:
    """A job id with a typo ends in a sentence."""
    for command in ("status", "logs", "cancel"):
        done = submit(command, JOB)
        assert done.returncode == 1
        assert f"Batch knows no job {JOB}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_self_test_says_what_works(submit: Submit, local_aws: "LocalAws") -> None:
    """Workflow job, task jobs, file system, retry, publication: each in a sentence."""
    done = submit("--self-test", "--s3upload", f"s3://{local_aws.bucket}/self-test")
    assert done.returncode == 0, done.stderr
    works = [line for line in done.stderr.splitlines() if line.startswith("ok ")]
    parts = ["ran miniwdl", "job of its own", "files of 2 others", "2 tries", "were published to"]
    assert len(works) == len(parts)
    assert all(part in line for part, line in zip(parts, works, strict=True))
    assert done.stdout.strip() in works[0]
