"""Inputs on S3, staged by workflow jobs of the local AWS."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.report import read_run
from miniwdl_aws.staging.parts import PART_BYTES

WDL = """
version development
workflow look {
  input { Array[File] files = []  Array[Directory] folders = [] }
  if (length(files) > 0) { call read { input: files = files } }
  scatter (d in folders) { call list { input: d = d } }
  output { Array[String]? texts = read.texts  Array[Array[String]] found = list.found }
}
task read {
  input { Array[File] files }
  command <<<
    while read -r f; do head -c 40 "$f"; basename "$f"; done < ~{write_lines(files)}
  >>>
  output { Array[String] texts = read_lines(stdout()) }
}
task list {
  input { Directory d }
  command <<< cd "~{d}" && find . | sort >>>
  output { Array[String] found = read_lines(stdout()) }
}
"""

RUNNER = "miniwdl-run-s3upload"


class Inputs:
    """Objects that are inputs, and runs that look at them."""

    def __init__(self, jobs: Any) -> None:
        self.jobs = jobs
        self.prefix = f"inputs/{uuid.uuid4()}"
        self.wdl = jobs.put("src/s3/look.wdl", WDL)

    def uri(self, name: str) -> str:
        return f"s3://{self.jobs.aws.bucket}/{self.prefix}/{name}"

    def put(self, name: str, content: bytes, **more: Any) -> str:
        """Put an object, and give its URI."""
        self.jobs.s3.put_object(
            Bucket=self.jobs.aws.bucket, Key=f"{self.prefix}/{name}", Body=content, **more
        )
        return self.uri(name)

    def submit(self, inputs: dict[str, Any], **environment: str) -> str:
        path = self.jobs.put(
            f"src/s3/{uuid.uuid4()}.json",
            json.dumps({f"look.{name}": value for name, value in inputs.items()}),
        )
        return str(self.jobs.submit([RUNNER, self.wdl, "-i", path], **environment))

    def run(self, inputs: dict[str, Any], **environment: str) -> tuple[Any, dict[str, int]]:
        """Run the workflow; gives what became of it, and the calls that it took by operation."""
        before = dict(self.jobs.aws.counters()["calls"])
        job = self.jobs.wait(self.submit(inputs, **environment))
        after = self.jobs.aws.counters()["calls"]
        return job, {name: count - before.get(name, 0) for name, count in after.items()}

    def staged(self, name: str) -> list[Path]:
        """Give the staged copies of a file or folder of this name."""
        cache = self.jobs.host("/mnt/efs/miniwdl_run/_CACHE/download")
        return sorted(cache.glob(f"*/s3/{self.jobs.aws.bucket}/*/{name}"))


@pytest.fixture
def inputs(jobs: Any) -> Inputs:
    return Inputs(jobs)


def requests(calls: dict[str, int]) -> tuple[int, int, int]:
    """Count requests for objects' data, for folders and for content."""
    names = ("HeadObject", "ListObjectsV2", "GetObject")
    return tuple(calls.get(f"s3:{name}", 0) for name in names)  # type: ignore[return-value]


def test_inputs_are_staged_once_by_their_content(inputs: Inputs) -> None:
    """The workflow job fetches each object with one request, later runs only what has changed."""
    names = [f"s {i}/it's {uuid.uuid4()}.txt" for i in range(50)]
    given = {
        "files": [inputs.put(name, f"object {i} ".encode()) for i, name in enumerate(names)],
        "folders": [inputs.uri("a folder")],
    }
    for name in ("a folder/b/c.txt", "a folder/d.txt", "a folder/empty/"):
        inputs.put(name, b"" if name.endswith("/") else b"in a folder")
    texts = [f"object {i} {name.rpartition('/')[2]}" for i, name in enumerate(names)]
    job, calls = inputs.run(given)
    assert job.exit_code == 0, job.log
    assert job.outcome.outputs["look.texts"] == texts
    found = [".", "./b", "./b/c.txt", "./d.txt", "./empty"]
    assert job.outcome.outputs["look.found"] == [found]
    assert requests(calls) == (50, 1, 52)
    assert len(inputs.jobs.tasks(job.job_id)) == 2

    again, calls = inputs.run(given, MINIWDL__CALL_CACHE__GET="false")
    assert again.outcome.outputs == job.outcome.outputs
    assert requests(calls) == (50, 1, 0)
    assert len(inputs.jobs.tasks(again.job_id)) == 2

    cached, calls = inputs.run(given)
    assert cached.outcome.outputs == job.outcome.outputs
    assert requests(calls) == (50, 1, 0)
    assert inputs.jobs.tasks(cached.job_id) == []

    inputs.put(names[7], b"changed ")
    inputs.put("a folder/new.txt", b"")
    changed, calls = inputs.run(given)
    texts[7] = texts[7].replace("object 7", "changed")
    assert changed.outcome.outputs["look.texts"] == texts
    assert changed.outcome.outputs["look.found"] == [sorted([*found, "./new.txt"])]
    assert requests(calls) == (50, 1, 3)  # the changed object, and two files of the new folder
    assert len(inputs.jobs.tasks(changed.job_id)) == 2
    report = read_run(inputs.jobs.host(changed.outcome.run_dir))
    assert report.totals.cache_misses == {"content_changed": 2}


def test_large_inputs_are_staged_by_task_jobs(inputs: Inputs) -> None:
    """A task job in the workflow job's image stages what is large, over faults of S3."""
    content = os.urandom(PART_BYTES).hex().encode()[: PART_BYTES + 1000]
    name = f"{uuid.uuid4()}.bin"
    uri = inputs.put(name, content)
    faults = inputs.jobs.aws.faults
    inputs.put("large/one.txt", b"x" * 2**20)
    inputs.put("large/two.txt", b"x")
    rules = faults.add("truncate-body,operation=GetObject,times=2")
    rules += faults.add("slow-down,operation=GetObject,times=1")
    try:
        given = {"files": [uri], "folders": [inputs.uri("large")]}
        job, calls = inputs.run(given, MINIWDL__AWS__S3_DOWNLOAD_THRESHOLD="1 MiB")
    finally:
        for rule in rules:
            faults.remove(rule)
    assert job.exit_code == 0, job.log
    (path,) = inputs.staged(name)
    assert path.read_bytes() == content
    tasks = inputs.jobs.tasks(job.job_id)
    images = {(task["jobName"].split("-")[3], task["container"]["image"]) for task in tasks}
    assert job.outcome.outputs["look.found"] == [[".", "./one.txt", "./two.txt"]]
    assert len(tasks) == 4
    assert ("stage_from_s3", "local") in images
    assert requests(calls)[2] >= 4 + 2  # four parts, and what was cut short
    assert "staging in the workflow job" not in job.log


def test_an_input_that_is_not_there_is_named(inputs: Inputs) -> None:
    """The error says which input is wrong, and how."""
    job, _ = inputs.run({"files": [inputs.uri("nothing.txt")]})
    assert job.exit_code != 0
    assert f"{inputs.uri('nothing.txt')} does not exist (404). Check bucket and key." in job.log
    assert job.outcome.failure.error == "DownloadFailed"
    assert "nothing.txt does not exist (404)" in job.outcome.failure.message
