"""Tests of `miniwdl_aws.backend.container`, through miniwdl's own task runner."""

import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from WDL.runtime.error import RunFailed

from miniwdl_aws.backend.policies import read_policies
from miniwdl_aws.backend.retries import Escalation
from miniwdl_aws.backend.tags import PLACEHOLDERS
from miniwdl_aws.backend.task_plan import TaskPlan

GREET = """
version 1.1
task greet {
  input { String who = "you"  File? letter }
  command <<<
    echo "dear ~{who}"
    echo "written" >&2
    ~{if defined(letter) then "cat '~{letter}'" else ""}
    exit ~{CODE}
  >>>
  output { String said = read_string(stdout()) }
  runtime { RUNTIME }
}
"""


def source(runtime: str = "", code: int = 0) -> str:
    return GREET.replace("RUNTIME", runtime).replace("~{CODE}", str(code))


def cause(exc: RunFailed) -> Any:
    return exc.__cause__


def error_json(run_dir: Path) -> Any:
    return json.loads((run_dir / "error.json").read_text())["cause"]


def test_a_task_costs_one_submission_and_its_definition_once(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """40 tasks at once: one definition, looked up and registered once, and 40 SubmitJob."""
    open_backend()
    scatter = (
        "version 1.1\nworkflow many { scatter (i in range(40)) "
        "{ call greet { input: who = i } } output { Array[String] said = greet.said } }\n"
    )
    _, outputs = run_wdl(scatter + source().replace("version 1.1", ""))
    assert outputs["said"] == [f"dear {i}" for i in range(40)]
    assert batch.calls.count("DescribeJobDefinitions") == 1
    assert batch.calls.count("RegisterJobDefinition") == 1
    assert batch.calls.count("SubmitJob") == 40
    assert "DeregisterJobDefinition" not in batch.calls
    assert len({job.request["jobName"] for job in batch.jobs.values()}) == 40


def test_a_second_run_registers_nothing(
    batch: Any, open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """A definition of the same content is reused by later runs."""
    open_backend()
    run_wdl(source())
    (tmp_path / "runs/a run").rename(tmp_path / "runs/first")
    open_backend()
    run_wdl(source())
    assert batch.calls.count("RegisterJobDefinition") == 1


def test_jobs_are_found_by_their_parent(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """A task job bears its workflow job's id as a tag and the beginning of it in its name."""
    open_backend(job_tags={"owner": "me!"})
    run_wdl(source())
    (job,) = batch.jobs.values()
    assert job.request["jobName"].startswith("t-0f1e2d3c4b5a-greet-")
    assert job.request["tags"]["AWS_BATCH_PARENT_JOB_ID"].startswith("0f1e2d3c-4b5a")
    assert job.request["tags"]["owner"] == "me_"


def test_resources_are_overrides(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """Tasks that differ in resources alone share a definition."""
    open_backend()
    run_wdl(source('cpu: 3 memory: "4 GiB" gpu: true acceleratorCount: 2'))
    (job,) = batch.jobs.values()
    assert job.request["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "3"},
        {"type": "MEMORY", "value": "4063"},
        {"type": "GPU", "value": "2"},
    ]
    assert job.request["timeout"] == {"attemptDurationSeconds": 86400}


def test_an_attempt_is_planned_once(
    open_backend: Any, run_wdl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a thousand tasks takes a while, and the second attempt's may be another."""
    planned, own = list[int](), TaskPlan.job

    def job(self: TaskPlan, *args: Any, attempt: int, **kwargs: Any) -> Any:
        planned.append(attempt)
        return own(self, *args, attempt=attempt, **kwargs)

    monkeypatch.setattr(TaskPlan, "job", job)
    open_backend()
    with pytest.raises(RunFailed):
        run_wdl(source("maxRetries: 1", code=1))
    assert planned == [1, 2]


def test_a_plugin_may_change_what_a_task_asks_for(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """It sees the container after the task was planned for the first time."""

    def plugin(
        _cfg: Any, _logger: Any, _run_id: Any, _run_dir: Any, _task: Any, **given: Any
    ) -> Any:
        given = yield given
        given["container"].runtime_values["cpu"] = 5
        given["container"].runtime_values.setdefault("env", {})["COLOUR"] = "red"
        given = yield given
        yield given

    open_backend()
    run_wdl(source("cpu: 3"), plugins=[plugin])
    (job,) = batch.jobs.values()
    overrides = job.request["containerOverrides"]
    assert {"type": "VCPU", "value": "5"} in overrides["resourceRequirements"]
    assert {"name": "COLOUR", "value": "red"} in overrides["environment"]


def test_inputs_are_links_and_copies_where_asked(
    open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """An input is a link to where it lies; with copy_input_files it is a file of the task's."""
    open_backend()
    letter = tmp_path / "a letter.txt"
    letter.write_text("hello\n")
    for name, option in (("links", False), ("copies", True)):
        run_dir, outputs = run_wdl(
            source(), {"letter": str(letter)}, file_io__copy_input_files=option
        )
        assert outputs["said"].splitlines() == ["dear you", "hello"]
        assert (run_dir / "work/_miniwdl_inputs/0/a letter.txt").is_symlink() is not option
        run_dir.rename(tmp_path / name)


def test_a_failed_command_is_reported_with_its_job(
    open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """Exit code, job id, log stream and category of a failed command are in error.json."""
    open_backend()
    with pytest.raises(RunFailed) as caught:
        run_wdl(source(code=7))
    assert cause(caught.value).exit_status == 7
    error = error_json(tmp_path / "runs/a run")
    assert error["error"] == "CommandFailed"
    assert error["exit_status"] == 7
    assert error["jobId"] == "job-1"
    assert error["logStreamName"].startswith("stream/t-0f1e2d3c4b5a-greet-")
    assert error["category"] == "command_failed"
    assert Path(error["stderr_file"]).read_text() == "written\n"


def test_an_expected_exit_code_is_success(open_backend: Any, run_wdl: Any) -> None:
    """ReturnCodes decides what success is."""
    open_backend()
    _, outputs = run_wdl(source("returnCodes: [0, 7]", code=7))
    assert outputs["said"] == "dear you"


def test_attempts_have_their_own_directories_and_streams(
    batch: Any, open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """A retry keeps what the first attempt left, and its own paths still lead to its own files."""
    open_backend()
    attempt = """
version 1.2
task flaky {
  input { File letter }
  command <<<
    echo "try ~{task.attempt}"
    cat "~{letter}" > "$PWD/copy.txt"
    python3 -c 'import os; print(os.getcwd() + "/copy.txt")' > path.txt
    [ -e left ] && exit 9
    touch left
    [ ~{task.attempt} -ge 2 ]
  >>>
  output { File copied = read_string("path.txt") String said = read_string(stdout()) }
  requirements { max_retries: 2 }
}
"""
    letter = tmp_path / "letter.txt"
    letter.write_text("hello\n")
    run_dir, outputs = run_wdl(attempt, {"letter": str(letter)})
    assert outputs["said"] == "try 2"
    assert Path(outputs["copied"]).read_text() == "hello\n"
    names = {path.name for path in run_dir.iterdir()}
    assert {"work", "work1", "work2", "work3", "stdout.txt", "stdout2.txt"} <= names
    assert (run_dir / "stdout.txt").read_text() == "try 0\n"
    assert (run_dir / "work").readlink() == Path("work3")
    assert len(batch.jobs) == 3


SPOT = {"status": "FAILED", "statusReason": "Host EC2 (instance i-0abc) terminated."}


def queues(batch: Any) -> list[str]:
    return [job.request["jobQueue"] for job in batch.jobs.values()]


def test_an_interrupted_task_ends_on_the_fallback_queue(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """After `preemptible` interruptions a task goes to the fallback queue."""
    open_backend(task_queue_fallback="on-demand")
    batch.endings = [SPOT, SPOT]
    _, outputs = run_wdl(source("preemptible: 2"))
    assert outputs["said"] == "dear you"
    assert queues(batch) == ["spot", "spot", "on-demand"]


def test_a_task_that_is_not_preemptible_goes_to_the_fallback_queue(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """preemptible: 0 keeps a task off the spot queue; where nothing is said it goes there."""
    open_backend(task_queue_fallback="on-demand")
    run_dir, _ = run_wdl(source("preemptible: 0"))
    run_dir.rename(run_dir.with_name("first"))
    run_wdl(source())
    assert queues(batch) == ["on-demand", "spot"]


def ending(reason: str, exit_code: int | None = None, **more: Any) -> dict[str, Any]:
    container = {} if exit_code is None else {"exitCode": exit_code}
    return {"status": "FAILED", "statusReason": reason, "container": container, **more}


OOM = ending("OutOfMemoryError: Container killed due to memory usage", 137)
NO_IMAGE = ending("CannotPullContainerError: manifest for x not found: manifest unknown")
BROKEN = ending("ResourceInitializationError: failed to invoke EFS utils commands")


@pytest.mark.parametrize(
    ("ending", "error", "category"),
    [
        (SPOT, "TaskPreempted", "spot"),
        (BROKEN, "TaskNotRun", "infrastructure"),
        (NO_IMAGE, "TaskImageUnusable", "image"),
        (ending("Job attempt duration exceeded timeout", 137), "TaskTimedOut", "timeout"),
        (OOM, "TaskOutOfMemory", "out_of_memory"),
        (ending("bye", isTerminated=True), "TaskCancelled", "cancelled"),
    ],
)
def test_a_failure_is_named_as_what_it_is(
    batch: Any,
    open_backend: Any,
    run_wdl: Any,
    tmp_path: Path,
    ending: Any,
    error: str,
    category: str,
) -> None:
    """Batch's reason decides what miniwdl is told, not the exit code."""
    open_backend(infrastructure_retries=0)
    batch.endings = [ending]
    with pytest.raises(RunFailed):
        run_wdl(source())
    found = error_json(tmp_path / "runs/a run")
    assert found["error"] == error
    assert found["category"] == category
    assert ending["statusReason"] in found["message"]
    assert "ran out of memory" not in found["message"] or category == "out_of_memory"
    assert found["jobId"] == "job-1"


def test_what_aws_failed_does_not_count_against_the_task(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """A mount that failed is tried again, on the same queue, by a budget of its own."""
    open_backend(task_queue_fallback="on-demand", infrastructure_retries=2)
    batch.endings = [BROKEN, SPOT, BROKEN]
    _, outputs = run_wdl(source("preemptible: 1"))
    assert outputs["said"] == "dear you"
    assert queues(batch) == ["spot", "spot", "on-demand", "on-demand"]


@pytest.mark.parametrize(("runtime", "jobs"), [("", 3), ("maxRetries: 1", 4)])
def test_budgets_end(batch: Any, open_backend: Any, run_wdl: Any, runtime: str, jobs: int) -> None:
    """Once what AWS failed was tried again often enough, maxRetries counts, and then it is over."""
    open_backend(infrastructure_retries=2)
    batch.endings = [BROKEN] * 9
    with pytest.raises(RunFailed) as caught:
        run_wdl(source(runtime))
    assert type(cause(caught.value)).__name__ == "TaskNotRun"
    assert len(batch.jobs) == jobs


@pytest.mark.parametrize("ended", [NO_IMAGE, ending("by hand", isTerminated=True)])
def test_what_would_end_alike_is_not_tried_again(
    batch: Any, open_backend: Any, run_wdl: Any, ended: Any
) -> None:
    """A missing image and a job that somebody ended cost one job, whatever the task allows."""
    open_backend(retry_wait_seconds=600.0)
    batch.endings = [ended] * 9
    with pytest.raises(RunFailed):
        run_wdl(source("preemptible: 3 maxRetries: 3"))
    assert len(batch.jobs) == 1


def memory_of(job: Any) -> int:
    requirements = job.request["containerOverrides"]["resourceRequirements"]
    return next(int(each["value"]) for each in requirements if each["type"] == "MEMORY")


def test_memory_grows_after_a_kill_where_asked_for(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """A task that was killed for memory gets more, up to the cap, and no attempt beyond it."""
    open_backend(escalation=Escalation(factor=2.0, cap_bytes=6 * 2**30), memory_delta_mib=0)
    batch.endings = [OOM, OOM]
    _, outputs = run_wdl(source('memory: "2 GiB"'))
    assert outputs["said"] == "dear you"
    assert [memory_of(job) for job in batch.jobs.values()] == [2048, 4096, 6144]


def test_memory_grows_no_further_than_the_queues_can_give(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """Beyond the largest instance no job could start: the last attempt has what it can give."""
    batch.add_queue("spot", instanceTypes=["m5.large"])
    open_backend(escalation=Escalation(factor=2.0, cap_bytes=64 * 2**30), memory_delta_mib=0)
    batch.endings = [OOM] * 9
    with pytest.raises(RunFailed) as caught:
        run_wdl(source('memory: "3 GiB"'))
    assert type(cause(caught.value)).__name__ == "TaskOutOfMemory"
    assert [memory_of(job) for job in batch.jobs.values()] == [3072, 6144, 8 * 1024 * 15 // 16]


def test_memory_stays_as_it_is_by_default(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """A kill for memory counts against maxRetries and changes nothing."""
    open_backend(memory_delta_mib=0)
    batch.endings = [OOM] * 3
    with pytest.raises(RunFailed) as caught:
        run_wdl(source('memory: "2 GiB" maxRetries: 1'))
    assert type(cause(caught.value)).__name__ == "TaskOutOfMemory"
    assert [memory_of(job) for job in batch.jobs.values()] == [2048, 2048]


def test_a_lost_job_fails_its_task_alone(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """A job that DescribeJobs no longer knows is tried again; the others do not notice."""
    open_backend(infrastructure_retries=1)
    batch.lost = {"job-2"}
    scatter = (
        "version 1.1\nworkflow many { scatter (i in range(3)) "
        "{ call greet { input: who = i } } output { Array[String] said = greet.said } }\n"
    )
    _, outputs = run_wdl(scatter + source().replace("version 1.1", ""))
    assert len(outputs["said"]) == 3
    assert len(batch.jobs) == 4
    assert batch.calls.count("TerminateJob") == 1


def test_termination_ends_the_jobs(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """On SIGTERM each job is terminated once, soon, and seen to end."""
    open_backend()
    batch.hold = True

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while len(batch.jobs) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    scatter = (
        "version 1.1\nworkflow many { scatter (i in range(5)) { call greet { input: who = i } } }\n"
    )
    started = time.monotonic()
    with pytest.raises(RunFailed):
        run_wdl(scatter + source().replace("version 1.1", ""))
    assert batch.calls.count("TerminateJob") == 5
    assert {job.description["status"] for job in batch.jobs.values()} == {"FAILED"}
    assert time.monotonic() - started < 15


def test_a_failed_termination_is_not_swallowed(
    batch: Any, open_backend: Any, run_wdl: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that could not be terminated is named in the log."""
    open_backend()
    batch.hold = True
    for _ in range(3):
        batch.fail("TerminateJob", "ServerException", status=500)

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not batch.jobs and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    with pytest.raises(RunFailed):
        run_wdl(source())
    assert batch.calls.count("TerminateJob") == 3
    assert "job NOT terminated" in caplog.text
    assert "job-1" in caplog.text


def test_a_deregistered_definition_is_registered_anew(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """A definition that somebody pruned during a run is made again."""
    context = open_backend()
    run_dir, _ = run_wdl(source())
    run_dir.rename(run_dir.with_name("first"))
    (name,) = batch.definitions
    batch.definitions.clear()
    batch.fail("SubmitJob", "ClientException", f"JobDefinition {name}:1 is not ACTIVE")
    run_wdl(source())
    assert batch.calls.count("RegisterJobDefinition") == 2
    assert context.definitions is not None


def test_a_large_environment_travels_in_the_script(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """Variables that exceed the request's limit reach the command all the same."""
    open_backend()
    large = "x" * 9000
    wdl = """
version 1.1
task count {
  command <<< printf %s "$LARGE" | wc -c; printf %s "$ODD" >&2 >>>
  output { Int n = read_int(stdout()) String odd = read_string(stderr()) }
}
"""
    _, outputs = run_wdl(wdl, task_runtime__env={"LARGE": large, "ODD": "a'b $c"})
    assert outputs == {"n": 9000, "odd": "a'b $c"}
    (job,) = batch.jobs.values()
    assert job.request["containerOverrides"]["environment"] == []


def test_inline_dockerfiles_are_refused(open_backend: Any, run_wdl: Any, tmp_path: Path) -> None:
    """AWS Batch builds no images, and a task that asks for it is told so."""
    open_backend()
    with pytest.raises(RunFailed):
        run_wdl(source('inlineDockerfile: "FROM scratch"'))
    assert "runtime.docker" in error_json(tmp_path / "runs/a run")["message"]


LONG_ENOUGH = """
version 1.1
task long_enough {
  command <<< until [ -e ../go ]; do sleep 0.1; done >>>
}
"""


def test_statuses_are_logged_once_with_their_stream(
    open_backend: Any, run_wdl: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The task's log tells the job's changes, and where its log is."""
    caplog.set_level("INFO")
    open_backend()

    def let_it_end() -> None:
        deadline = time.monotonic() + 20
        while "stream/t-" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.02)
        (tmp_path / "runs/a run/go").touch()

    threading.Thread(target=let_it_end).start()
    run_dir, _ = run_wdl(LONG_ENOUGH)
    log = (run_dir / "task.log").read_text()
    assert log.count('"SUCCEEDED"') == 1
    assert "stream/t-0f1e2d3c4b5a-long_enough" in log
    detail = json.loads((run_dir / "awsBatchJobDetail.job-1.json").read_text())
    assert detail["log_stream"].startswith("stream/t-0f1e2d3c4b5a-long_enough")


def test_the_stream_of_a_short_job_is_found_out_later(
    batch: Any, open_backend: Any, run_wdl: Any, eventually: Any
) -> None:
    """A job that had ended before it was described is described when nobody waits for it."""
    open_backend()
    run_dir, _ = run_wdl(source())
    detail = run_dir / "awsBatchJobDetail.job-1.json"
    eventually(lambda: json.loads(detail.read_text())["log_stream"])
    found = json.loads(detail.read_text())
    assert (found["status"], found["exit_code"]) == ("SUCCEEDED", 0)
    assert found["started_at"] <= found["stopped_at"]


def test_a_success_that_the_shell_tells_costs_no_description(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """The head learns of 20 ends from the file system, while DescribeJobs is out of order."""
    open_backend()
    for _ in range(1000):
        batch.fail("DescribeJobs", "ServerException", status=500)
    scatter = (
        "version 1.1\nworkflow many { scatter (i in range(20)) "
        "{ call greet { input: who = i } } output { Array[String] said = greet.said } }\n"
    )
    run_dir, outputs = run_wdl(scatter + source().replace("version 1.1", ""))
    assert len(outputs["said"]) == 20
    assert len(list(run_dir.glob("call-greet-*/exit.json"))) == 20
    assert not [*run_dir.glob("call-greet-*/*.began"), *run_dir.glob("call-greet-*/*.ended")]
    batch.errors.clear()  # else the jobs would be asked about for long after the test


def warnings_of(run_dir: Path) -> str:
    return (run_dir / "task.log").read_text()


def test_a_fargate_queue_gets_jobs_of_fargate(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """Sizes are rounded up, and the log says so; disks become ephemeral storage."""
    batch.add_queue("fargate", "FARGATE_SPOT")
    open_backend(task_queue="fargate", execution_role="arn:e")
    run_dir, _ = run_wdl(source('cpu: 3 memory: "9 GiB" disks: "local-disk 50 SSD"'))
    (job,) = batch.jobs.values()
    assert job.request["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "4"},
        {"type": "MEMORY", "value": "9216"},
    ]
    (definition,) = batch.definitions.values()
    assert definition["platformCapabilities"] == ["FARGATE"]
    assert definition["containerProperties"]["ephemeralStorage"] == {"sizeInGiB": 60}
    log = warnings_of(run_dir)
    assert log.count("rounded up to a size that Fargate has") == 1
    assert "ignored runtime settings" not in log


def test_disks_are_ignored_on_ec2(open_backend: Any, run_wdl: Any) -> None:
    """The work directory is on the shared file system; the log names what has no effect."""
    open_backend()
    run_dir, _ = run_wdl(source('disks: "local-disk 50 SSD"'))
    assert 'ignored runtime settings :: keys: ["disks"]' in warnings_of(run_dir)


@pytest.mark.parametrize(
    ("runtime", "disks", "why"),
    [
        ("cpu: 97", "", "spot has at most 96 CPUs, 384 GiB and 0 GPUs, since .*m5"),
        ('memory: "500 GiB"', "", "can run 1 CPUs, 500 GiB"),
        ("gpu: true", "", "and 1 GPUs .*since compute environment spot-environment"),
        ("gpu: true", "fargate", "is on Fargate"),
        ('cpu: 33 memory: "8 GiB"', "fargate", "33 CPUs"),
    ],
)
def test_an_impossible_request_fails_at_once(
    batch: Any, open_backend: Any, run_wdl: Any, tmp_path: Path, runtime: str, disks: str, why: str
) -> None:
    """What no queue of the task can ever run is refused with the reason, not submitted."""
    batch.add_queue("spot", instanceTypes=["m5"])
    batch.add_queue("fargate", "FARGATE")
    open_backend(task_queue=disks or "spot", execution_role="arn:e")
    with pytest.raises(RunFailed):
        run_wdl(source(f"maxRetries: 3 {runtime}"))
    assert not batch.jobs
    error = error_json(tmp_path / "runs/a run")
    assert error["error"] == "TaskNotSubmitted"
    assert re.search(why, error["message"])


def test_what_is_too_large_for_the_queue_goes_to_the_fallback(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """A task that fits on the fallback queue alone is sent there, and the log says why."""
    batch.add_queue("spot", instanceTypes=["m5.large"])
    open_backend(task_queue_fallback="on-demand")
    run_dir, _ = run_wdl(source("cpu: 8"))
    assert queues(batch) == ["on-demand"]
    assert "job queue is too small for the task" in warnings_of(run_dir)


def test_small_tasks_ask_for_no_limits(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """A run of ordinary tasks costs one request about its queues."""
    open_backend()
    run_wdl(source('cpu: 2 memory: "4 GiB"'))
    assert batch.calls.count("DescribeJobQueues") == 1
    assert "DescribeComputeEnvironments" not in batch.calls


POLICIES = json.dumps(
    [
        {"match": "greet", "memory_factor": 2, "tags": {"cost": "{call}"}, "max_retries": 1},
        {"match": "many.*", "queue": "on-demand", "timeout_max": 600},
        {"match": "other", "cpu_factor": 9},
    ]
)


def test_policies_change_tasks_by_name_and_call(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """Rules about the task and about its call within the workflow both apply."""
    open_backend(task_policies=read_policies(POLICIES), memory_delta_mib=0)
    batch.endings = [ending("Job attempt duration exceeded timeout", 137)]
    workflow = (
        "version 1.1\nworkflow many { scatter (i in range(1)) "
        '{ call greet { input: who = "S1" } } output { Array[String] said = greet.said } }\n'
    )
    _, outputs = run_wdl(workflow + source('cpu: 2 memory: "2 GiB"').replace("version 1.1", ""))
    assert outputs["said"] == ["dear S1"]
    assert queues(batch) == ["on-demand", "on-demand"]
    for job in batch.jobs.values():
        assert memory_of(job) == 4096
        assert job.request["timeout"] == {"attemptDurationSeconds": 600}
        assert job.request["tags"]["cost"] == "many.greet"


def test_tags_tell_run_call_and_sample(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """Placeholders are filled for each job, and tags go to the container's task."""
    tags = {name: f"{{{name}}}" for name in PLACEHOLDERS}
    open_backend(job_tags=tags, owner="lab #1")
    run_wdl(
        source().replace("who = ", "sample = ").replace("~{who}", "~{sample}"), {"sample": "S 1"}
    )
    (job,) = batch.jobs.values()
    assert job.request["propagateTags"] is True
    assert {key: job.request["tags"][key] for key in PLACEHOLDERS} == {
        "run": "a run",
        "run_key": "dag/run",
        "workflow": "greet",
        "call": "greet",
        "task": "greet",
        "attempt": "1",
        "sample": "S 1",
        "owner": "lab _1",
    }


def test_a_secret_is_no_variable_as_well(
    batch: Any, open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """One name cannot mean both; what would win is not left to chance."""
    arn = "arn:aws:ssm:us-east-1:1:parameter/token"
    open_backend(task_secrets={"TOKEN": arn}, execution_role="arn:e")
    with pytest.raises(RunFailed):
        run_wdl(source(), task_runtime__env={"TOKEN": "x"})
    assert "TOKEN is both a variable" in error_json(tmp_path / "runs/a run")["message"]


def test_the_other_backend_mounts_what_the_hosts_have(
    batch: Any, open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """aws_batch_job_no_efs mounts a directory of the host at the same path."""
    open_backend(efs=False, fs="", fsap="")
    _, outputs = run_wdl(source(), scheduler__container_backend="aws_batch_job_no_efs")
    assert outputs["said"] == "dear you"
    (definition,) = batch.definitions.values()
    assert definition["containerProperties"]["volumes"] == [
        {"name": "file_io_root", "host": {"sourcePath": str(tmp_path)}}
    ]


def test_what_does_not_start_goes_to_the_fallback_queue_and_no_further(
    batch: Any, open_backend: Any, run_wdl: Any, tmp_path: Path
) -> None:
    """A job that waits in vain is given up with the reason, on each queue once."""
    batch.hold = True
    open_backend(task_queue_fallback="on-demand", runnable_timeout_seconds=0.1)
    with pytest.raises(RunFailed):
        run_wdl(source("preemptible: 2 maxRetries: 2"))
    assert queues(batch) == ["spot", "on-demand"]
    error = error_json(tmp_path / "runs/a run")
    assert error["error"] == "TaskNotRun"
    assert "no instance has been started for its queue" in error["message"]
