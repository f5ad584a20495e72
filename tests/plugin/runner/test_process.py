"""Tests of `miniwdl_aws.runner.process` and `miniwdl_aws.runner.failure`."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from miniwdl_aws.errors import AwsUnavailableError
from miniwdl_aws.runner.failure import STDERR_LINES, call_failure, ensure_error, tail
from miniwdl_aws.runner.process import (
    Cancellation,
    ProcessResult,
    handling_signals,
    run_process,
)

ENVIRONMENT = dict(os.environ)


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_output_is_captured_and_the_log_passes_through() -> None:
    """Standard output is kept, standard error shown as it comes and its end kept."""
    shown: list[bytes] = []
    code = "import sys\nprint('out')\nfor i in range(100): print(i, file=sys.stderr)\nsys.exit(3)"
    result = run_process(python(code), ENVIRONMENT, Cancellation(), log=shown.append)
    assert (result.exit_code, result.stdout) == (3, "out\n")
    assert len(shown) == 100
    assert result.stderr_tail[-1] == "99"
    assert len(result.stderr_tail) == 40


def test_a_signal_is_handed_on_once() -> None:
    """The child is told by SIGTERM, whichever signal came, and may end its work."""
    code = (
        "import signal, sys, time\n"
        "told = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: told.append(1))\n"
        "print('ready', file=sys.stderr)\n"
        "while not told: time.sleep(0.05)\n"
        "time.sleep(0.5); print(len(told), file=sys.stderr); sys.exit(5)"
    )
    cancellation = Cancellation()

    def log(line: bytes) -> None:
        if line == b"ready\n":
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)

    with handling_signals(cancellation):
        result = run_process(python(code), ENVIRONMENT, cancellation, log=log)
    assert cancellation.signal_number == signal.SIGINT
    assert result.exit_code == 5
    assert result.stderr_tail == ("ready", "1")


def test_a_child_that_does_not_end_is_killed() -> None:
    """What ignores SIGTERM is killed in time for the report."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', file=sys.stderr)\ntime.sleep(60)"
    )
    cancellation = Cancellation(_kill_after=0.2)
    result = run_process(
        python(code),
        ENVIRONMENT,
        cancellation,
        log=lambda _: cancellation.request(signal.SIGTERM),
    )
    assert result.exit_code == 128 + signal.SIGKILL


def test_a_signal_before_the_start_is_not_forgotten() -> None:
    """Cancellation requested early ends the child at once."""
    cancellation = Cancellation()
    cancellation.request(signal.SIGTERM)
    result = run_process(python("import time; time.sleep(60)"), ENVIRONMENT, cancellation)
    assert result.exit_code == 128 + signal.SIGTERM
    assert threading.active_count() >= 1


def result(stdout: str = "", *lines: str, code: int = 2) -> ProcessResult:
    return ProcessResult(exit_code=code, stdout=stdout, stderr_tail=lines)


def test_an_error_is_always_left(tmp_path: Path) -> None:
    """error.json is miniwdl's own, else its standard output, else the end of its log."""
    said = ensure_error(tmp_path, result("", "it", "broke", code=137), "it was killed")
    assert said["message"] == "it was killed\nit\nbroke"
    assert json.loads((tmp_path / "error.json").read_text()) == said
    (tmp_path / "error.json").unlink()
    said = ensure_error(tmp_path, result('{"error": "InputError", "message": "no"}'), "x")
    assert (said["error"], said["dir"]) == ("InputError", str(tmp_path))
    (tmp_path / "error.json").write_text('{"error": "RunFailed"}')
    assert ensure_error(tmp_path, result('{"error": "Other"}'), "x") == {"error": "RunFailed"}


def test_a_torn_error_is_replaced(tmp_path: Path) -> None:
    """A file that is no JSON does not count."""
    (tmp_path / "error.json").write_text('{"error": ')
    assert ensure_error(tmp_path, result(), "torn")["message"] == "torn"


def test_the_failed_call_is_decoded(tmp_path: Path) -> None:
    """Call, exit code, last lines, job and category are found in error.json."""
    stderr = tmp_path / "stderr.txt"
    stderr.write_text("".join(f"{i}\n" for i in range(1000)))
    failure = call_failure(
        {
            "error": "RunFailed",
            "run": "wf",
            "cause": {
                "error": "TaskOutOfMemory",
                "run": "call-a",
                "exit_status": 137,
                "message": "too big",
                "stderr_file": str(stderr),
                "jobId": "j",
                "logStreamName": "s",
                "category": "out_of_memory",
            },
        }
    )
    assert (failure.run, failure.exit_code, failure.job_id) == ("call-a", 137, "j")
    assert (failure.log_stream, failure.category) == ("s", "out_of_memory")
    assert failure.message == "too big"
    assert failure.stderr == tuple(str(i) for i in range(980, 1000))


@pytest.mark.parametrize("error", ["InputError", "EvalError", "OutputError"])
def test_an_error_outside_commands_is_the_workflows(error: str) -> None:
    """What no command failed of is the workflow's own failure, without a call's exit code."""
    failure = call_failure({"error": error, "message": "m"})
    assert (failure.category, failure.exit_code, failure.run) == ("workflow", None, "")


def test_a_missing_stream_has_no_lines(tmp_path: Path) -> None:
    """A job that never ran leaves no standard error."""
    assert tail(tmp_path / "none") == ()
    (tmp_path / "long").write_bytes(b"x" * 200_000 + b"\nlast")
    assert tail(tmp_path / "long")[-1] == "last"
    assert len(tail(tmp_path / "long")) <= STDERR_LINES


STUBBORN = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    "print('ready', file=sys.stderr)\ntime.sleep(60)"
)


def told(cancellation: Cancellation) -> ProcessResult:
    return run_process(
        python(STUBBORN),
        ENVIRONMENT,
        cancellation,
        log=lambda _: cancellation.request(signal.SIGTERM),
    )


def test_a_run_that_goes_on_elsewhere_is_killed_at_once() -> None:
    """Miniwdl gets no time to end the task jobs that the next attempt is to adopt."""
    cancellation = Cancellation(spare=lambda: True)
    assert told(cancellation).exit_code == 128 + signal.SIGKILL
    assert "another attempt" in cancellation.left


def test_a_run_that_is_over_ends_its_task_jobs() -> None:
    """If there is no other attempt, or nobody knows, miniwdl is asked to end."""

    def unknown() -> bool:
        raise AwsUnavailableError("DescribeJobs", "Timeout", "no answer")

    for spare in (lambda: False, unknown):
        cancellation = Cancellation(spare=spare)
        assert told(cancellation).exit_code == 7
        assert cancellation.left == ""


def test_a_signal_that_came_before_anybody_could_be_asked_ends_the_run() -> None:
    """It came while the run directory was made: there is nothing yet that could be spared."""
    cancellation = Cancellation()
    cancellation.request(signal.SIGTERM)
    cancellation.spare = lambda: True
    result = run_process(python("import time; time.sleep(60)"), ENVIRONMENT, cancellation)
    assert result.exit_code == 128 + signal.SIGTERM
    assert cancellation.left == ""
