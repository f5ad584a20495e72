"""Tests of `miniwdl_aws.report`: run directories as runner, backend and miniwdl leave them."""

import dataclasses
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from miniwdl_aws.backend.details import keep_detail
from miniwdl_aws.backend.journal import Entry, entry_path, write_entry
from miniwdl_aws.cli.report import main
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.marker import Marker, write_marker
from miniwdl_aws.report import REPORT_FILE, as_document, read_run, write_report
from miniwdl_aws.report.model import SCHEMA_VERSION, Attempt, Call, total
from miniwdl_aws.report.reading import READERS, TRIED, _at_once
from miniwdl_aws.status import JobStatus, lost

GIB = 1024
SPOT = "Host EC2 (instance i-0123456789abcdef0) terminated."


class RecordedRun:
    """Writes what the parts of a run write."""

    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "20260101_000000_wf"
        self.run_dir.mkdir()
        self.mark("succeeded")

    def mark(self, state: str) -> None:
        created = "2026-01-01T00:00:00+00:00"
        marker = Marker(state=state, job_id="job-0", run_key="dag/run", created=created)
        write_marker(self.run_dir, marker)

    def head(self, number: int) -> None:
        folder = self.run_dir / ".miniwdl-aws/heads"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.json").write_text(json.dumps({"job_id": "job-0", "attempt": number}))

    def call(self, name: str, end: str = "outputs.json", log: str = "done") -> Path:
        directory = self.run_dir / name
        directory.mkdir(parents=True)
        (directory / "task.log").write_text(f"2026-01-01 wdl.t NOTICE {log}\n")
        if end:
            (directory / end).write_text("{}")
        return directory

    def attempt(self, directory: Path, number: int = 1, **fields: Any) -> Entry:
        given = {
            "key": "k",
            "attempt": number,
            "task_dir": str(directory),
            "job_name": f"t-{directory.name}-{number}",
            "job_queue": "spot",
            "job_id": f"{directory.name}-{number}",
            "submitted_at": 1000.0,
            "task": "align",
            "vcpus": 2.0,
            "memory_mib": 4 * GIB,
            **fields,
        }
        entry = Entry(**given)
        write_entry(entry_path(directory, number), entry)
        return entry

    def exit(self, directory: Path, number: int = 1, **members: Any) -> None:
        content = {
            "jobId": f"{directory.name}-{number}",
            "exitCode": 0,
            "signalled": 0,
            "startedAt": 1010,
            "stoppedAt": 1070,
            **members,
        }
        suffix = "" if number == 1 else number
        (directory / f"exit{suffix}.json").write_text(json.dumps(content))


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRun:
    return RecordedRun(tmp_path)


def only(recorded: RecordedRun) -> Call:
    (call,) = read_run(recorded.run_dir).calls
    return call


def test_an_attempt_is_told_by_its_own_shell(recorded: RecordedRun) -> None:
    """Times, exit code and what it used are known though Batch was never asked."""
    call = recorded.call("call-align-3")
    recorded.attempt(call, cache_miss={"reason": "inputs_changed", "inputs": ["sample"]})
    recorded.exit(call, peakMemoryBytes=3 * 2**30, cpuMicroseconds=90_000_000)
    found = only(recorded)
    assert (found.name, found.task, found.state, found.cached) == (
        "align-3",
        "align",
        "succeeded",
        False,
    )
    assert found.cache_miss == {"reason": "inputs_changed", "inputs": ["sample"]}
    (attempt,) = found.attempts
    assert (attempt.status, attempt.exit_code, attempt.category) == ("SUCCEEDED", 0, "")
    assert (attempt.queue_seconds, attempt.run_seconds) == (10.0, 60.0)
    assert (attempt.peak_memory_bytes, attempt.cpu_seconds) == (3 * 2**30, 90.0)
    totals = read_run(recorded.run_dir).totals
    assert totals.vcpu_hours == pytest.approx(2 * 60 / 3600)
    assert totals.memory_gib_hours == pytest.approx(4 * 60 / 3600)
    assert totals.cpu_hours == pytest.approx(90 / 3600)
    assert totals.cache_misses == {"inputs_changed": 1}


def test_batchs_words_come_before_the_shells(recorded: RecordedRun) -> None:
    """A reclaimed host is a spot interruption, whatever the shell wrote as it was ended."""
    call = recorded.call("call-align")
    recorded.attempt(call)
    recorded.exit(call, exitCode=143, signalled=1)
    detail = JobStatus(
        job_id="call-align-1",
        status="FAILED",
        reason=SPOT,
        log_stream="stream/1",
        created_at=1_000_500,
        started_at=1_030_500,
        stopped_at=1_040_500,
    )
    keep_detail(call, detail)
    recorded.attempt(call, 2, submitted_at=1050.0, job_queue="on-demand")
    recorded.exit(call, 2, startedAt=1060, stoppedAt=1090)
    first, second = only(recorded).attempts
    assert (first.status, first.category, first.reason) == ("FAILED", "spot", SPOT)
    assert (first.queue_seconds, first.run_seconds, first.log_stream) == (30.0, 10.0, "stream/1")
    assert (second.job_queue, second.status) == ("on-demand", "SUCCEEDED")
    totals = read_run(recorded.run_dir).totals
    assert (totals.attempts, totals.failed_attempts, totals.spot_interruptions) == (2, 1, 1)


def test_an_end_that_nothing_tells_is_unknown(recorded: RecordedRun) -> None:
    """A job of which only the intent is known, or whose end nobody saw, is not called a success."""
    call = recorded.call("call-align", end="")
    recorded.attempt(call, job_id="")
    recorded.exit(call, jobId="that of another attempt")
    (attempt,) = only(recorded).attempts
    assert (attempt.status, attempt.run_seconds) == ("UNKNOWN", None)
    assert only(recorded).state == "unfinished"


def test_a_lost_job_is_lost(recorded: RecordedRun) -> None:
    """What Batch no longer knows has the category of the table."""
    call = recorded.call("call-align", end="error.json")
    recorded.attempt(call)
    keep_detail(call, lost("call-align-1", "no longer known"))
    (attempt,) = only(recorded).attempts
    assert (attempt.status, attempt.category, only(recorded).state) == ("LOST", "lost", "failed")


def test_cached_calls_have_no_attempts(recorded: RecordedRun) -> None:
    """What miniwdl had in its cache is a hit, and no miss of an unknown reason."""
    recorded.call("call-align", log="done (cached)")
    recorded.call("call-sub/call-sort")
    report = read_run(recorded.run_dir)
    assert {call.name: call.cached for call in report.calls} == {"align": True, "sub.sort": False}
    assert (report.totals.cache_hits, report.totals.cache_misses) == (1, {"unknown": 1})


def test_downloads_are_calls(recorded: RecordedRun) -> None:
    """Downloads of inputs run tasks too, below the call or the run that needs them."""
    recorded.call("download/0")
    recorded.call("call-align/download/1")
    names = {call.name for call in read_run(recorded.run_dir).calls}
    assert names == {"download.0", "align.download.1"}


def test_an_adopted_job_counts_once(recorded: RecordedRun) -> None:
    """A later head writes the job down again in its own directory; the files lie in the first's."""
    recorded.head(1)
    recorded.head(2)
    first = recorded.call("call-align", end="")
    intent = recorded.attempt(first, job_id="")
    recorded.exit(first)
    later = recorded.call("resumed2/call-align")
    write_entry(entry_path(later, 1), dataclasses.replace(intent, job_id="call-align-1"))
    report = read_run(recorded.run_dir)
    (call,) = report.calls
    assert (call.directory, call.state) == ("resumed2/call-align", "succeeded")
    (attempt,) = call.attempts
    assert (attempt.adopted, attempt.status, attempt.run_seconds) == (True, "SUCCEEDED", 60.0)
    assert report.totals.adopted == 1
    assert [head["number"] for head in report.run.heads] == [1, 2]


def test_a_run_directory_may_be_mounted_elsewhere(recorded: RecordedRun, tmp_path: Path) -> None:
    """The paths in the journal are those of the jobs."""
    call = recorded.call("call-align")
    recorded.attempt(call, task_dir=f"/mnt/efs/miniwdl_run/{recorded.run_dir.name}/call-align")
    recorded.exit(call)
    assert only(recorded).attempts[0].status == "SUCCEEDED"
    assert tmp_path.is_dir()


def test_what_is_no_run_directory_is_refused(tmp_path: Path) -> None:
    """The message says what to name instead."""
    with pytest.raises(InvalidInputError, match="below miniwdl_run"):
        read_run(tmp_path)


TIMES = st.none() | st.integers(1, 5000)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    submitted=st.floats(0, 5000),
    shell=st.tuples(st.integers(0, 5000), st.integers(0, 5000)),
    batch=st.tuples(TIMES, TIMES, TIMES),
    status=st.sampled_from(["RUNNING", "SUCCEEDED", "FAILED"]),
    written=st.tuples(st.booleans(), st.booleans()),
)
def test_no_time_is_negative(
    tmp_path_factory: pytest.TempPathFactory,
    submitted: float,
    shell: tuple[int, int],
    batch: tuple[int | None, int | None, int | None],
    status: str,
    written: tuple[bool, bool],
) -> None:
    """However the clocks of hosts and of Batch differ."""
    recorded = RecordedRun(tmp_path_factory.mktemp("run"))
    call = recorded.call("call-align")
    recorded.attempt(call, submitted_at=submitted)
    if written[0]:
        recorded.exit(call, startedAt=shell[0], stoppedAt=shell[1])
    if written[1]:
        created, started, stopped = (each and each * 1000 for each in batch)
        keep_detail(
            call,
            JobStatus(
                job_id="call-align-1",
                status=status,
                created_at=created,
                started_at=started,
                stopped_at=stopped,
            ),
        )
    (attempt,) = only(recorded).attempts
    for seconds in (attempt.queue_seconds, attempt.run_seconds):
        assert seconds is None or seconds >= 0
    times = [each for each in (attempt.submitted, attempt.started, attempt.stopped) if each]
    assert times == sorted(times)


ATTEMPTS = st.builds(
    Attempt,
    attempt=st.integers(1, 5),
    adopted=st.booleans(),
    status=st.sampled_from(["SUCCEEDED", "FAILED", "LOST", "UNKNOWN"]),
    category=st.sampled_from(["", "spot", "infrastructure"]),
    queue_seconds=st.none() | st.floats(0, 1e6),
    run_seconds=st.none() | st.floats(0, 1e6),
    vcpus=st.floats(0, 96),
    memory_mib=st.integers(0, 10**6),
    gpus=st.integers(0, 8),
    cpu_seconds=st.none() | st.floats(0, 1e6),
)
CALLS = st.lists(
    st.builds(
        Call,
        name=st.just("a"),
        directory=st.just("call-a"),
        state=st.just("succeeded"),
        cached=st.booleans(),
        cache_miss=st.sampled_from([{}, {"reason": "never_run"}]),
        attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    ),
    max_size=5,
)


@given(one=CALLS, other=CALLS)
def test_totals_are_sums(one: list[Call], other: list[Call]) -> None:
    """The totals of two runs' calls are those of each, added; and every call is a hit or a miss."""
    whole, first, second = total([*one, *other]), total(one), total(other)
    for each in dataclasses.fields(whole):
        if each.name != "cache_misses":
            added = getattr(first, each.name) + getattr(second, each.name)
            assert getattr(whole, each.name) == pytest.approx(added)
    assert whole.cache_hits + sum(whole.cache_misses.values()) == whole.calls
    assert whole.run_seconds >= 0


def test_the_command_prints_a_table_or_json(
    recorded: RecordedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a run directory and from a report alone it says the same."""
    call = recorded.call("call-align")
    recorded.attempt(call)
    recorded.exit(call, peakMemoryBytes=1 * 2**30, cpuMicroseconds=60_000_000)
    recorded.call("call-cached", log="done (cached)")
    write_report(recorded.run_dir, exit_code=0)
    assert main([str(recorded.run_dir)]) == 0
    table = capsys.readouterr().out
    assert main([str(recorded.run_dir / REPORT_FILE)]) == 0
    assert capsys.readouterr().out == table
    assert "run 20260101_000000_wf: succeeded, exit code 0" in table
    sizes = next(line for line in table.splitlines() if line.startswith("align  1"))
    assert sizes.split() == ["align", "1", "4096", "1024", "25%", "2", "50%"]
    assert "2 calls, 1 from the call cache (not cached: unknown 1)" in table
    assert main([str(recorded.run_dir), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(json.dumps(as_document(read_run(recorded.run_dir, exit_code=0))))
    assert document["schema_version"] == SCHEMA_VERSION


def test_a_reader_may_stop_early(recorded: RecordedRun) -> None:
    """`miniwdl-aws-report … | head` ends well, without a traceback."""
    for number in range(2000):
        recorded.call(f"call-with-a-long-name-that-fills-the-pipe-soon-{number}")
    done = subprocess.run(
        [
            *("bash", "-o", "pipefail", "-c"),
            '"$0" -m miniwdl_aws.cli.report "$1" | read -r line',
            *(sys.executable, str(recorded.run_dir)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"schema_version": 99}'])
def test_what_is_no_report_is_refused(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with an error that names the file."""
    path = tmp_path / REPORT_FILE
    path.write_text(content)
    assert main([str(path)]) != 0
    assert str(path) in capsys.readouterr().err


def test_a_run_does_not_fail_for_its_report(recorded: RecordedRun) -> None:
    """Where it cannot be written, or what a task left cannot be read, the run goes on."""
    call = recorded.call("call-align")
    recorded.attempt(call)
    (recorded.run_dir / ".miniwdl-aws/heads").mkdir(parents=True)
    (recorded.run_dir / ".miniwdl-aws/heads/1.json").write_text("torn")
    write_report(recorded.run_dir)
    assert not (recorded.run_dir / REPORT_FILE).exists()


def test_calls_are_read_at_once_where_the_file_system_makes_one_wait() -> None:
    """They come in order either way; without a wait threads would only be in each other's way."""
    places = range(TRIED + READERS)
    calls = [Call(name=f"rest-{n}", directory="", state="succeeded") for n in places]
    together, readers, now, worked = threading.Barrier(READERS), set[int](), [0.0], [0.0]

    def slowly(number: int) -> Call:
        now[0] += 0.010
        worked[0] += 0.001
        if number >= TRIED:
            together.wait(30)
        return calls[number]

    def quickly(number: int) -> Call:
        now[0] += 0.001
        worked[0] += 0.001
        readers.add(threading.get_ident())
        return calls[number]

    for read in (slowly, quickly):
        assert _at_once(read, places, clock=lambda: now[0], work=lambda: worked[0]) == calls
    assert readers == {threading.get_ident()}
