"""Tests of `miniwdl_aws.backend.adoption`: a second head on a run directory, miniwdl and all."""

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import WDL
from WDL.runtime.config import Loader
from WDL.runtime.error import RunFailed

from miniwdl_aws.backend import calls
from miniwdl_aws.backend.journal import entry_path, read_entry, write_entry
from miniwdl_aws.heads import RunPlace, head_directory

WORKFLOW = """
version 1.1
workflow wf {
  input { Int n = 2 }
  scatter (i in range(n)) { call greet { input: who = "w~{i}", letter = write_lines(["x~{i}"]) } }
  call greet as last { input: who = greet.said[0], letter = greet.note[1] }
  output { Array[String] said = greet.said  String end = last.said  File note = last.note }
}
task greet {
  input { String who  File letter }
  command <<<
    cat "~{letter}" > note.txt
    echo "dear ~{who}"
  >>>
  output { String said = read_string(stdout())  File note = "note.txt" }
  runtime { maxRetries: 1 }
}
"""


@dataclasses.dataclass
class Heads:
    """Runs one workflow under head after head."""

    run_dir: Path
    open_backend: Callable[..., Any]
    monkeypatch: pytest.MonkeyPatch

    file_io: dict[str, str] = dataclasses.field(default_factory=dict)

    def run(self, number: int, source: str = WORKFLOW, **inputs: Any) -> tuple[Path, Any]:
        place = RunPlace(run_dir=self.run_dir, head=number)
        place.mailbox.mkdir(parents=True, exist_ok=True)
        self.open_backend(place=place)
        self.monkeypatch.setattr(calls, "process_environment", place.variables)
        path = self.run_dir.parent / "main.wdl"
        path.write_text(source)
        overrides = {
            "scheduler": {"container_backend": "aws_batch_job", "task_concurrency": "20"},
            "file_io": {"root": str(self.run_dir.parent), **self.file_io},
        }
        cfg = Loader(logging.getLogger("test"), filenames=[], overrides=overrides)
        target = WDL.load(str(path)).workflow
        assert target is not None
        values = WDL.values_from_json(inputs, target.available_inputs, target.required_inputs)
        options: Any = {"run_dir": f"{place.directory}/."}
        _, outputs = WDL.runtime.run(cfg, target, values, **options)
        return place.directory, WDL.values_to_json(outputs)


@pytest.fixture
def heads(
    tmp_path: Path, open_backend: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Heads:
    return Heads(tmp_path / "run", open_backend, monkeypatch)


def said(outputs: Any) -> Any:
    return {name: value for name, value in outputs.items() if name != "note"}


def unsaid(batch: Any, heads: Heads, eventually: Callable[[Callable[[], object]], None]) -> Any:
    """Make the last call's job one of whose end the first head saw nothing."""
    folder = heads.run_dir / "call-last"
    details = "awsBatchJobDetail.*"
    eventually(
        lambda: [each for each in folder.glob(details) if '"log_stream": "s' in each.read_text()]
    )
    for detail in folder.glob(details):
        detail.unlink()
    (job,) = [job for job in batch.jobs.values() if "-last-" in job.request["jobName"]]
    job.process.wait()
    job.process = None
    return job


def test_finished_calls_are_not_run_again(batch: Any, heads: Heads) -> None:
    """Every head gives the same outputs from the jobs of the first, without the call cache."""
    _, first = heads.run(1)
    submitted, described = len(batch.jobs), batch.calls.count("DescribeJobs")
    for number in (2, 3):
        directory, outputs = heads.run(number)
        assert said(outputs) == said(first)
        assert Path(outputs["note"]).read_text() == "x1\n"
        assert str(directory) in outputs["note"]
    assert len(batch.jobs) == submitted == 3
    assert batch.calls.count("DescribeJobs") <= described + 3


def test_a_finished_call_whose_work_is_deleted_is_run_again(batch: Any, heads: Heads) -> None:
    """Nothing can be read from a work directory that miniwdl was told to delete."""
    heads.file_io.update(delete_work="success", output_hardlinks="true")
    directory, first = heads.run(1)
    assert not [*directory.glob("call-*/work")]
    _, outputs = heads.run(2)
    assert said(outputs) == said(first)
    assert Path(outputs["note"]).read_text() == "x1\n"
    assert len(batch.jobs) == 6


def test_a_live_job_is_adopted_and_waited_for(
    batch: Any, heads: Heads, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """What runs when its head dies goes on under the next one."""
    heads.run(1)
    entry = read_entry(entry_path(heads.run_dir / "call-last", 1))
    assert entry is not None
    job = unsaid(batch, heads, eventually)
    (heads.run_dir / "call-last/exit.json").rename(heads.run_dir / "told")
    job.description["status"] = "RUNNING"

    def let_it_end() -> None:
        eventually(lambda: entry_path(head_directory(heads.run_dir, 2) / "call-last", 1).exists())
        place = RunPlace(run_dir=heads.run_dir, head=2)
        (heads.run_dir / "told").rename(place.mailbox / f"{entry.job_name}.ended")

    thread = threading.Thread(target=let_it_end)
    thread.start()
    _, outputs = heads.run(2)
    thread.join()
    assert outputs["end"] == "dear dear w0"
    assert len(batch.jobs) == 3


def test_a_job_whose_id_was_never_heard_is_found_by_its_name(batch: Any, heads: Heads) -> None:
    """A head that died between SubmitJob and its answer has left the intent."""
    heads.run(1)
    path = entry_path(heads.run_dir / "call-greet-1", 1)
    entry = read_entry(path)
    assert entry is not None
    write_entry(path, dataclasses.replace(entry, job_id=""))
    heads.run(2)
    assert len(batch.jobs) == 3
    adopted = read_entry(entry_path(heads.run_dir / "resumed2/call-greet-1", 1))
    assert adopted == entry


def test_an_intent_without_a_job_is_submitted(batch: Any, heads: Heads) -> None:
    """A head that died before SubmitJob has left a name that no job bears."""
    heads.run(1)
    path = entry_path(heads.run_dir / "call-greet-1", 1)
    entry = read_entry(path)
    assert entry is not None
    write_entry(
        path,
        dataclasses.replace(entry, job_id="", job_name="t-never", submitted_at=time.time() - 60),
    )
    heads.run(2)
    assert len(batch.jobs) == 4


def test_other_inputs_are_another_call(batch: Any, heads: Heads) -> None:
    """A job is adopted for the same task and inputs alone; another one is ended."""
    heads.run(1)
    changed = WORKFLOW.replace('"w~{i}"', '"W~{i}"')
    _, outputs = heads.run(2, changed)
    assert outputs["said"] == ["dear W0", "dear W1"]
    assert len(batch.jobs) == 6
    assert batch.calls.count("TerminateJob") == 3


FLAKY = WORKFLOW.replace(
    'echo "dear', '[ -e ../../tried ] || { touch ../../tried; exit 9; }\n    echo "dear'
)


def test_attempts_are_told_again_in_order(batch: Any, heads: Heads) -> None:
    """A failure that another attempt followed fails the attempt again, without a job."""
    _, first = heads.run(1, FLAKY)
    submitted = len(batch.jobs)
    assert submitted >= 4
    directory, outputs = heads.run(2, FLAKY)
    assert said(outputs) == said(first)
    assert len(batch.jobs) == submitted
    assert [*directory.glob("call-greet-*/job2.json")]


def test_a_failed_run_that_is_resumed_tries_the_failed_call_again(batch: Any, heads: Heads) -> None:
    """Nobody resumes a failed run to be told again that it failed."""
    failing = WORKFLOW.replace("maxRetries: 1", "maxRetries: 0").replace(
        'echo "dear', '[ -e ../../mended ] || exit 9\n    echo "dear'
    )
    with pytest.raises(RunFailed):
        heads.run(1, failing)
    submitted = len(batch.jobs)
    (heads.run_dir / "mended").touch()
    (heads.run_dir / "resumed2").mkdir()
    (heads.run_dir / "resumed2/mended").touch()
    _, outputs = heads.run(2, failing)
    assert outputs["end"] == "dear dear w0"
    assert len(batch.jobs) > submitted


def test_a_job_that_somebody_had_ended_is_run_again(
    batch: Any, heads: Heads, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """What an earlier head, or a person, ended says nothing of the call."""
    heads.run(1)
    job = unsaid(batch, heads, eventually)
    (heads.run_dir / "call-last/exit.json").unlink()
    job.description.update(status="FAILED", isTerminated=True, statusReason="terminated")
    _, outputs = heads.run(2)
    assert outputs["end"] == "dear dear w0"
    assert len(batch.jobs) == 4


def test_an_entry_names_the_attempts_files(heads: Heads) -> None:
    """The journal is for people too: queue, name, id and key of each attempt."""
    heads.run(1)
    content = json.loads((heads.run_dir / "call-last/job.json").read_text())
    assert content["job_id"].startswith("job-")
    assert content["job_queue"] == "spot"
    assert len(content["key"]) == 64
