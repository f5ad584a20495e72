"""Tests of `miniwdl_aws.backend.script`: the script runs for real, under each shell there is."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from miniwdl_aws.backend.files import AttemptFiles, point_work_at
from miniwdl_aws.backend.script import DRAIN_SECONDS, TaskScript, exports, render
from miniwdl_aws.backend.sentinel import Mailbox, read_ending
from miniwdl_aws.errors import InvalidInputError

SHELLS = [
    pytest.param(
        shell, marks=pytest.mark.skipif(not shutil.which(shell[0]), reason=f"no {shell[0]}")
    )
    for shell in (["sh"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])
]


def start(
    folder: Path, command: str, interpreter: list[str], **options: str
) -> "tuple[subprocess.Popen[bytes], AttemptFiles]":
    task_dir = folder / "a dir with 'quotes' and $dollars"
    task_dir.mkdir()
    files = AttemptFiles(task_dir=task_dir, attempt=int(options.pop("attempt", "1")))
    files.work_dir.mkdir()
    if files.attempt > 1:
        point_work_at(files)
    files.command.write_text(command)
    path = options.pop("path", os.environ["PATH"])
    mailbox = Mailbox(folder=Path(options.pop("box", str(folder))), name="job")
    files.script.write_text(render(TaskScript(files=files, mailbox=mailbox, **options)))  # type: ignore[arg-type]
    process = subprocess.Popen(
        [shutil.which(interpreter[0]) or "", *interpreter[1:], str(files.script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": path, "AWS_BATCH_JOB_ID": "job-1"},
    )
    return process, files


@pytest.mark.parametrize("shell", SHELLS)
def test_both_streams_are_complete_in_files_and_log(tmp_path: Path, shell: list[str]) -> None:
    """A command that writes much and ends at once loses nothing, and its exit code is kept."""
    command = "seq 30000 >&2; seq 60000; exit 7"
    process, files = start(tmp_path, command, shell)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 7
    assert stdout == files.stdout.read_bytes()
    assert stderr == files.stderr.read_bytes()
    assert stdout.splitlines()[-1] == b"60000"
    assert stderr.splitlines()[-1] == b"30000"


@pytest.mark.parametrize("shell", SHELLS)
def test_fast_commands_lose_nothing(tmp_path: Path, shell: list[str]) -> None:
    """The last word of a command that ends at once is there, every time."""
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        process, files = start(folder, "echo last >&2", shell)
        assert process.communicate(timeout=60)[1] == b"last\n"
        assert files.stderr.read_text() == "last\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_termination_reaches_the_command(tmp_path: Path, shell: list[str]) -> None:
    """On SIGTERM the command may end its work, and its last words are kept."""
    command = "trap 'echo goodbye >&2; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process, files = start(tmp_path, command, shell)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 9
    assert stderr == b"goodbye\n"
    assert files.stderr.read_text() == "goodbye\n"


def test_processes_left_behind_do_not_hold_the_job(tmp_path: Path) -> None:
    """A daemon that keeps the output open is waited for a bounded time."""
    started = time.monotonic()
    process, files = start(tmp_path, "sleep 60 & echo done", ["sh"])
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stdout == b"done\n"
    assert files.stdout.read_text() == "done\n"
    assert time.monotonic() - started < DRAIN_SECONDS + 10


def test_images_without_tee_or_fifos_work(tmp_path: Path) -> None:
    """With a shell and cat alone the streams are complete too."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cat", "seq"):
        (tools / name).symlink_to(shutil.which(name) or "")
    process, files = start(tmp_path, "seq 5; seq 3 >&2; exit 4", ["sh"], path=str(tools))
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 4
    assert stdout == files.stdout.read_bytes() == b"1\n2\n3\n4\n5\n"
    assert stderr == files.stderr.read_bytes() == b"1\n2\n3\n"


def test_images_without_the_shell_use_what_they_have(tmp_path: Path) -> None:
    """Where the configured shell is missing, /bin/sh runs the command and the log says so."""
    process, _ = start(tmp_path, "echo hi", ["sh"], shell="/opt/nowhere/bash -e")  # noqa: S604  (a field)
    stdout, stderr = process.communicate(timeout=60)
    assert stdout == b"hi\n"
    assert b"no /opt/nowhere/bash" in stderr


def test_later_attempts_see_their_own_directory_by_the_first_name(tmp_path: Path) -> None:
    """`work` leads to the attempt's directory, in which the command runs."""
    process, files = start(tmp_path, 'echo x > "$PWD/file"; pwd', ["sh"], attempt="2")
    stdout, _ = process.communicate(timeout=60)
    assert stdout.decode() == f"{files.task_dir}/work\n"
    assert (files.task_dir / "work2/file").is_file()
    assert files.stdout.name == "stdout2.txt"


def test_variables_are_quoted() -> None:
    """Any value survives the shell; a name that no shell can export is refused."""
    assert exports({"A": "a'b $c"}) == ["export A='a'\"'\"'b $c'"]
    with pytest.raises(InvalidInputError, match="not a name"):
        exports({"not a name": "x"})


@pytest.mark.parametrize("shell", SHELLS)
def test_the_end_is_told_when_all_is_written(tmp_path: Path, shell: list[str]) -> None:
    """Exit code and job are told beside the streams and in the mailbox, the streams complete."""
    process, files = start(tmp_path, "seq 5000; exit 3", shell)
    box = Mailbox(folder=tmp_path, name="job")
    while not box.ended.exists():
        assert process.poll() is None or box.ended.exists()
        time.sleep(0.01)
    size = files.stdout.stat().st_size
    process.communicate(timeout=60)
    assert size == len("".join(f"{i}\n" for i in range(1, 5001)))
    assert box.began.exists()
    told = read_ending(box.ended)
    assert told == read_ending(files.exit)
    assert told is not None
    assert (told.job_id, told.exit_code, told.signalled) == ("job-1", 3, False)
    assert 0 < told.started_at <= told.stopped_at


@pytest.mark.parametrize("shell", SHELLS)
def test_an_end_by_signal_is_told_as_such(tmp_path: Path, shell: list[str]) -> None:
    """A command that returns 0 after SIGTERM is not taken for one that did its work."""
    command = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    process, files = start(tmp_path, command, shell)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    told = read_ending(files.exit)
    assert told is not None
    assert (told.exit_code, told.signalled) == (0, True)


def test_a_mailbox_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    """Signs are a shortcut; without them the job's exit code is the same."""
    process, files = start(tmp_path, "echo hi", ["sh"], box="/proc/nowhere")
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (0, b"hi\n", b"")
    assert read_ending(files.exit) is not None
