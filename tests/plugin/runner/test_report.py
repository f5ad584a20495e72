"""Tests of the run report, from real runs in workflow jobs of the local AWS."""

import json
from typing import Any

from miniwdl_aws.report import REPORT_FILE

RUNNER = "miniwdl-run-s3upload"

MEASURED = """
version 1.1
workflow measured_run {
  input { Int n  String label = "" }
  scatter (i in range(n)) { call measured { input: who = i } }
  output { Array[Int] lengths = measured.length  String labelled = label }
}
task measured {
  input { Int who }
  command <<<
    i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done
    printf 'dear ~{who}' | wc -c
  >>>
  output { Int length = read_int(stdout()) }
  runtime { cpu: 2  memory: "3 GiB"  preemptible: 2 }
}
"""


def report_of(jobs: Any, outcome: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((jobs.host(outcome.run_dir) / REPORT_FILE).read_text())
    return content


def test_a_run_is_reported_with_its_interruption_and_its_cache_hits(jobs: Any) -> None:
    """A reclaimed attempt is in the report; the next run's says what was cached, and why not."""
    wdl = jobs.put("src/measured.wdl", MEASURED)
    (rule,) = jobs.aws.faults.add("spot-reclaim,job=*-measured-*,times=1")
    job = jobs.run(RUNNER, wdl, "n=1")
    assert rule in [each["id"] for each in jobs.aws.faults.list()]
    jobs.aws.faults.remove(rule)
    report = report_of(jobs, job.outcome)
    run, totals, (call,) = report["run"], report["totals"], report["calls"]
    assert (run["state"], run["exit_code"], run["job_id"]) == ("succeeded", 0, job.job_id)
    assert run["heads"] == [{"number": 1, "job_id": job.job_id, "attempt": 1}]
    assert run["started"] <= run["ended"]
    assert (call["name"], call["task"], call["cache_miss"]) == (
        "measured-0",
        "measured",
        {"reason": "never_run"},
    )
    first, second = call["attempts"]
    assert (first["status"], first["category"]) == ("FAILED", "spot")
    assert (second["status"], second["exit_code"], second["vcpus"]) == ("SUCCEEDED", 0, 2.0)
    assert second["cpu_seconds"] > 0
    assert {each["job_id"] for each in (first, second)} == {
        each["jobId"] for each in jobs.tasks(job.job_id)
    }
    assert (totals["spot_interruptions"], totals["attempts"], totals["calls"]) == (1, 2, 1)
    assert totals["queue_seconds"] >= 0

    target = f"s3://{jobs.aws.bucket}/reported/"
    again = jobs.run(RUNNER, wdl, "n=2", "label=again", "--s3upload", target)
    objects = jobs.objects(target)
    report = json.loads(objects[REPORT_FILE])
    assert report == report_of(jobs, again.outcome)
    calls = {each["name"]: each for each in report["calls"]}
    assert (calls["measured-0"]["cached"], calls["measured-0"]["attempts"]) == (True, [])
    miss = calls["measured-1"]["cache_miss"]
    assert (miss["reason"], miss["inputs"]) == ("inputs_changed", ["who"])
    assert report["totals"]["cache_hits"] == 1


def test_the_report_is_published_before_the_mark_of_the_end(jobs: Any) -> None:
    """Of a failed run too: where error.json is, the report is, and it names the failure."""
    wdl = jobs.put("src/failing.wdl", MEASURED.replace("printf", "sleep 2; exit 7; printf"))
    target = f"s3://{jobs.aws.bucket}/reported-failure/"
    period = {"MINIWDL__LOG_TASK_USAGE__PERIOD": "0.5"}
    job = jobs.run(RUNNER, wdl, "n=1", "--s3upload", target, **period)
    assert job.exit_code == 7
    listed = jobs.s3.list_objects_v2(Bucket=jobs.aws.bucket, Prefix="reported-failure/")
    times = {each["Key"].rpartition("/")[2]: each["LastModified"] for each in listed["Contents"]}
    assert times[REPORT_FILE] <= times["error.json"]
    report = json.loads(jobs.objects(target)[REPORT_FILE])
    (call,) = report["calls"]
    (attempt,) = call["attempts"]
    assert (report["run"]["state"], report["run"]["exit_code"]) == ("failed", 7)
    assert (call["state"], attempt["category"], attempt["exit_code"]) == (
        "failed",
        "command_failed",
        7,
    )
    assert call["cache_miss"]["reason"] == "source_changed"
    # A job that is a process of this machine may share its cgroup, and then says just that.
    assert any("task usage" in line for line in jobs.stream(attempt["log_stream"]))
