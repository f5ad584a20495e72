"""Tests of `MiniwdlSubmitOperator` and `MiniwdlRunOperator` on the local AWS."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferralTimeout
from structlog.testing import capture_logs

from airflow_provider_miniwdl_aws.identity import identify
from airflow_provider_miniwdl_aws.operators import MiniwdlRunOperator, MiniwdlSubmitOperator
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import CommandFailedError, JobCancelledError
from miniwdl_aws.jobs import describe_all, find_jobs, terminate
from miniwdl_aws.status import JobStatus
from miniwdl_aws.submit import jobs_of_run_key

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

SLOW = """version 1.1
task wait {
  command <<< echo working; sleep 600 >>>
  output { }
  runtime { docker: "ubuntu:22.04" }
}
workflow slow { call wait }
"""

FAILING = SLOW.replace("sleep 600", 'echo "the reason why" >&2; exit 7').replace("slow", "failing")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    path = tmp_path / "slow.wdl"
    path.write_text(SLOW)
    return path


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    path = tmp_path / "failing.wdl"
    path.write_text(FAILING)
    return path


def run_operator(wdl: Path, **arguments: Any) -> MiniwdlRunOperator:
    return MiniwdlRunOperator(task_id="assemble", wdl=wdl, **arguments)


def job_of(clients: AwsClients, job_id: str) -> JobStatus:
    (status,) = describe_all(clients, [job_id])
    return status


def jobs_of(clients: AwsClients, tries: Any) -> list[JobStatus]:
    """Find all jobs that the tries of a task have submitted."""
    run_key = identify(tries.context).run_key
    return jobs_of_run_key(clients, "miniwdl-workflow", run_key)


def test_a_run_is_deferred_for_and_gives_its_outputs(
    aws: "LocalAws", worker: Any, triggerer: Any, hello: Path
) -> None:
    """Submit, defer, resume: outputs are returned, the rest is in XComs and links."""
    target = f"s3://{aws.bucket}/provider/{hello.stem}/"
    tries = worker(run_operator(hello, inputs={"name": "Ada"}, s3upload=target, do_xcom_push=False))
    deferral = tries.execute()
    assert "_link_MiniwdlJobLink" in tries.ti.xcoms  # shown while deferred
    with capture_logs() as logs:
        event = triggerer.run(deferral)
    assert event["status"] == "SUCCEEDED"
    assert tries.resume(deferral, event) == {"hello.greeting": "Hello, Ada!"}

    lines = [entry["event"] for entry in logs]
    assert any("wdl.w:hello" in line and "workflow start" in line for line in lines)
    assert not any("::miniwdl-aws-outcome::" in line for line in lines)
    xcoms = tries.ti.xcoms
    assert xcoms["job_id"] == deferral.arguments["job_id"]
    assert xcoms["run_dir"].startswith("/mnt/efs/miniwdl_run/")
    assert xcoms["published"] == target
    for link in ("Job", "Log", "Output"):
        assert xcoms[f"_link_Miniwdl{link}Link"].startswith("https://us-west-2.console.aws.")


def test_an_event_comes_no_sooner_than_ten_seconds(
    worker: Any, triggerer: Any, hello: Path
) -> None:
    """A job that ends at once still gives the scheduler time to write down the deferral."""
    deferral = worker(run_operator(hello, inputs={"name": "Ada"})).execute()
    triggerer.run(deferral)
    (pause,) = triggerer.slept
    assert 0 < pause <= 10


def test_a_failing_task_is_shown_with_call_code_stderr_and_log(
    worker: Any, triggerer: Any, failing: Path
) -> None:
    """The Airflow log says what failed without anybody opening the AWS console."""
    tries = worker(run_operator(failing))
    deferral = tries.execute()
    event = triggerer.run(deferral)
    with pytest.raises(CommandFailedError) as caught:
        tries.resume(deferral, event)
    message = str(caught.value)
    assert "call-wait" in message
    assert "exit code: 7" in message
    assert "the reason why" in message
    assert "console.aws.amazon.com/cloudwatch" in message
    assert tries.ti.xcoms["run_dir"]  # for whoever cleans up


def test_a_retry_adopts_the_job_that_lives(clients: AwsClients, worker: Any, slow: Path) -> None:
    """A worker that dies after the submission costs nothing: the run goes on."""
    tries = worker(run_operator(slow, retries=2))
    first = tries.execute()
    second = tries.retry()
    assert second.arguments["job_id"] == first.arguments["job_id"]
    assert len(jobs_of(clients, tries)) == 1
    terminate(clients, first.arguments["job_id"], "end of test")


def test_a_retry_after_success_does_not_wait_again(
    clients: AwsClients, worker: Any, triggerer: Any, hello: Path
) -> None:
    """A job that has ended is not deferred for; its outputs are there at once."""
    tries = worker(run_operator(hello, inputs={"name": "Ada"}, retries=1))
    triggerer.run(tries.execute())
    assert tries.retry() == {"hello.greeting": "Hello, Ada!"}
    assert len(jobs_of(clients, tries)) == 1


def test_a_retry_after_failure_submits_anew(worker: Any, triggerer: Any, failing: Path) -> None:
    """What failed is tried again, since that is what a retry is for."""
    tries = worker(run_operator(failing, retries=1))
    first = tries.execute()
    triggerer.run(first)
    second = tries.retry()
    assert second.arguments["job_id"] != first.arguments["job_id"]
    triggerer.run(second)


def test_clearing_runs_again_and_ends_what_still_runs(
    clients: AwsClients, worker: Any, slow: Path, eventually: Callable[..., None]
) -> None:
    """A person who clears a task gets a new job, and the old one is ended, in whichever order."""
    tries = worker(run_operator(slow))
    first = tries.execute().arguments["job_id"]
    second = tries.clear().arguments["job_id"]
    assert first != second
    eventually(lambda: job_of(clients, first).is_terminal)
    assert not job_of(clients, second).is_terminal
    assert "superseded" in job_of(clients, first).reason
    terminate(clients, second, "end of test")


def test_clearing_a_succeeded_task_runs_it_again(worker: Any, triggerer: Any, hello: Path) -> None:
    """Only retries adopt what has succeeded."""
    tries = worker(run_operator(hello, inputs={"name": "Ada"}))
    first = tries.execute()
    triggerer.run(first)
    second = tries.clear()
    assert second.arguments["job_id"] != first.arguments["job_id"]
    triggerer.run(second)


def test_a_deferral_that_takes_too_long_ends_the_job(
    clients: AwsClients, worker: Any, slow: Path, eventually: Callable[..., None]
) -> None:
    """Airflow kills nothing then; the resumed task does, task jobs included."""
    tries = worker(run_operator(slow, execution_timeout=timedelta(hours=1)))
    deferral = tries.execute()
    assert deferral.timeout == timedelta(hours=1)
    job_id = deferral.arguments["job_id"]
    eventually(lambda: _live_task_jobs(clients, job_id))
    with pytest.raises(TaskDeferralTimeout):
        tries.fail_deferral("Trigger timeout")
    eventually(lambda: job_of(clients, job_id).is_terminal)
    eventually(lambda: not _live_task_jobs(clients, job_id))
    assert "deferred for longer" in job_of(clients, job_id).reason


def test_a_broken_trigger_loses_nothing(worker: Any, hello: Path) -> None:
    """The worker waits in its place."""
    tries = worker(run_operator(hello, inputs={"name": "Ada"}))
    tries.execute()
    assert tries.fail_deferral("Trigger failure") == {"hello.greeting": "Hello, Ada!"}


def test_an_early_event_defers_again(clients: AwsClients, worker: Any, slow: Path) -> None:
    """An event wakes the task and decides nothing: Batch is asked."""
    tries = worker(run_operator(slow))
    first = tries.execute()
    job_id = first.arguments["job_id"]
    second = tries.resume(first, {"job_id": job_id, "status": "SUCCEEDED"})
    assert second.arguments["job_id"] == job_id
    terminate(clients, job_id, "end of test")


def test_a_worker_can_wait_itself(worker: Any, hello: Path) -> None:
    """Without a triggerer, the log is copied and the outputs are returned all the same."""
    tries = worker(run_operator(hello, inputs={"name": "Ada"}, deferrable=False))
    with capture_logs() as logs:
        assert tries.execute() == {"hello.greeting": "Hello, Ada!"}
    assert any("workflow start" in entry["event"] for entry in logs)


def test_killing_a_worker_ends_the_jobs(
    clients: AwsClients, worker: Any, slow: Path, eventually: Callable[..., None]
) -> None:
    """Whether Airflow kills it while it waits or while it submits."""
    for task in (run_operator(slow), MiniwdlSubmitOperator(task_id="submit", wdl=slow)):
        tries = worker(task)
        tries.execute()
        job_id = tries.ti.xcoms["job_id"]
        task.on_kill()
        eventually(lambda job_id=job_id: job_of(clients, job_id).is_terminal)
        assert "was killed" in job_of(clients, job_id).reason


def test_a_kill_in_the_middle_of_submission_leaves_no_job(
    clients: AwsClients, worker: Any, slow: Path, eventually: Callable[..., None]
) -> None:
    """A job whose id came after the kill is ended as soon as the id is known."""
    task = MiniwdlSubmitOperator(task_id="submit", wdl=slow)
    task.on_kill()
    tries = worker(task)
    tries.execute()
    eventually(lambda: job_of(clients, tries.ti.xcoms["job_id"]).is_terminal)


def test_a_run_that_somebody_ended_says_who(
    clients: AwsClients, worker: Any, triggerer: Any, slow: Path
) -> None:
    """The reason that was given to Batch is in the error."""
    tries = worker(run_operator(slow))
    deferral = tries.execute()
    terminate(clients, deferral.arguments["job_id"], "the budget is spent")
    event = triggerer.run(deferral)
    with pytest.raises(JobCancelledError, match="the budget is spent"):
        tries.resume(deferral, event)


def test_submission_alone_gives_the_job_id(clients: AwsClients, worker: Any, slow: Path) -> None:
    """And waits for nothing."""
    tries = worker(MiniwdlSubmitOperator(task_id="submit", wdl=slow, run_name="my run"))
    job_id = tries.execute()
    status = job_of(clients, job_id)
    assert not status.is_terminal
    assert re.fullmatch(r"mw-[0-9a-f]{10}-my_run", status.job_name)
    terminate(clients, job_id, "end of test")


BAD_WDL = "version 1.1\nworkflow w { output { Int x = nobody } }\n"

BAD_INPUT: list[tuple[str, dict[str, Any], str]] = [
    ("type check", {"wdl": BAD_WDL}, r"does not pass the check:\n.*line 2"),
    ("no such file", {"wdl": None}, r"'/nowhere/x.wdl' is not on this machine"),
    ("misspelled input", {"inputs": {"nam": "Ada"}}, "nam.* Did you mean name"),
    ("missing input", {"inputs": {}}, "Required inputs of hello: name"),
    ("inputs that are no JSON", {"inputs": {"name": object()}}, "inputs cannot be written as JSON"),
    ("local file", {"wdl": "file", "inputs": {"f": "/etc/hosts"}}, "not visible to the job"),
    ("unknown queue", {"workflow_queue": "miniwdl-workflo"},
     r"'miniwdl-workflo' \(from argument workflow_queue\) does not exist.*mean miniwdl-workflow"),
    ("unknown task queue", {"task_queue": "gpu"}, r"task_queue 'gpu' .*does not exist"),
    ("unknown access point", {"fsap": "fsap-0123"}, "fsap 'fsap-0123' .*does not exist"),
    ("malformed access point", {"fsap": "fs-1"}, "must be an EFS access point"),
    ("unknown bucket", {"s3upload": "s3://no-such-bucket-here/x"}, "s3upload .*does not exist"),
    ("dir outside the mount", {"dir": "/mnt/efs2/x"}, "dir '/mnt/efs2/x' .*not below the mount"),
    ("impossible size", {"cpu": 3}, "cpu"),
    ("delete without upload", {"delete_after": "always"}, "delete_after .*s3upload is not"),
    ("unknown option", {"miniwdl_args": ["--no-such-option"]}, "--no-such-option"),
]  # fmt: skip

FILE_WDL = "version 1.1\nworkflow w { input { File f } output { String s = basename(f) } }\n"


@pytest.mark.parametrize(
    ("arguments", "message"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT]
)
def test_bad_input_fails_for_good_before_anything_is_submitted(
    clients: AwsClients,
    worker: Any,
    hello: Path,
    tmp_path: Path,
    arguments: dict[str, Any],
    message: str,
) -> None:
    """One message names field, value, source and remedy; no retry could mend it."""
    arguments = {"wdl": str(hello), "inputs": {"name": "Ada"}, **arguments}
    if arguments["wdl"] is None:
        arguments["wdl"] = "/nowhere/x.wdl"
    elif not arguments["wdl"].endswith(".wdl"):
        text = FILE_WDL if arguments["wdl"] == "file" else arguments["wdl"]
        (tmp_path / "w.wdl").write_text(text)
        arguments["wdl"] = str(tmp_path / "w.wdl")
    tries = worker(MiniwdlRunOperator(task_id="bad", **arguments))
    with pytest.raises(AirflowFailException, match=re.compile(message, re.DOTALL)):
        tries.execute()
    assert jobs_of(clients, tries) == []


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_ACCESS_KEY_ID"])
@pytest.mark.usefixtures("aws")
def test_no_region_and_no_credentials_are_said(
    worker: Any, hello: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """What boto3 finds nowhere is named, with the places where it looks."""
    for each in (name, "AWS_DEFAULT_REGION" if name == "AWS_REGION" else "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(each)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    expected = "Set AWS_DEFAULT_REGION" if name == "AWS_REGION" else "Set AWS_PROFILE"
    with pytest.raises(Exception, match=expected):
        worker(run_operator(hello, inputs={"name": "Ada"})).execute()


def test_a_relative_source_lies_beside_the_dag(
    clients: AwsClients, worker: Any, slow: Path
) -> None:
    """Wherever the worker's own folder is."""
    from airflow.sdk import DAG  # noqa: PLC0415  (after AIRFLOW_HOME is set)

    with DAG("d", schedule=None) as dag:
        dag.fileloc = str(slow.parent / "dag.py")
        task = MiniwdlSubmitOperator(task_id="submit", wdl="slow.wdl")
    job_id = worker(task).execute()
    assert job_of(clients, job_id).job_name.endswith("-slow")
    terminate(clients, job_id, "end of test")


def test_secrets_are_nowhere(aws: "LocalAws", worker: Any, triggerer: Any, hello: Path) -> None:
    """No credential is in an XCom, in the trigger's arguments, in a log line or in the job."""
    secret = aws.environment["AWS_SECRET_ACCESS_KEY"] + "-not-really-in-use"
    tries = worker(run_operator(hello, inputs={"name": "Ada"}))
    with capture_logs() as logs, pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_SECRET_ACCESS_KEY", secret)
        patched.setenv("MINIWDL__AWS__TOKEN", secret)
        deferral = tries.execute()
        triggerer.run(deferral)
    seen = json.dumps([tries.ti.xcoms, deferral.arguments, deferral.kwargs, logs], default=str)
    assert secret not in seen


def _live_task_jobs(clients: AwsClients, parent_id: str) -> list[JobStatus]:
    prefix = f"t-{parent_id.replace('-', '')[:12]}-"
    return find_jobs(clients, "miniwdl-task", prefix, live_only=True)
