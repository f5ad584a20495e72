"""Tests of the runner, in workflow jobs of the local AWS."""

import json
from typing import Any

from miniwdl_aws.bundle import BUNDLE_VARIABLE, Bundle, encode_inline, encode_object
from miniwdl_aws.marker import read_marker

SCATTER = """
version 1.1
workflow greetings {
  input { Int n = 3  String how = "exit 0" }
  scatter (i in range(n)) { call greet { input: who = i, how = how } }
  output { Array[File] letters = greet.letter  Int count = length(greet.letter) }
}
task greet {
  input { Int who  String how }
  command <<<
    echo "dear ~{who}" > letter.txt
    echo "out ~{who}"
    echo "err ~{who}" >&2
    ~{how}
  >>>
  output { File letter = "letter.txt" }
  runtime { docker: "ubuntu:22.04" }
}
"""

RUNNER = "miniwdl-run-s3upload"


def uri(jobs: Any, name: str) -> str:
    return f"s3://{jobs.aws.bucket}/{name}"


def test_a_workflow_runs_and_is_published(jobs: Any) -> None:
    """Outputs, log and outputs.json are on S3, the outcome is the log's last line."""
    wdl = jobs.put("src/a folder/greetings.wdl", SCATTER)
    job = jobs.run(
        RUNNER, wdl, "--dir", "/mnt/efs/miniwdl_run/a b", "--s3upload", uri(jobs, "success")
    )
    outcome = job.outcome
    assert (job.exit_code, outcome.exit_code, outcome.failure) == (0, 0, None)
    assert job.lines[-1].startswith("::miniwdl-aws-outcome::")
    name = outcome.run_dir.rsplit("/", 1)[1]
    assert outcome.published == uri(jobs, f"success/{name}/")
    assert outcome.outputs == {
        "greetings.count": 3,
        "greetings.letters": [f"{outcome.published}letters/{i}/letter.txt" for i in range(3)],
    }
    objects = jobs.objects(outcome.published)
    assert objects["letters/2/letter.txt"] == b"dear 2\n"
    assert json.loads(objects["outputs.json"]) == outcome.outputs
    assert b"done" in objects["workflow.log"]
    assert outcome.object_count == len(objects)
    marker = read_marker(jobs.host(outcome.run_dir))
    assert marker is not None
    assert (marker.state, marker.job_id, marker.published) == (
        "succeeded",
        job.job_id,
        outcome.published,
    )


def test_forty_tasks_cost_forty_submissions(jobs: Any) -> None:
    """A scatter registers one definition, submits each task once and describes them together."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    before = dict(jobs.aws.counters()["calls"])
    job = jobs.run(RUNNER, wdl, "n=40", "how=true forty", MINIWDL__AWS__DESCRIBE_PERIOD="1")
    after = jobs.aws.counters()["calls"]
    assert job.outcome.outputs["greetings.count"] == 40
    grown = {name: after.get(name, 0) - before.get(name, 0) for name in after}
    assert grown["SubmitJob"] == 41  # and the workflow job itself
    assert grown.get("RegisterJobDefinition", 0) <= 1
    assert grown["DescribeJobDefinitions"] == 1
    tasks = jobs.tasks(job.job_id)
    assert len(tasks) == 40
    assert len({each["jobDefinition"] for each in tasks}) == 1


def test_streams_are_complete_in_the_task_jobs_log(jobs: Any) -> None:
    """Both streams of commands that end at once are in CloudWatch, to the last line."""
    how = "seq 1 3000; seq -f 'e%g' 1 3000 >&2"
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(RUNNER, wdl, "n=4", f"how={how}")
    assert job.exit_code == 0
    for task in jobs.tasks(job.job_id):
        lines = jobs.stream(task["container"]["logStreamName"])
        assert {"3000", "e3000"} <= set(lines)
        assert len(lines) == 6002


def test_a_failed_command_is_reported(jobs: Any) -> None:
    """The outcome names the call, its exit code, its last words and where its log is."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(
        RUNNER, wdl, "n=1", "how=echo alas >&2; exit 9", "--s3upload", uri(jobs, "failure/here/")
    )
    failure = job.outcome.failure
    assert failure is not None
    assert job.exit_code == job.outcome.exit_code == 9
    assert (failure.run, failure.error, failure.exit_code) == ("call-greet-0", "CommandFailed", 9)
    assert failure.category == "command_failed"
    assert failure.stderr == ("err 0", "alas")
    (task,) = jobs.tasks(job.job_id)
    assert failure.job_id == task["jobId"]
    assert failure.log_stream == task["container"]["logStreamName"]
    assert "alas" in jobs.stream(failure.log_stream)
    objects = jobs.objects(uri(jobs, "failure/here/"))
    assert {"workflow.log", "error.json", "CommandFailed_stderr.txt"} <= objects.keys()
    assert failure.stderr_uri == uri(jobs, "failure/here/CommandFailed_stderr.txt")
    assert json.loads(objects["error.json"])["cause"]["stderr_s3file"] == failure.stderr_uri


def test_a_retry_keeps_the_first_attempt(jobs: Any) -> None:
    """MaxRetries tries again in a directory of its own."""
    flaky = """
version 1.1
task flaky {
  command <<<
    if [ ! -e ../tried ]; then touch ../tried; echo first >&2; exit 5; fi
    echo second >&2; echo made > made.txt
  >>>
  output { File made = "made.txt" }
  runtime { maxRetries: 1 }
}
"""
    job = jobs.run(RUNNER, jobs.put("src/flaky.wdl", flaky))
    run_dir = jobs.host(job.outcome.run_dir)
    assert job.exit_code == 0
    assert (run_dir / "stderr.txt").read_text() == "first\n"
    assert (run_dir / "stderr2.txt").read_text() == "second\n"
    assert (run_dir / "work2/made.txt").read_text() == "made\n"
    names = sorted(task["jobName"] for task in jobs.tasks(job.job_id))
    assert [("-try2-" in name) for name in names] == [False, True]


def test_call_caching_finds_earlier_outputs(jobs: Any) -> None:
    """A second run of equal calls submits nothing and publishes the same files."""
    wdl = jobs.put("src/cached.wdl", SCATTER)
    first = jobs.run(RUNNER, wdl, "n=2", "how=true cached")
    again = jobs.run(RUNNER, wdl, "n=2", "how=true cached", "--s3upload", uri(jobs, "cached"))
    assert len(jobs.tasks(first.job_id)) == 2
    assert jobs.tasks(again.job_id) == []
    outcome = again.outcome
    objects = jobs.objects(outcome.published)
    assert objects["letters/1/letter.txt"] == b"dear 1\n"
    assert outcome.outputs is not None
    assert outcome.outputs["greetings.letters"] == [
        f"{outcome.published}letters/{i}/letter.txt" for i in range(2)
    ]


def test_ending_the_workflow_job_ends_its_tasks(patient_jobs: Any, eventually: Any) -> None:
    """On SIGTERM every task job is ended, the log and error.json are published, files say so."""
    jobs = patient_jobs
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    target = uri(jobs, "cancelled/run/")
    job_id = jobs.submit([RUNNER, wdl, "n=6", "how=sleep 300", "--s3upload", target])
    eventually(
        lambda: (
            len(tasks := jobs.tasks(job_id)) == 6
            and all(task["status"] == "RUNNING" for task in tasks)
        )
    )
    jobs.batch.terminate_job(jobId=job_id, reason="enough")
    job = jobs.wait(job_id)
    tasks = jobs.tasks(job_id)
    assert {task["status"] for task in tasks} == {"FAILED"}
    assert {task["isTerminated"] for task in tasks} == {True}
    failure = job.outcome.failure
    assert failure is not None
    assert failure.category == "cancelled"
    assert job.outcome.exit_code != 0
    objects = jobs.objects(target)
    assert "asked to end" in json.loads(objects["error.json"])["cancelled"]
    assert b"aborting workflow" in objects["workflow.log"]
    marker = read_marker(jobs.host(job.outcome.run_dir))
    assert marker is not None
    assert marker.state == "cancelled"


def test_wrong_inputs_leave_an_error_on_s3(jobs: Any) -> None:
    """What miniwdl refuses before it makes a run directory is reported and published too."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    target = uri(jobs, "wrong/")
    job = jobs.run(RUNNER, wdl, "nope=1", "--s3upload", target)
    assert job.exit_code == 2
    failure = job.outcome.failure
    assert failure is not None
    assert "nope" in failure.message
    assert "nope" in json.loads(jobs.objects(target)["error.json"])["message"]


def test_a_source_that_does_not_check_is_reported(jobs: Any) -> None:
    """A WDL error names its place."""
    wdl = jobs.put("src/bad.wdl", SCATTER.replace("length(greet.letter)", "nonsense"))
    job = jobs.run(RUNNER, wdl)
    failure = job.outcome.failure
    assert (job.exit_code, failure is not None) == (2, True)
    assert "nonsense" in failure.message


def test_a_bucket_that_cannot_be_written_is_seen_before_the_run(jobs: Any) -> None:
    """Nothing is run whose outputs could not be published."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(RUNNER, wdl, "--s3upload", "s3://no-such-bucket-here/x")
    failure = job.outcome.failure
    assert job.exit_code == 2
    assert job.outcome.run_dir == ""
    assert "s3://no-such-bucket-here/x" in failure.message
    assert "MINIWDL__AWS__S3_UPLOAD_FOLDER" in failure.message
    assert jobs.tasks(job.job_id) == []


def test_an_unknown_task_queue_is_named(jobs: Any) -> None:
    """A queue that does not exist is named with the option to mend, before any task."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(RUNNER, wdl, "n=1", "how=true unknown", "--task-queue", "no-such-queue")
    failure = job.outcome.failure
    assert failure is not None
    assert failure.error == "BackendMisconfigured"
    assert "[aws] task_queue 'no-such-queue' does not exist" in failure.message


def test_a_directory_outside_the_mount_is_refused(jobs: Any) -> None:
    """A neighbour of the mount point with a longer name is outside."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(RUNNER, wdl, "--dir", "/mnt/efs2/x")
    failure = job.outcome.failure
    assert job.exit_code == 2
    assert "is not below the mount point /mnt/efs" in failure.message


def test_contradicting_variables_are_named(jobs: Any) -> None:
    """Both spellings of one setting with different values are an error."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(
        RUNNER,
        wdl,
        MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD="always",
        MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER="success",
    )
    failure = job.outcome.failure
    assert job.exit_code == 2
    assert "MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER" in failure.message


def test_settings_come_from_the_environment(jobs: Any) -> None:
    """Folder and deletion may both be variables; the run directory goes once all is on S3."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    job = jobs.run(
        RUNNER,
        wdl,
        "n=1",
        "how=true deleted",
        MINIWDL__AWS__S3_UPLOAD_FOLDER=uri(jobs, "deleted"),
        MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER="success",
    )
    assert job.outcome.deleted
    assert not jobs.host(job.outcome.run_dir).exists()
    assert jobs.objects(job.outcome.published)["letters/0/letter.txt"] == b"dear 0\n"
    assert "unused environment" not in job.log


def test_a_bundle_travels_inline_or_as_an_object(jobs: Any) -> None:
    """The source and inputs are unpacked into the run directory, verified."""
    bundle = Bundle(
        {"source/greetings.wdl": SCATTER.encode(), "inputs.json": b'{"greetings.n": 1}'}
    )
    arguments = ["bundle://source/greetings.wdl", "-i", "bundle://inputs.json"]
    job = jobs.run(RUNNER, *arguments, **{BUNDLE_VARIABLE: encode_inline(bundle)})
    assert job.exit_code == 0
    assert "_greetings" in job.outcome.run_dir
    name, content = encode_object(bundle)
    jobs.s3.put_object(Bucket=jobs.aws.bucket, Key=f"exchange/{name}", Body=content)
    job = jobs.run(RUNNER, *arguments, **{BUNDLE_VARIABLE: uri(jobs, f"exchange/{name}")})
    assert job.exit_code == 0
    jobs.s3.put_object(Bucket=jobs.aws.bucket, Key=f"exchange/{name}", Body=content[:-1])
    job = jobs.run(RUNNER, *arguments, **{BUNDLE_VARIABLE: uri(jobs, f"exchange/{name}")})
    assert job.exit_code == 2
    assert "changed or cut short" in job.outcome.failure.message


def test_publish_and_clean_are_jobs_of_their_own(jobs: Any) -> None:
    """A run can be published and deleted later, each as often as one likes."""
    wdl = jobs.put("src/greetings.wdl", SCATTER)
    run = jobs.run(RUNNER, wdl, "n=2", "how=true apart").outcome
    target = uri(jobs, "apart")
    refused = jobs.run("miniwdl-aws-clean", run.run_dir)
    assert refused.exit_code != 0
    assert "has not been published" in refused.outcome.failure.message
    first = jobs.run("miniwdl-aws-publish", run.run_dir, "--s3upload", target)
    again = jobs.run("miniwdl-aws-publish", run.run_dir, "--s3upload", target)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert first.outcome == again.outcome
    assert first.outcome.outputs is not None
    assert first.outcome.outputs["greetings.letters"][1].startswith(first.outcome.published)
    assert "0 were put now" in again.log
    for _ in range(2):
        cleaned = jobs.run("miniwdl-aws-clean", run.run_dir, "--published", first.outcome.published)
        assert cleaned.exit_code == 0
        assert cleaned.outcome.deleted
    assert not jobs.host(run.run_dir).exists()
    late = jobs.run("miniwdl-aws-publish", run.run_dir, "--s3upload", target)
    assert late.exit_code == 0
    assert late.outcome.outputs == first.outcome.outputs
